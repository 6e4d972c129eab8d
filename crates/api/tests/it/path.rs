//! The whole path of two people in a call, without a recognizer: what it would do is done by hand.

use events::room::TranscriptKind;
use events::room::command::transcript::RecordTranscript;
use events::sealed::Clear;
use events::{Actor, CommandId, Envelope, RoomId, SegmentId, SystemRole, UserId};
use serde_json::json;
use streams::LiveMessage;
use uuid::Uuid;

use crate::server::Server;

#[tokio::test]
async fn two_people_meet_chat_and_sign() {
    let server = Server::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let room = ada.post("/rooms", &json!({})).await.expect(201);
    let code = room["room_code"].as_str().unwrap();
    assert_eq!(code.len(), 9);
    assert_eq!(room["owner_id"], ada.id().await);
    assert_eq!(room["state"], "open");
    let joined = bob.join(&code.to_lowercase()).await;
    assert!(!joined.header("log-position").is_empty());
    let joined = joined.expect(201);
    assert_eq!(joined["rp_user_id"], bob.id().await);
    assert_eq!(joined["username"], "bob");
    let sent = bob.say(code, "Grüße").await;
    let position = sent.header("log-position").to_owned();
    let sent = sent.expect(201);
    assert_eq!(sent["msg_content"], "Grüße");
    assert_eq!(sent["user_id"], bob.id().await);
    let later = ada.header("min-position", &position);
    let list = later.get(&format!("/rooms/{code}/messages")).await.expect(200);
    assert_eq!(list["data"], json!([sent]));
    let people = ada.get(&format!("/rooms/{code}/participants")).await.expect(200);
    let names: Vec<_> =
        people["data"].as_array().unwrap().iter().map(|p| p["username"].clone()).collect();
    assert_eq!(names, ["ada", "bob"]);

    let mut socket = ada.socket(code, "?after=0").await.unwrap();
    let consent = json!({ "consent": true });
    bob.put(&format!("/rooms/{code}/captions/me"), &consent).await.expect(204);
    socket.next_of("consent_changed").await;
    let (room_id, user) = (RoomId::new(room["id"].as_u64().unwrap()), UserId::new(bob.id().await));
    let segment = json!({ "segment_id": "00", "text": "hel", "is_final": false });
    server.live.publish(LiveMessage::Partial { room: room_id, user, segment });
    let partial = socket.next_of("partial").await;
    assert_eq!(partial["ephemeral"], true);
    assert_eq!(partial["data"]["user_id"], user.get());
    record(&server, room_id, user, "hello").await;
    let spoken = socket.next_of("transcript").await;
    assert_eq!(spoken["data"]["ts_content"], "hello");
    assert_eq!(spoken["data"]["user_id"], user.get());
    let segment = json!({ "segment_id": spoken["data"]["segment_id"], "text": "hel" });
    server.live.publish(LiveMessage::Partial { room: room_id, user, segment });
    socket.send(&json!({ "type": "ping" })).await;
    socket.next_of_but("pong", "partial").await;

    let list = ada.get(&format!("/rooms/{code}/transcripts")).await.expect(200);
    assert_eq!(list["data"][0], spoken["data"]);
    let id = list["data"][0]["id"].as_u64().unwrap();
    let path = format!("/rooms/{code}/transcripts/{id}");
    let corrected = ada.patch(&path, &json!({ "ts_content": "hallo" })).await.expect(200);
    assert_eq!(corrected["revision"], 2);
    let revisions = ada.get(&format!("{path}/revisions")).await.expect(200);
    assert_eq!(revisions["data"][0]["ts_content"], "hello");
    let typed = json!({ "ts_content": "typed" });
    ada.post(&format!("/rooms/{code}/transcripts"), &typed).await.expect(201);
    let search = async |q| bob.get(&format!("/rooms/{code}/transcripts?q={q}")).await;
    assert_eq!(search("H%C3%81L").await.expect(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(search("allo").await.expect(200)["data"], json!([]));
    search("1+2+3+4+5+6+7+8+9").await.refused(422, "invalid");
    let text = bob.get(&format!("/rooms/{code}/transcript.txt")).await.text;
    assert!(text.contains("bob: hallo") && text.contains("ada: typed"), "{text}");
    let vtt = bob.get(&format!("/rooms/{code}/transcript.vtt")).await;
    assert_eq!(vtt.header("content-type"), "text/vtt; charset=utf-8");
    assert!(vtt.text.starts_with("WEBVTT\n") && vtt.text.contains("<v bob>hallo</v>"));
    bob.get(&format!("/rooms/{code}/transcript.srt")).await.expect(200);
    let exported = bob.get(&format!("/rooms/{code}/transcript.json")).await.expect(200);
    assert_eq!(exported.as_array().unwrap().len(), 2);

    ada.post(&format!("/rooms/{code}/close"), &json!({})).await.expect(204);
    socket.next_of("room_closed").await;
    assert_eq!(socket.close_code().await, 4404);
    bob.say(code, "too late").await.refused(409, "room_closed");
    let list = bob.get(&format!("/rooms/{code}/messages")).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

/// What a recognition worker asks for.
pub(crate) async fn record(server: &Server, room: RoomId, user: UserId, text: &str) {
    let command = RecordTranscript {
        room,
        user,
        segment: SegmentId::from_bytes(*Uuid::new_v4().as_bytes()),
        kind: TranscriptKind::Gloss,
        text: Clear::new(text),
        start: server.now(),
        end: server.now(),
        confidence: 0.9,
        model: "asl-basic@1".to_owned(),
    };
    let envelope = Envelope {
        id: CommandId::from_uuid(Uuid::new_v4()),
        actor: Actor::System(SystemRole::Recognizer),
        correlation: None,
        causation: None,
        body: None,
        command: command.into(),
    };
    server.commands.submit(envelope).await.unwrap().unwrap();
}
