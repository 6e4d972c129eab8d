//! Calls from beginning to end: who is in, who is out for good, retries, and those who come late.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, PASSWORD};
use crate::server::{Server, quick, unthrottled, until};

#[tokio::test]
async fn changes_made_at_the_same_time_undo_nothing_of_each_other() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    for _ in 0..5 {
        let room = format!("/rooms/{}", ada.room().await);
        let changes = [
            json!({ "locked": true }),
            json!({ "lobby": true }),
            json!({ "guests": true }),
            json!({ "capacity": 7 }),
            json!({ "retention_days": null }),
            json!({ "language": "ase" }),
        ];
        let changed = join_all(changes.iter().map(|change| ada.patch(&room, change))).await;
        assert!(changed.iter().all(|answer| answer.status == StatusCode::OK));
        let now = ada.get(&room).await.expect(200);
        let expected = json!({ "state": "locked", "lobby": true, "guests": true, "capacity": 7,
            "retention_days": null, "language": "ase" });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(now[field], *value, "{field}");
        }
    }
}

#[tokio::test]
async fn a_change_happens_as_a_whole_or_not_at_all() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    let room = format!("/rooms/{code}");
    ada.patch(&room, &json!({ "guests": true })).await.expect(200);
    let name = json!({ "display_name": "Grandma" });
    let guest = server.anonymous().post(&format!("{room}/participants"), &name).await.expect(201);
    for owner in [&guest["participant"]["rp_user_id"], &json!(bob.id().await), &json!(1)] {
        let change = json!({ "locked": true, "owner_id": owner });
        let refused = ada.patch(&room, &change).await.refused(422, "invalid");
        assert_eq!(refused["errors"][0]["field"], "owner_id");
    }
    let now = ada.get(&room).await;
    assert_eq!((now.header("etag"), &now.body["state"]), ("\"2\"", &json!("open")));
    bob.join(&code).await.expect(201);
    let change = json!({ "locked": true, "owner_id": bob.id().await });
    let changed = ada.header("if-match", "\"2\"").patch(&room, &change).await.expect(200);
    assert_eq!((&changed["state"], &changed["owner_id"]), (&json!("locked"), &change["owner_id"]));
}

#[tokio::test]
async fn a_retry_of_what_took_away_the_right_to_ask_gets_the_first_answer() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let (room, keyed) =
        (format!("/rooms/{code}"), |who: &Client| who.header("idempotency-key", "k"));
    let leave = format!("{room}/participants/me");
    for _ in 0..2 {
        keyed(&bob).delete(&leave).await.expect(204);
    }
    bob.delete(&leave).await.refused(404, "not_found");
    let close = format!("{room}/close");
    let seen = keyed(&ada).header("if-match", "\"1\"");
    for _ in 0..2 {
        seen.post(&close, &json!({})).await.expect(204);
    }
    ada.header("if-match", "\"1\"").post(&close, &json!({})).await.refused(412, "stale");
    for _ in 0..2 {
        keyed(&ada).delete(&room).await.expect(204);
    }
    ada.delete(&room).await.refused(404, "not_found");
    keyed(&bob).delete(&room).await.refused(404, "not_found");
    ada.header("idempotency-key", "other").delete(&room).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_removed_have_no_way_back_until_they_are_admitted_again() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let second = bob.log_in("bob", PASSWORD).await.expect(201);
    let second = server.with_token(second["token"].as_str().unwrap());
    let page = {
        let body = json!({ "username": "bob", "password": PASSWORD });
        let answer = server.anonymous().post("/sessions", &body).await;
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let origin = format!("http://{}", server.address);
        server.anonymous().header("cookie", &cookie).header("origin", &origin)
    };
    let mut events = second.events(&code, "").await;
    events.next_of("ready").await;
    let ticket = bob.post("/live-tickets", &json!({})).await.expect(201);
    let ticket = format!("?ticket={}", ticket["ticket"].as_str().unwrap());
    let person = format!("/rooms/{code}/participants/{}", bob.id().await);
    ada.delete(&person).await.expect(204);
    assert_eq!(events.next_of("close").await.1["data"]["code"], 4403);
    let all = [&bob, &second, &page];
    for client in all {
        client.join(&code).await.refused(403, "removed");
        client.get(&format!("/rooms/{code}")).await.refused(404, "not_found");
        client.say(&code, "hi").await.refused(404, "not_found");
        assert!(client.socket(&code, "").await.is_err());
    }
    assert!(server.anonymous().socket(&code, &ticket).await.is_err());
    ada.put(&format!("{person}/admission"), &json!({ "admit": true })).await.expect(204);
    for client in all {
        client.join(&code).await.expect(201);
        client.socket(&code, "").await.unwrap();
    }
}

