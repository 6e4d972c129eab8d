//! Photographs of hands over HTTP, as the page sends them: the digits come out as text.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clips::Image;
use clips::live_wire::encode_images;
use reqwest::StatusCode;
use serde_json::{Value, json};
use streams::testing::skip;

use crate::client::Client;
use crate::harness::{Setup, World};
use crate::path::meet;

/// A caption comes well within this time.
const CAPTION_WITHIN: Duration = Duration::from_secs(30);
/// Frames a second, and how long each photograph is shown.
const FPS: u64 = 15;
const SHOWN: u64 = 15;

const IMAGES: &str = "application/vnd.signcall.images";

#[tokio::test(flavor = "multi_thread")]
async fn digits_held_up_are_written_down() {
    let test = "pictures::digits_held_up_are_written_down";
    let data = std::env::var_os("SIGNCALL_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("digits");
    let Ok(list) = std::fs::read_to_string(folder.join("clips.csv")) else {
        return skip(test, &format!("no photographs at {}", folder.display()));
    };
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    let (status, answer) =
        sam.put(&format!("/rooms/{code}/captions/me"), json!({ "consent": true })).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    for (stream, label) in ["4", "7", "0"].into_iter().enumerate() {
        let mut lines = list.lines().filter(|line| line.split(',').nth(1) == Some(label));
        let file = lines.next().and_then(|line| line.split(',').next()).unwrap();
        let jpeg = std::fs::read(folder.join(file)).unwrap();
        let frame = |i| Image::new(i * 1_000_000 / FPS, false, &jpeg).unwrap();
        let images: Vec<Image> = (0..SHOWN).map(frame).collect();
        for (index, batch) in images.chunks(5).enumerate() {
            let path = format!("/rooms/{code}/frames?stream=camera{stream}");
            let bytes = encode_images(batch, index as u32 * 5);
            let (status, answer) = sam.post_bytes(&path, IMAGES, bytes).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        }
        let path = format!("/rooms/{code}/frames/end?stream=camera{stream}");
        assert_eq!(sam.post(&path, json!({})).await.0, StatusCode::ACCEPTED);
        wait_for(&rita, code, stream + 1).await;
    }
    let rows = wait_for(&rita, code, 3).await;
    let texts: Vec<_> = rows.iter().map(|row| row["ts_content"].as_str().unwrap()).collect();
    assert_eq!(texts, ["4", "7", "0"]);
    assert!(rows.iter().all(|row| row["model"].as_str().unwrap().starts_with("asl-digits")));
    world.stop();
}

/// The transcript, as soon as it has so many rows.
async fn wait_for(reader: &Client, code: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + CAPTION_WITHIN;
    loop {
        let rows = reader.list(&format!("/rooms/{code}/transcripts")).await;
        if rows.len() >= count {
            return rows;
        }
        assert!(Instant::now() < until, "{} of {count} captions came", rows.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
