//! Kill -9 of the recognition worker in the middle of fifty live streams: every caption comes, once,
//! and what was signed before the restart is there within three seconds of it.

use std::time::{Duration, Instant};

use recognizer::evaluate::Player;
use recognizer::model::built_in;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use crate::client::Client;
use crate::harness::{Setup, World};

const ROOMS: usize = 10;
const SIGNERS: usize = 5;
const WORDS: [&str; 4] = ["hello", "get", "coffee", "please"];
/// Frames of a batch, and the time between two of them.
const BATCH: usize = 6;
const BATCH_TIME: Duration = Duration::from_millis(400);
/// When the worker is killed, from the first frame on.
const KILL_AFTER: Duration = Duration::from_millis(3_500);
/// What the product promises.
const WITHIN: Duration = Duration::from_secs(3);
/// How long after its last frame a caption is final, without a kill.
const FINAL_AFTER: Duration = Duration::from_secs(1);
/// All captions are there by then, on a busy machine.
const ALL_WITHIN: Duration = Duration::from_mins(1);
const FORMAT: &str = "application/vnd.signcall.landmarks";

/// Somebody who signs, and what is to be read.
struct Signer {
    client: Client,
    code: String,
    frames: Vec<clips::Frame>,
    /// Each caption, and the time of its last frame from the stream's first.
    captions: Vec<(String, Duration)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_live_streams_lose_nothing_and_say_nothing_twice() {
    let test = "worker_kill::fifty_live_streams_lose_nothing_and_say_nothing_twice";
    let Some(mut world) = World::start(test, Setup::ThreeOnNats).await else { return };
    let signers = gather(&world).await;
    let begun = Instant::now();
    let sending: Vec<_> = signers
        .iter()
        .map(|s| tokio::spawn(sign(s.client.clone(), s.code.clone(), s.frames.clone(), "camera")))
        .collect();
    sleep(KILL_AFTER).await;
    let worker = world.processes.iter().position(|p| p.roles == "recognizer").unwrap();
    world.kill_and_restart(worker);
    let restarted = Instant::now();
    sleep_until((restarted + WITHIN).into()).await;
    let there = read(&signers).await;
    let due = |end: &Duration| begun + *end + FINAL_AFTER < restarted;
    let mut were_due = 0;
    for (signer, there) in signers.iter().zip(&there) {
        let due: Vec<&str> = signer
            .captions
            .iter()
            .filter(|(_, end)| due(end))
            .map(|(text, _)| text.as_str())
            .collect();
        were_due += due.len();
        assert!(there.len() >= due.len(), "{there:?}, and {due:?} was signed before the restart");
    }
    assert!(were_due >= signers.len(), "the kill came too early to tell: {were_due} captions");
    for sent in sending {
        sent.await.unwrap();
    }
    let until = Instant::now() + ALL_WITHIN;
    let expected: Vec<Vec<String>> =
        signers.iter().map(|s| s.captions.iter().map(|(text, _)| text.clone()).collect()).collect();
    let mut found = read(&signers).await;
    while found.iter().map(Vec::len).sum::<usize>() < expected.iter().map(Vec::len).sum() {
        assert!(Instant::now() < until, "captions are missing: {found:?}");
        sleep(Duration::from_millis(100)).await;
        found = read(&signers).await;
    }
    // Whatever would come twice has had its time.
    sleep(Duration::from_millis(500)).await;
    assert_eq!(read(&signers).await, expected);
    world.stop();
}

/// Fifty people in ten rooms, all of whom consent to captions.
async fn gather(world: &World) -> Vec<Signer> {
    let mut model = built_in("asl-basic").unwrap().unwrap();
    let mut signers = Vec::new();
    for room in 0..ROOMS {
        let mut code = String::new();
        for number in 0..SIGNERS {
            let client = Client::register(&world.url, &format!("signer-{room}-{number}")).await;
            if number == 0 {
                let (status, made) = client.post("/rooms", json!({})).await;
                assert_eq!(status, StatusCode::CREATED, "{made}");
                made["room_code"].as_str().unwrap().clone_into(&mut code);
            } else {
                let path = format!("/rooms/{code}/participants");
                let (status, joined) = client.post(&path, json!({})).await;
                assert_eq!(status, StatusCode::CREATED, "{joined}");
            }
            let consent = json!({ "consent": true });
            let (status, answer) = client.put(&format!("/rooms/{code}/captions/me"), consent).await;
            assert!(status.is_success(), "{status} {answer}");
            let seed = (room * SIGNERS + number) as u64;
            let frames = recognizer::synthetic::sentence(&WORDS, seed).unwrap();
            // What is to be read is what the model reads when nobody is killed.
            let mut player = Player::new(model.as_mut(), 2);
            for frame in &frames {
                player.push(frame).unwrap();
            }
            let finals = player.finish().unwrap().finals;
            let captions = finals
                .iter()
                .map(|caption| (caption.text.clone(), Duration::from_millis(caption.end_ms())))
                .collect();
            signers.push(Signer { client, code: code.clone(), frames, captions });
        }
    }
    signers
}

/// Sends frames as they are captured, each batch until it is taken.
pub(crate) async fn sign(
    client: Client,
    code: String,
    frames: Vec<clips::Frame>,
    stream: &'static str,
) {
    let path = format!("/rooms/{code}/frames?stream={stream}");
    let begun = tokio::time::Instant::now();
    for (index, batch) in frames.chunks(BATCH).enumerate() {
        sleep_until(begun + BATCH_TIME * (index as u32 + 1)).await;
        let bytes = clips::live_wire::encode(batch, (index * BATCH) as u32);
        loop {
            let (status, answer) = client.post_bytes(&path, FORMAT, bytes.clone()).await;
            if status == StatusCode::ACCEPTED {
                break;
            }
            assert!(status == 429 || status.is_server_error(), "{status} {answer}");
            sleep(Duration::from_millis(50)).await;
        }
    }
    let end = format!("/rooms/{code}/frames/end?stream={stream}");
    let (status, answer) = client.post(&end, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
}

/// What stands in the transcript, for each signer in the order in which it was signed.
async fn read(signers: &[Signer]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for in_room in signers.chunks(SIGNERS) {
        let path = format!("/rooms/{}/transcripts", in_room[0].code);
        let mut rows = in_room[0].client.list(&path).await;
        rows.sort_by_key(|row| row["start_ms"].as_i64());
        for signer in in_room {
            let own = |row: &&Value| row["user_id"].as_u64() == Some(signer.client.id);
            let text = |row: &Value| row["ts_content"].as_str().unwrap().to_owned();
            all.push(rows.iter().filter(own).map(text).collect());
        }
    }
    all
}
