//! What moderators do and guests may: taking others' messages away, the way back to the lobby, what
//! was said before somebody came, names that imitate.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{Server, quick, unthrottled};

async fn open_room(owner: &Client) -> String {
    let made = owner.post("/rooms", &json!({ "guests": true })).await.expect(201);
    made["room_code"].as_str().unwrap().to_owned()
}

async fn guest(server: &Server, code: &str, name: &str) -> (Client, Value) {
    let body = json!({ "display_name": name });
    let path = format!("/rooms/{code}/participants");
    let place = server.anonymous().post(&path, &body).await.expect(201);
    (server.with_token(place["token"].as_str().unwrap()), place["participant"].clone())
}

fn texts(list: &Value, field: &str) -> Vec<String> {
    let rows = list["data"].as_array().unwrap_or_else(|| list.as_array().unwrap()).iter();
    rows.filter_map(|row| row[field].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn who_runs_a_room_takes_messages_away_for_everybody() {
    let server = Server::start().await;
    let (ada, bob, root) =
        (server.user("ada").await, server.user("bob").await, server.admin().await);
    let eve = server.user("eve").await;
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    eve.join(&code).await.expect(201);
    let mut socket = bob.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    let room = format!("/rooms/{code}");
    for (who, text) in [(&ada, "an insult"), (&root, "another")] {
        let said = bob.say(&code, text).await.expect(201);
        let path = format!("{room}/messages/{}", said["id"]);
        let edit = json!({ "msg_content": format!("{text}!") });
        bob.patch(&path, &edit).await.expect(200);
        eve.delete(&path).await.refused(403, "forbidden");
        who.patch(&path, &edit).await.refused(
            if who.id().await == ada.id().await { 403 } else { 404 },
            if who.id().await == ada.id().await { "forbidden" } else { "not_found" },
        );
        who.header("if-match", "\"1\"").delete(&path).await.refused(412, "stale");
        who.header("if-match", "\"2\"").delete(&path).await.expect(204);
        let gone = socket.next_of("message_deleted").await;
        assert_eq!(gone["data"]["deleted_by"], who.id().await);
        let tombstone = eve.get(&path).await.expect(200);
        assert_eq!(
            (&tombstone["msg_content"], &tombstone["user_id"]),
            (&Value::Null, &json!(bob.id().await))
        );
        let before = eve.get(&format!("{path}/revisions")).await;
        assert!(!before.text.contains(text), "{}", before.text);
        bob.delete(&path).await.refused(404, "not_found");
    }
    // Those who come later see the tombstones too.
    let late = server.user("late").await;
    late.join(&code).await.expect(201);
    let chat = late.get(&format!("{room}/messages")).await.expect(200);
    assert_eq!(chat["data"].as_array().unwrap().len(), 2);
    assert!(texts(&chat, "msg_content").is_empty());
    let file = late.get(&format!("{room}/chat.txt")).await;
    assert!(file.text.contains("bob: (deleted by ada)"), "{}", file.text);
}

#[tokio::test]
async fn a_refused_moderator_is_punished_for_nothing() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let owner = format!("/rooms/{code}/participants/{}", ada.id().await);
    bob.delete(&owner).await.refused(403, "forbidden");
    bob.post(&format!("{owner}/lobby"), &json!({})).await.refused(403, "forbidden");
    bob.say(&code, "still here").await.expect(201);
    ada.say(&code, "me too").await.expect(201);
}

#[tokio::test]
async fn who_is_sent_back_to_the_lobby_hears_and_says_nothing_until_admitted() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let room = format!("/rooms/{code}");
    bob.put(&format!("{room}/captions/me"), &json!({ "consent": true })).await.expect(204);
    let mut socket = bob.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    let mut hers = ada.socket(&code, "").await.unwrap();
    hers.next_of("ready").await;
    let theirs = format!("{room}/participants/{}", bob.id().await);
    let back = format!("{theirs}/lobby");
    ada.post(&back, &json!({})).await.expect(204);
    assert_eq!(socket.close_code().await, 4403);
    let told = hers.next_of("participant_sent_back").await;
    assert_eq!(told["data"]["admission"], "waiting");
    for refused in [
        bob.say(&code, "hello").await,
        bob.get(&format!("{room}/messages")).await,
        bob.get(&format!("{room}/chat.json")).await,
        bob.get(&format!("{room}/participants")).await,
    ] {
        refused.refused(403, "not_admitted");
    }
    assert!(bob.socket(&code, "").await.is_err());
    // The same credential waits, also after leaving and coming again, lobby or not.
    assert_eq!(bob.join(&code).await.expect(202)["consent"], "none");
    bob.delete(&format!("{room}/participants/me")).await.expect(204);
    bob.join(&code).await.expect(202);
    ada.post(&back, &json!({})).await.expect(204);
    ada.put(&format!("{theirs}/admission"), &json!({ "admit": true })).await.expect(204);
    bob.say(&code, "hello").await.expect(201);
    ada.post(&format!("{room}/participants/9/lobby"), &json!({})).await.refused(404, "not_found");
    let own = format!("{room}/participants/{}/lobby", ada.id().await);
    ada.post(&own, &json!({})).await.refused(403, "forbidden");
}

