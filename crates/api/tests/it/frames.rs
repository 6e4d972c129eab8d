//! Frames: consent, checks, repeats, credit, uploads.

use clips::landmarks::Frame;
use clips::{Point, live_wire, pose};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::server::Server;

const LANDMARKS: &str = "application/vnd.signcall.landmarks";
const POSE: &str = "application/x-pose";

fn frames(count: usize) -> Vec<Frame> {
    let hand = [Point { x: 0.5, y: 0.5, z: 0.0, confidence: 1.0 }; 21];
    let frame = |index: usize| {
        let mut frame = Frame::empty(index as u64 * 40_000, 640.0, 480.0);
        frame.right = Some(hand);
        frame
    };
    (0..count).map(frame).collect()
}

fn file(count: usize) -> Vec<u8> {
    let clip = pose::Clip { width: 640, height: 480, fps: 25.0, frames: frames(count) };
    pose::write(&clip, pose::Version::V0_1)
}

async fn push(client: &Client, code: &str, query: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = client.request(Method::POST, &format!("/rooms/{code}/frames{query}"));
    client.send(request.header("content-type", kind).body(body)).await
}

async fn consent(client: &Client, code: &str) {
    let path = format!("/rooms/{code}/captions/me");
    client.put(&path, &json!({ "consent": true })).await.expect(204);
}

#[tokio::test]
async fn frames_need_consent_and_are_answered_with_where_they_stand() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let batch = live_wire::encode(&frames(10), 0);
    push(&ada, &code, "", LANDMARKS, batch.clone()).await.refused(409, "no_consent");
    consent(&ada, &code).await;
    let first = push(&ada, &code, "?stream=s1", LANDMARKS, batch.clone()).await.expect(202);
    assert_eq!(
        (&first["accepted"], &first["first_seq"], &first["last_seq"], &first["done_seq"]),
        (&json!(10), &json!(0), &json!(9), &json!(0))
    );
    let again = push(&ada, &code, "?stream=s1", LANDMARKS, batch).await.expect(202);
    assert_eq!(again["last_seq"], 9);
    let gap = live_wire::encode(&frames(5), 30);
    let gap = push(&ada, &code, "?stream=s1", LANDMARKS, gap).await.refused(422, "out_of_order");
    assert_eq!(gap["expected_seq"], 10);
    let buffered = server.frames.next().await.unwrap();
    assert_eq!(
        (buffered.first_seq, buffered.count, buffered.key.user.get()),
        (0, 10, ada.id().await)
    );
    server.frames.done(&buffered.key, 10).await.unwrap();
    let next = live_wire::encode(&frames(5), 10);
    let next = push(&ada, &code, "?stream=s1", LANDMARKS, next).await.expect(202);
    assert_eq!(next["done_seq"], 10);
    let end = format!("/rooms/{code}/frames/end?stream=s1");
    ada.post(&end, &Value::Null).await.expect(422);
    ada.send(ada.request(Method::POST, &end)).await.expect(202);
    assert!(!server.frames.next().await.unwrap().flush);
    assert!(server.frames.next().await.unwrap().flush);
    push(&ada, &code, "?stream=a%20b", LANDMARKS, Vec::new()).await.refused(422, "invalid");
}

#[tokio::test]
async fn a_batch_is_for_the_model_and_language_of_its_signer_or_else_of_the_room() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let set = json!({ "model": "asl-basic", "language": "ase" });
    let request = ada.request(Method::PATCH, &format!("/rooms/{code}")).json(&set);
    let answer = ada.send(request).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    let (room, none) = (Some("asl-basic"), None);
    for (number, (own, model, language)) in [
        (json!({}), room, Some("ase")),
        (json!({ "language": "ase" }), room, Some("ase")),
        (json!({ "language": "gsg" }), none, Some("gsg")),
        (json!({ "model": "asl-basic", "language": "gsg" }), room, Some("gsg")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut consent = own;
        consent["consent"] = json!(true);
        ada.put(&format!("/rooms/{code}/captions/me"), &consent).await.expect(204);
        let query = format!("?stream=s{number}");
        push(&ada, &code, &query, LANDMARKS, live_wire::encode(&frames(2), 0)).await.expect(202);
        let batch = server.frames.next().await.unwrap();
        assert_eq!((batch.model.as_deref(), batch.language.as_deref()), (model, language));
    }
}

#[tokio::test]
async fn frames_that_are_sent_again_are_kept_once() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let room = ada.post("/rooms", &json!({})).await.expect(201);
    let code = room["room_code"].as_str().unwrap();
    let keep = json!({ "consent": true, "keep": true });
    ada.put(&format!("/rooms/{code}/captions/me"), &keep).await.expect(204);
    let batch = |first| live_wire::encode(&frames(10), first);
    for first in [0, 0, 10, 0, 10, 20] {
        push(&ada, code, "?stream=s1", LANDMARKS, batch(first)).await.expect(202);
    }
    let room = events::RoomId::new(room["id"].as_u64().unwrap());
    let kept = async || {
        let kept = server.vault.kept(room, server.now().day()).await.unwrap();
        kept.iter().map(|one| one.first_seq).collect::<Vec<_>>()
    };
    // They are written in the order in which they came.
    crate::server::until("the last batch is kept", async || kept().await.contains(&20)).await;
    assert_eq!(kept().await, [0, 10, 20]);
}

