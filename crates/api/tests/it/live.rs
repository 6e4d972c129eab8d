//! The live sequence: order, resume, ephemeral messages, who gets what.

use serde_json::{Value, json};

use crate::server::{Server, quick, unthrottled, until};

/// What one client has seen of a room.
#[derive(Default)]
struct View {
    last: u64,
    texts: Vec<String>,
}

impl View {
    fn take(&mut self, message: &Value) {
        let Some(seq) = message["seq"].as_u64() else { return };
        assert_eq!(seq, self.last + 1, "{message}");
        self.last = seq;
        if message["type"] == "message" {
            self.texts.push(message["data"]["msg_content"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test]
async fn a_resume_leaves_no_gap_and_repeats_nothing() {
    let server = Server::with(unthrottled()).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let writer = {
        let (bob, code) = (bob.clone(), code.clone());
        tokio::spawn(async move {
            for number in 0..200 {
                bob.say(&code, &number.to_string()).await.expect(201);
            }
        })
    };
    let (mut view, mut rounds) = (View::default(), 0);
    while view.last < 202 {
        rounds += 1;
        let last = view.last;
        if rounds % 2 == 0 {
            let mut socket = ada.socket(&code, &format!("?after={last}")).await.unwrap();
            while view.last < (last + 7).min(202) {
                view.take(&socket.next().await.unwrap());
            }
        } else {
            let mut events = ada.header("last-event-id", &last.to_string()).events(&code, "").await;
            while view.last < (last + 7).min(202) {
                let (id, message) = events.next().await.unwrap();
                assert_eq!(id, crate::resume::place(&message));
                view.take(&message);
            }
        }
    }
    writer.await.unwrap();
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(view.texts, expected);
}

#[tokio::test]
async fn a_resume_that_is_not_possible_begins_with_a_snapshot() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    ada.say(&code, "hello").await.expect(201);
    until("the tables", async || {
        ada.get(&format!("/rooms/{code}/messages")).await.expect(200)["data"][0].is_object()
    })
    .await;
    let mut socket = ada.socket(&code, "?after=999").await.unwrap();
    let reset = socket.next().await.unwrap();
    assert_eq!(reset["type"], "reset");
    assert_eq!(reset["data"]["seq"], 2);
    assert_eq!(reset["data"]["messages"][0]["msg_content"], "hello");
    assert_eq!(reset["data"]["participants"][0]["username"], "ada");
    assert_eq!(reset["data"]["room"]["room_code"], code);
    ada.say(&code, "next").await.expect(201);
    assert_eq!(socket.next_of("message").await["seq"], 3);
}

/// A browser sends the last `id:` it saw, whatever that came with: one whose line breaks before the
/// first entry resumes from what it was told at the start.
#[tokio::test]
async fn a_line_that_breaks_before_the_first_entry_resumes_from_its_start() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    ada.say(&code, "one").await.expect(201);
    let said = async |count: usize| {
        until("the tables", async || {
            let page = ada.get(&format!("/rooms/{code}/messages")).await.expect(200);
            page["data"].as_array().unwrap().len() == count
        })
        .await;
    };
    said(1).await;
    let (id, first) = ada.events(&code, "").await.next().await.unwrap();
    assert_eq!((&first["type"], id), (&json!("ready"), Some(2)));
    for text in ["two", "three"] {
        ada.say(&code, text).await.expect(201);
    }
    let resume = |id: u64| ada.header("last-event-id", &id.to_string());
    let mut view = View { last: 2, texts: Vec::new() };
    let mut events = resume(2).events(&code, "").await;
    while view.last < 4 {
        view.take(&events.next().await.unwrap().1);
    }
    assert_eq!(view.texts, ["two", "three"]);
    said(3).await;
    let (id, reset) = resume(999).events(&code, "").await.next().await.unwrap();
    assert_eq!((&reset["type"], id), (&json!("reset"), Some(4)));
    ada.say(&code, "four").await.expect(201);
    let mut events = resume(4).events(&code, "").await;
    while view.last < 5 {
        view.take(&events.next().await.unwrap().1);
    }
    assert_eq!(view.texts, ["two", "three", "four"]);
}

#[tokio::test]
async fn ephemeral_messages_reach_those_who_may_have_them() {
    let server = Server::start().await;
    let (ada, bob, eve) =
        (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    let code = ada.room().await;
    for client in [&bob, &eve] {
        client.join(&code).await.expect(201);
    }
    let mut sockets = Vec::new();
    for client in [&ada, &bob, &eve] {
        let mut socket = client.socket(&code, "").await.unwrap();
        socket.next_of("ready").await;
        sockets.push(socket);
    }
    let bobs = bob.id().await;
    sockets[0].send(&json!({ "type": "typing" })).await;
    for socket in &mut sockets {
        let typing = socket.next_of("typing").await;
        assert_eq!(typing["data"]["user_id"], ada.id().await);
        assert_eq!(typing["ephemeral"], true);
    }
    let offer = json!({ "type": "signal", "to": bobs, "payload": { "sdp": "v=0" } });
    sockets[0].send(&offer).await;
    let signal = sockets[1].next_of("signal").await;
    assert_eq!(signal["data"]["payload"]["sdp"], "v=0");
    sockets[2].send(&json!({ "type": "ping" })).await;
    sockets[2].next_of_but("pong", "signal").await;
    sockets[0].send(&json!({ "type": "signal", "to": 1, "payload": {} })).await;
    assert_eq!(sockets[0].next_of("error").await["data"]["code"], "not_found");
    for wrong in ["[]", "{\"type\":\"unknown\"}", "{\"type\":\"typing\",\"x\":1}"] {
        use futures::SinkExt as _;
        let text = tokio_tungstenite::tungstenite::Message::text(wrong);
        sockets[0].0.send(text).await.unwrap();
        sockets[0].next_of("error").await;
    }
}

#[tokio::test]
async fn partials_end_with_consent() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let room = ada.post("/rooms", &json!({})).await.expect(201);
    let code = room["room_code"].as_str().unwrap();
    let mut socket = ada.socket(code, "").await.unwrap();
    socket.next_of("ready").await;
    let partial = |text: &str| streams::LiveMessage::Partial {
        room: events::RoomId::new(room["id"].as_u64().unwrap()),
        user: events::UserId::new(room["owner_id"].as_u64().unwrap()),
        segment: json!({ "text": text }),
    };
    server.live.publish(partial("without consent"));
    let path = format!("/rooms/{code}/captions/me");
    ada.put(&path, &json!({ "consent": true })).await.expect(204);
    server.live.publish(partial("with consent"));
    assert_eq!(socket.next_of("partial").await["data"]["text"], "with consent");
    ada.put(&path, &json!({ "consent": false })).await.expect(204);
    server.live.publish(partial("withdrawn"));
    socket.send(&json!({ "type": "ping" })).await;
    socket.next_of_but("pong", "partial").await;
}

/// Complaints elsewhere: finished captions that seem open again, or stand with another one's text.
#[tokio::test]
async fn a_late_partial_reopens_no_final() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let room = ada.post("/rooms", &json!({})).await.expect(201);
    let code = room["room_code"].as_str().unwrap();
    ada.put(&format!("/rooms/{code}/captions/me"), &json!({ "consent": true })).await.expect(204);
    let mut socket = ada.socket(code, "").await.unwrap();
    socket.next_of("ready").await;
    let user = events::UserId::new(room["owner_id"].as_u64().unwrap());
    let room = events::RoomId::new(room["id"].as_u64().unwrap());
    let say = |segment: &Value, text: &str| {
        let segment = json!({ "segment_id": segment, "text": text });
        server.live.publish(streams::LiveMessage::Partial { room, user, segment });
    };
    crate::path::record(&server, room, user, "coffee").await;
    let told = socket.next_of("transcript").await;
    assert_eq!(told["data"]["ts_content"], "coffee");
    say(&told["data"]["segment_id"], "cof");
    say(&json!("0123456789abcdef0123456789abcdef"), "next");
    assert_eq!(socket.next_of("partial").await["data"]["text"], "next");
}

#[tokio::test]
async fn leaving_and_deleting_close_the_sockets() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    let mut bobs = bob.socket(&code, "").await.unwrap();
    let mut adas = ada.socket(&code, "").await.unwrap();
    bob.delete(&format!("/rooms/{code}/participants/me")).await.expect(204);
    assert_eq!(bobs.close_code().await, 4403);
    adas.next_of("participant_left").await;
    ada.delete(&format!("/rooms/{code}")).await.expect(204);
    assert_eq!(adas.close_code().await, 4404);
}