#[tokio::test]
async fn guests_do_not_see_what_was_said_before_they_came() {
    let server = Server::with(unthrottled()).await;
    let (ada, late) = (server.user("ada").await, server.user("late").await);
    let code = open_room(&ada).await;
    let room = format!("/rooms/{code}");
    let secret = ada.say(&code, "secret").await.expect(201)["id"].as_u64().unwrap();
    let type_it = async |text: &str| {
        let typed = json!({ "ts_content": text });
        ada.post(&format!("{room}/transcripts"), &typed).await.expect(201)["id"].as_u64().unwrap()
    };
    let hidden = type_it("hidden words").await;
    let (guest, _) = guest(&server, &code, "Visitor").await;
    let read = async |who: &Client| {
        let mut all = Vec::new();
        for path in ["messages", "messages?before=", "chat.json"] {
            all.extend(texts(&who.get(&format!("{room}/{path}")).await.expect(200), "msg_content"));
        }
        for path in
            ["transcripts", "transcripts?q=words", "transcripts?before=&limit=1", "transcript.json"]
        {
            all.extend(texts(&who.get(&format!("{room}/{path}")).await.expect(200), "ts_content"));
        }
        for path in ["transcript.vtt", "transcript.srt", "transcript.txt", "chat.txt"] {
            all.push(who.get(&format!("{room}/{path}")).await.text);
        }
        all.join("\n")
    };
    let seen = read(&guest).await;
    assert!(!seen.contains("secret") && !seen.contains("hidden"), "{seen}");
    for path in [
        format!("messages/{secret}"),
        format!("messages/{secret}/revisions"),
        format!("transcripts/{hidden}"),
        format!("transcripts/{hidden}/revisions"),
    ] {
        guest.get(&format!("{room}/{path}")).await.refused(404, "not_found");
    }
    let correct = json!({ "ts_content": "x" });
    guest.patch(&format!("{room}/transcripts/{hidden}"), &correct).await.refused(404, "not_found");
    // Neither the sequence from its beginning nor an edit of before tells it.
    let mut socket = guest.socket(&code, "?after=0").await.unwrap();
    let entry = socket.next_of("message").await;
    assert_eq!(entry["data"]["id"], secret);
    assert!(!entry.to_string().contains("secret"), "{entry}");
    assert!(!socket.next_of("transcript").await.to_string().contains("hidden"));
    socket.next_of("ready").await;
    let edit = json!({ "msg_content": "still secret" });
    ada.patch(&format!("{room}/messages/{secret}"), &edit).await.expect(200);
    assert!(!socket.next_of("message_edited").await.to_string().contains("secret"));
    let mut reset = guest.socket(&code, "?after=999").await.unwrap();
    let reset = reset.next_of("reset").await;
    assert_eq!(
        (&reset["data"]["messages"], &reset["data"]["transcripts"]),
        (&json!([]), &json!([]))
    );
    // What is said from now on is theirs to read, page by page.
    ada.say(&code, "welcome").await.expect(201);
    type_it("open words").await;
    assert_eq!(socket.next_of("message").await["data"]["msg_content"], "welcome");
    let seen = read(&guest).await;
    assert!(seen.contains("welcome") && seen.contains("open words") && !seen.contains("secret"));
    // Members who come late read all, and guests do where the owner lets them.
    late.join(&code).await.expect(201);
    assert!(read(&late).await.contains("still secret"));
    ada.patch(&room, &json!({ "guest_history": true })).await.expect(200);
    let seen = read(&guest).await;
    assert!(seen.contains("still secret") && seen.contains("hidden words"), "{seen}");
}

