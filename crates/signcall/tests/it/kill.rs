//! Kill -9 of any one process in the middle, and a restart: no acknowledged command is lost,
//! nothing is doubled, and the transcript is the same as without the kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use crate::client::Client;
use crate::harness::{Setup, World};
use crate::path::{check_replay, check_transcript, meet, play};
use crate::signing::Signing;

/// The first caption comes well within this time.
const FIRST_CAPTION_WITHIN: Duration = Duration::from_secs(30);
/// A sender who gets no answer asks again.
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn the_one_process_is_killed() {
    kill_each("kill::the_one_process_is_killed", Setup::OneProcess).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_three_processes_is_killed() {
    kill_each("kill::each_of_three_processes_is_killed", Setup::ThreeOnNats).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_four_processes_is_killed() {
    kill_each("kill::each_of_four_processes_is_killed", Setup::FourOnNatsAndPostgres).await;
}

async fn kill_each(test: &str, setup: Setup) {
    let Some(mut world) = World::start(test, setup).await else { return };
    let signing = Signing::get(test, world.folder());
    for victim in 0..world.processes.len() {
        let (signer, reader) = (format!("signer{victim}"), format!("reader{victim}"));
        let (sam, rita, room) = meet(&world.url, &signer, &reader).await;
        let code = room["room_code"].as_str().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let chatting = tokio::spawn(chat_on(rita.clone(), code.to_owned(), Arc::clone(&over)));
        let playing = play(&world.url, &sam, code, &signing);
        let killing = async {
            wait_for_a_caption(&rita, code).await;
            world.kill_and_restart(victim);
        };
        tokio::join!(playing, killing);
        over.store(true, Ordering::Relaxed);
        let acknowledged = chatting.await.unwrap();
        let kept = rita.all_messages(code).await;
        assert_eq!(kept, acknowledged, "after a kill of {}", world.processes[victim].roles);
        check_transcript(&rita, code, sam.id, &signing.words).await;
    }
    check_replay(&world);
    world.stop();
}

async fn wait_for_a_caption(reader: &Client, code: &str) {
    let until = Instant::now() + FIRST_CAPTION_WITHIN;
    while reader.list(&format!("/rooms/{code}/transcripts")).await.is_empty() {
        assert!(Instant::now() < until, "no caption came");
        sleep(PAUSE).await;
    }
}

/// Sends message after message, each until it is acknowledged, always under its own key.
async fn chat_on(who: Client, code: String, over: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let text = format!("message {}", acknowledged.len());
        loop {
            let path = format!("/rooms/{code}/messages");
            let request = who.request(Method::POST, &path).header("Idempotency-Key", &text);
            let request = request.json(&json!({ "msg_content": text }));
            match who.try_send(request).await {
                Ok((StatusCode::CREATED, _)) => break,
                // Down, or up and not whole yet.
                Ok((status, answer)) => assert!(status.is_server_error(), "{status} {answer}"),
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
        acknowledged.push(text);
        sleep(PAUSE).await;
    }
    acknowledged
}