#[tokio::test]
async fn hostile_frames_are_refused_with_their_place() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    consent(&ada, &code).await;
    let good = live_wire::encode(&frames(3), 0);
    let cut = good[..good.len() - 7].to_vec();
    let refused = push(&ada, &code, "", LANDMARKS, cut).await.refused(422, "invalid_frames");
    assert!(refused["errors"][0]["field"].as_str().unwrap().starts_with("byte "));
    let mut nan = frames(3);
    nan[1].right.as_mut().unwrap()[0].x = f32::NAN;
    let nan = live_wire::encode(&nan, 0);
    let refused = push(&ada, &code, "", LANDMARKS, nan).await.refused(422, "invalid_frames");
    assert!(refused["errors"][0]["field"].as_str().unwrap().contains("frame 1"), "{refused}");
    let large = vec![0; live_wire::MAX_BYTES + 1];
    push(&ada, &code, "", LANDMARKS, large).await.refused(413, "too_large");
    let images = "application/vnd.signcall.images";
    push(&ada, &code, "", images, good.clone()).await.refused(422, "invalid");
    push(&ada, &code, "", "application/json", good).await.refused(415, "unsupported_media_type");
    let cut = file(5);
    let cut = cut[..cut.len() / 2].to_vec();
    push(&ada, &code, "", POSE, cut).await.refused(422, "invalid_frames");
    push(&ada, &code, "", POSE, vec![0; pose::MAX_BYTES + 1]).await.refused(413, "too_large");
}

#[tokio::test]
async fn an_upload_is_a_stream_of_its_own_and_four_may_wait() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    consent(&ada, &code).await;
    let file = file(20);
    let keyed = ada.header("idempotency-key", "upload");
    let first = push(&keyed, &code, "", POSE, file.clone()).await.expect(202);
    assert_eq!((&first["accepted"], &first["last_seq"]), (&json!(20), &json!(19)));
    assert_eq!(
        push(&keyed, &code, "", POSE, file.clone()).await.expect(202)["stream"],
        first["stream"]
    );
    for _ in 0..3 {
        let next = push(&ada, &code, "", POSE, file.clone()).await.expect(202);
        assert_ne!(next["stream"], first["stream"]);
    }
    let refused = push(&ada, &code, "", POSE, file).await;
    assert!(!refused.header("retry-after").is_empty());
    refused.refused(429, "too_many_uploads");
    let path = format!("/rooms/{code}/captions/me");
    ada.put(&path, &json!({ "consent": false })).await.expect(204);
    let nothing = tokio::time::timeout(std::time::Duration::from_millis(50), server.frames.next());
    assert!(nothing.await.is_err(), "withdrawing consent discards what is buffered");
}

#[tokio::test]
async fn frames_go_over_the_socket_too() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let mut socket = ada.socket(&code, "?stream=cam").await.unwrap();
    socket.next_of("ready").await;
    socket.send_bytes(live_wire::encode(&frames(4), 0)).await;
    assert_eq!(socket.next_of("error").await["data"]["code"], "no_consent");
    consent(&ada, &code).await;
    socket.send_bytes(live_wire::encode(&frames(4), 0)).await;
    let answer = socket.next_of("frames").await;
    assert_eq!(
        (&answer["data"]["stream"], &answer["data"]["last_seq"]),
        (&json!("cam"), &json!(3))
    );
    socket.send_bytes(vec![1, 2, 3]).await;
    assert_eq!(socket.next_of("error").await["data"]["code"], "invalid_frames");
    socket.send(&json!({ "type": "stream", "stream": "two" })).await;
    socket.send_bytes(live_wire::encode(&frames(4), 0)).await;
    assert_eq!(socket.next_of("frames").await["data"]["stream"], "two");
    socket.send(&json!({ "type": "frames.end" })).await;
    assert_eq!(socket.next_of("frames").await["data"]["accepted"], 0);
}

#[tokio::test]
async fn a_key_names_the_same_frames_of_the_same_stream() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    consent(&ada, &code).await;
    let keyed = |key| ada.header("idempotency-key", key);
    let upload = keyed("upload");
    push(&upload, &code, "", POSE, file(20)).await.expect(202);
    push(&upload, &code, "", POSE, file(20)).await.expect(202);
    let reused = "idempotency_key_reused";
    push(&upload, &code, "", POSE, file(19)).await.refused(422, reused);
    let live = keyed("live");
    let batch = live_wire::encode(&frames(10), 0);
    push(&live, &code, "?stream=s1", LANDMARKS, batch.clone()).await.expect(202);
    push(&live, &code, "?stream=s1", LANDMARKS, batch.clone()).await.expect(202);
    push(&live, &code, "?stream=s2", LANDMARKS, batch).await.refused(422, reused);
    let next = live_wire::encode(&frames(10), 10);
    push(&live, &code, "?stream=s1", LANDMARKS, next).await.refused(422, reused);
    let end = async |query: &str| {
        let path = format!("/rooms/{code}/frames/end{query}");
        let client = keyed("end");
        client.send(client.request(Method::POST, &path)).await
    };
    end("?stream=s1").await.expect(202);
    end("?stream=s2").await.refused(422, reused);
}

#[tokio::test]
async fn the_end_of_a_stream_that_never_began_is_not_found() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    consent(&ada, &code).await;
    let path = format!("/rooms/{code}/frames/end?stream=none");
    ada.send(ada.request(Method::POST, &path)).await.refused(404, "not_found");
}