#[tokio::test]
async fn an_expired_log_in_closes_its_socket_and_use_renews_it() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let mut socket = ada.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    server.pass(3550);
    // Nobody asks but the open socket.
    let token = ada.token.clone().unwrap();
    let digest = vault::token_digest(&token);
    let follower =
        decider::Follower::start(server.log.clone(), server.vault.clone()).await.unwrap();
    until("the renewal", async || {
        follower.read(|state| {
            let (_, token) = state.users.by_token(digest).unwrap();
            token.expires_at.seconds_since(server.now()) > 3000
        })
    })
    .await;
    server.pass(13 * 3600);
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test]
async fn what_is_said_on_one_process_is_heard_on_the_other() {
    across(&Server::start().await).await;
    let test = "live::what_is_said_on_one_process_is_heard_on_the_other";
    if let Some(server) = Server::on_nats(test, quick()).await {
        across(&server).await;
    }
}

/// Two people at two processes: chat, typing, signalling, who is there, and the end of a log-in.
async fn across(server: &Server) {
    let (ada, mut bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    bob.address = server.serve().await;
    let mut adas = ada.socket(&code, "").await.unwrap();
    let mut bobs = bob.socket(&code, "").await.unwrap();
    let mut events = bob.events(&code, "").await;
    for socket in [&mut adas, &mut bobs] {
        socket.next_of("ready").await;
    }
    events.next_of("ready").await;
    ada.say(&code, "across").await.expect(201);
    assert_eq!(bobs.next_of("message").await["data"]["msg_content"], "across");
    assert_eq!(events.next_of("message").await.1["data"]["msg_content"], "across");
    adas.send(&json!({ "type": "typing" })).await;
    assert_eq!(bobs.next_of("typing").await["data"]["user_id"], ada.id().await);
    let offer = json!({ "type": "signal", "to": ada.id().await, "payload": { "sdp": "v=0" } });
    bobs.send(&offer).await;
    let signal = adas.next_of("signal").await;
    assert_eq!(signal["data"], json!({ "user_id": bob.id().await, "payload": { "sdp": "v=0" } }));
    until("each process knows of both", async || {
        let online = async |who: &crate::client::Client| {
            let presence = who.get(&format!("/rooms/{code}/presence")).await.expect(200);
            presence["data"].as_array().unwrap().iter().all(|one| one["online"] == true)
        };
        online(&ada).await && online(&bob).await
    })
    .await;
    let at_the_other = crate::client::Client { address: ada.address, ..bob.clone() };
    at_the_other.delete("/tokens").await.expect(204);
    assert_eq!(bobs.close_code().await, 4401);
    assert_eq!(events.next_of("close").await.1["data"]["code"], 4401);
}

#[tokio::test]
async fn lost_hints_delay_messages_and_lose_none() {
    let server = Server::hearing(unthrottled(), false).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let mut socket = ada.socket(&code, "?after=0").await.unwrap();
    for text in ["one", "two", "three"] {
        ada.say(&code, text).await.expect(201);
    }
    for text in ["one", "two", "three"] {
        assert_eq!(socket.next_of("message").await["data"]["msg_content"], text);
    }
}