#[tokio::test]
async fn a_full_room_takes_the_next_one_when_somebody_has_left() {
    let server = Server::start().await;
    let (ada, bob, eve) =
        (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    let room = ada.post("/rooms", &json!({ "capacity": 2 })).await.expect(201);
    let code = room["room_code"].as_str().unwrap();
    bob.join(code).await.expect(201);
    bob.join(code).await.expect(201);
    eve.join(code).await.refused(409, "room_full");
    bob.delete(&format!("/rooms/{code}/participants/me")).await.expect(204);
    eve.join(code).await.expect(201);
}

#[tokio::test]
async fn codes_are_read_as_people_write_them() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    assert!(code.bytes().all(|c| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&c)), "{code}");
    let (a, b, c) = (&code[..3], &code[3..6], &code[6..]);
    let looks_like = |code: &str| {
        let like = code.replace('0', "o").replace('1', "l");
        [like.clone(), like.to_uppercase(), code.replace('1', "i"), code.to_lowercase()]
    };
    let mut written = vec![format!("{a}-{b}-{c}"), format!("{a}{b}-{c}").to_lowercase()];
    written.extend(looks_like(&code));
    for text in written {
        let found = ada.get(&format!("/rooms/{text}")).await.expect(200);
        assert_eq!(found["room_code"], code.as_str(), "{text}");
    }
}

#[tokio::test]
async fn who_comes_after_the_end_reads_to_the_end() {
    let server = Server::with(unthrottled()).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    // More than is read at once.
    for number in 0..130 {
        bob.say(&code, &number.to_string()).await.expect(201);
    }
    ada.post(&format!("/rooms/{code}/close"), &json!({})).await.expect(204);
    let late = ada.get(&format!("/rooms/{code}/messages?before=&limit=1")).await.expect(200);
    // Entries may follow the end: what was said can still be taken back.
    bob.delete(&format!("/rooms/{code}/messages/{}", late["data"][0]["id"])).await.expect(204);
    server.pass(60);
    let end = 2 + 130 + 2;
    let check = |message: &Value, last: &mut u64| {
        if let Some(seq) = message["seq"].as_u64() {
            assert_eq!(seq, *last + 1);
            *last = seq;
        }
    };
    let (mut socket, mut last) = (bob.socket(&code, "?after=2").await.unwrap(), 2);
    let code_of_end = loop {
        match socket.next().await {
            Ok(message) => check(&message, &mut last),
            Err(code) => break code,
        }
    };
    assert_eq!((last, code_of_end), (end, 4404));
    let (mut events, mut last, mut told) = (bob.events(&code, "?after=2").await, 2, Value::Null);
    while let Some((_, message)) = events.next().await {
        check(&message, &mut last);
        told = message;
    }
    assert_eq!((last, &told["data"]["code"]), (end, &json!(4404)));
    let mut socket = bob.socket(&code, &format!("?after={end}")).await.unwrap();
    assert_eq!(socket.next_of("ready").await["data"]["seq"], end);
    assert_eq!(socket.close_code().await, 4404);
}

#[tokio::test]
async fn what_an_erased_author_said_takes_no_corrections() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    for (name, erase) in [("bob", true), ("eve", false)] {
        let who = server.user(name).await;
        who.join(&code).await.expect(201);
        let typed = json!({ "ts_content": "hello" });
        let typed = who.post(&format!("/rooms/{code}/transcripts"), &typed).await.expect(201);
        let delete = json!({ "password": PASSWORD, "erase_content": erase });
        let request = who.request(reqwest::Method::DELETE, "/users/me").json(&delete);
        who.send(request).await.expect(204);
        let path = format!("/rooms/{code}/transcripts/{}", typed["id"]);
        until("the deletion", async || ada.get(&path).await.body["user_id"].is_null()).await;
        let corrected = ada.patch(&path, &json!({ "ts_content": "hullo" })).await;
        if erase {
            corrected.refused(410, "gone");
            assert_eq!(ada.get(&path).await.expect(200)["ts_content"], Value::Null);
        } else {
            assert_eq!(corrected.expect(200)["ts_content"], "hullo");
        }
    }
}

#[tokio::test]
async fn frames_of_a_call_that_is_over_are_refused() {
    let server = Server::with(quick()).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    ada.put(&format!("/rooms/{code}/captions/me"), &json!({ "consent": true })).await.expect(204);
    ada.post(&format!("/rooms/{code}/close"), &json!({})).await.expect(204);
    let request = ada.request(reqwest::Method::POST, &format!("/rooms/{code}/frames"));
    let frames = [clips::landmarks::Frame::empty(0, 640.0, 480.0)];
    let request = request.header("content-type", "application/vnd.signcall.landmarks");
    let request = request.body(clips::live_wire::encode(&frames, 0));
    ada.send(request).await.refused(409, "room_closed");
}