#[tokio::test]
async fn a_guest_in_the_lobby_has_not_come_in_yet() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = open_room(&ada).await;
    let room = format!("/rooms/{code}");
    let (guest, place) = guest(&server, &code, "Visitor").await;
    let theirs = format!("{room}/participants/{}", place["rp_user_id"]);
    ada.post(&format!("{theirs}/lobby"), &json!({})).await.expect(204);
    ada.say(&code, "about you").await.expect(201);
    ada.put(&format!("{theirs}/admission"), &json!({ "admit": true })).await.expect(204);
    ada.say(&code, "hello").await.expect(201);
    // What others write is there once the tables have it.
    ada.get(&format!("{room}/messages")).await.expect(200);
    let read = guest.get(&format!("{room}/messages")).await.expect(200);
    assert_eq!(texts(&read, "msg_content"), ["hello"]);
}

#[tokio::test]
async fn a_guest_keeps_the_name_and_imitates_nobody() {
    let server = Server::with(unthrottled()).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    server.user("eve").await;
    let code = open_room(&ada).await;
    bob.join(&code).await.expect(201);
    let path = format!("/rooms/{code}/participants");
    let people = async || ada.get(&path).await.expect(200)["data"].as_array().unwrap().len();
    for wrong in ["ada", "ADA", "ａｄａ", "Bob", "b\u{200D}ob"] {
        let refused = server.anonymous().post(&path, &json!({ "display_name": wrong })).await;
        let refused = refused.refused(422, "invalid");
        assert_eq!(refused["errors"][0]["field"], "display_name", "{wrong}");
    }
    assert_eq!(people().await, 2);
    // Eve is somebody, but not here.
    let (guest, first) = guest(&server, &code, "Eve").await;
    let typed = json!({ "ts_content": "said by the guest" });
    guest.post(&format!("/rooms/{code}/transcripts"), &typed).await.expect(201);
    guest.delete(&format!("{path}/me")).await.expect(204);
    let file = ada.get(&format!("/rooms/{code}/transcript.vtt")).await;
    assert!(file.text.contains("<v Eve>said by the guest"), "{}", file.text);
    let back = guest.join(&code).await.expect(201);
    assert_ne!(back["id"], first["id"]);
    assert_eq!((&back["display_name"], &first["display_name"]), (&json!("Eve"), &json!("Eve")));
    guest.delete(&format!("{path}/me")).await.expect(204);
    // Under the name of somebody who is there by now, there is no coming back; under another there is.
    server.anonymous().log_in("eve", crate::client::PASSWORD).await.expect(201);
    let eve = server.anonymous().log_in("eve", crate::client::PASSWORD).await.expect(201);
    server.with_token(eve["token"].as_str().unwrap()).join(&code).await.expect(201);
    guest.join(&code).await.refused(422, "invalid");
    let again = guest.post(&path, &json!({ "display_name": "Evelyn" })).await.expect(201);
    assert_eq!(again["display_name"], "Evelyn");
    bob.post(&path, &json!({ "display_name": "Ada" })).await.refused(422, "invalid");
}

#[tokio::test]
async fn those_who_wait_at_one_address_are_in_nobodys_way() {
    let mut config = quick();
    config.throttles.registrations = api::Rate { burst: 3, per_minute: 1 };
    let server = Server::with(config).await;
    let ada = server.user("ada").await;
    let made = ada.post("/rooms", &json!({ "guests": true, "lobby": true })).await.expect(201);
    let code = made["room_code"].as_str().unwrap();
    let path = format!("/rooms/{code}/participants");
    for name in ["One", "Two"] {
        let place = server.anonymous().post(&path, &json!({ "display_name": name })).await;
        let place = place.expect(202);
        let guest = server.with_token(place["token"].as_str().unwrap());
        // A page knocks every few seconds, for as long as it takes.
        for _ in 0..100 {
            guest.join(code).await.expect(202);
        }
    }
    let third = server.anonymous().post(&path, &json!({ "display_name": "Three" })).await;
    third.refused(429, "throttled");
}

#[tokio::test]
async fn who_comes_late_is_told_of_no_old_chat_as_if_it_was_new() {
    let server = Server::start().await;
    let (ada, late) = (server.user("ada").await, server.user("late").await);
    let code = ada.room().await;
    ada.say(&code, "old").await.expect(201);
    late.join(&code).await.expect(201);
    let mut socket = late.socket(&code, "").await.unwrap();
    socket.next_of_but("ready", "message").await;
    ada.say(&code, "new").await.expect(201);
    assert_eq!(socket.next_of("message").await["data"]["msg_content"], "new");
}
