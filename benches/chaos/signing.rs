//! A recognition worker that is killed, stopped or cut off in the middle of live streams: every caption
//! comes, once, as without the fault.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::Full;
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode, header};
use rand::RngExt as _;
use rand::rngs::StdRng;
use recognizer::evaluate::Player;
use recognizer::model::built_in;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::check;
use super::fault::Fault;
use super::run::Run;
use super::setup::{Kind, Setup};
use super::world::World;
use crate::http::{Asking, Connection, request};

const SIGNERS: usize = 3;
const WORDS: [&str; 4] = ["hello", "get", "coffee", "please"];
/// Frames of a batch, and the time between two of them.
const BATCH: usize = 6;
const BATCH_TIME: Duration = Duration::from_millis(400);
const FORMAT: &str = "application/vnd.signcall.landmarks";
/// All captions are there by then.
const ALL_WITHIN: Duration = Duration::from_secs(60);
/// Whatever would come twice has come by then.
const TWICE_WITHIN: Duration = Duration::from_millis(700);
const PAUSE: Duration = Duration::from_millis(50);

/// Somebody who signs, and what is to be read.
struct Signer {
    address: SocketAddr,
    code: String,
    id: u64,
    token: String,
    frames: Vec<clips::Frame>,
    captions: Vec<String>,
}

/// One run.
pub(super) async fn run(signcall: &Path, random: &mut StdRng, run: &mut Run) -> anyhow::Result<()> {
    let mut world = World::start(Setup::Signing, signcall, 0).await?;
    let signers = gather(&world, random).await?;
    let (fault, lasts_ms) = match random.random_range(0..5) {
        0 => (Fault::Stop(Kind::Worker), 500..3000),
        1 => (Fault::Cut(Kind::Worker), 500..3000),
        2 => (Fault::Silence(Kind::Worker), 500..3000),
        _ => (Fault::Kill(Kind::Worker), 0..500),
    };
    let after = Duration::from_millis(random.random_range(500..6000));
    let lasts = Duration::from_millis(random.random_range(lasts_ms));
    let signing = try_join_all(signers.iter().map(sign));
    let disturbing = async {
        sleep(after).await;
        run.step(fault.tell());
        fault.begin(&mut world).await?;
        sleep(lasts).await;
        run.step("end of the fault");
        let healing = Instant::now();
        fault.end(&mut world).await?;
        anyhow::Ok(healing)
    };
    let (signed, healing) = tokio::join!(signing, disturbing);
    signed?;
    let healing = healing?;
    let expected: Vec<&Vec<String>> = signers.iter().map(|signer| &signer.captions).collect();
    let count = expected.iter().map(|captions| captions.len()).sum::<usize>();
    let until = Instant::now() + ALL_WITHIN;
    let mut found = read(&signers).await?;
    while found.iter().map(Vec::len).sum::<usize>() < count && Instant::now() < until {
        sleep(PAUSE).await;
        found = read(&signers).await?;
    }
    run.step("as many captions as there should be");
    run.figure("captions_ms_after_fault", healing.elapsed().as_secs_f64() * 1e3);
    sleep(TWICE_WITHIN).await;
    let found = read(&signers).await?;
    let same = found.iter().collect::<Vec<_>>() == expected;
    run.holds(same, || format!("{found:?} was written down, {expected:?} was signed"));
    run.figure("captions", count);
    check::alive(&mut world, run)?;
    if !same {
        eprintln!("---- worker said:\n{}", world.last_words(Kind::Worker));
    }
    Ok(())
}

/// Those in one room who consent, each with a sentence.
async fn gather(world: &World, random: &mut StdRng) -> anyhow::Result<Vec<Signer>> {
    let mut model = built_in("asl-basic").context("there is no asl-basic")??;
    let (room, address) = (&world.population.rooms[0], world.addresses[0]);
    let mut signers = Vec::new();
    for member in &room.members[..SIGNERS] {
        let person = &world.population.people[*member];
        let frames = recognizer::synthetic::sentence(&WORDS, random.random())?;
        // What is to be read is what the model reads when nothing happens.
        let mut player = Player::new(model.as_mut(), 2);
        for frame in &frames {
            player.push(frame)?;
        }
        let finals = player.finish()?.finals;
        let captions = finals.into_iter().map(|caption| caption.text).collect();
        let path = format!("/rooms/{}/captions/me", room.code);
        let consent = json!({ "consent": true });
        let asking = || request(Method::PUT, &path, &person.token, Some(&consent));
        let status = persist(address, asking).await?;
        ensure!(status.is_success(), "consent was answered {status}");
        let (code, id, token) = (room.code.to_string(), person.id.get(), person.token.clone());
        signers.push(Signer { address, code, id, token, frames, captions });
    }
    Ok(signers)
}

/// Sends frames as they are captured, each batch until it is taken.
async fn sign(signer: &Signer) -> anyhow::Result<()> {
    let path = format!("/rooms/{}/frames?stream=camera", signer.code);
    let begun = Instant::now();
    for (index, batch) in signer.frames.chunks(BATCH).enumerate() {
        sleep_until(begun + BATCH_TIME * (index as u32 + 1)).await;
        let bytes = Bytes::from(clips::live_wire::encode(batch, (index * BATCH) as u32));
        let asking = || frames(&path, &signer.token, bytes.clone());
        let status = persist(signer.address, asking).await?;
        ensure!(status == StatusCode::ACCEPTED, "frames were answered {status}");
    }
    let end = format!("/rooms/{}/frames/end?stream=camera", signer.code);
    let body = json!({});
    let asking = || request(Method::POST, &end, &signer.token, Some(&body));
    let status = persist(signer.address, asking).await?;
    ensure!(status == StatusCode::ACCEPTED, "the end was answered {status}");
    Ok(())
}

fn frames(path: &str, token: &str, bytes: Bytes) -> Asking {
    let mut asking = request(Method::POST, path, token, None);
    asking.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FORMAT));
    *asking.body_mut() = Full::new(bytes);
    asking
}

/// Asks until the answer is neither "later" nor an error of the server's.
async fn persist(address: SocketAddr, asking: impl Fn() -> Asking) -> anyhow::Result<StatusCode> {
    let until = Instant::now() + ALL_WITHIN;
    loop {
        let asked = async { Connection::open(address).await?.send(asking()).await };
        match asked.await {
            Ok((status, _))
                if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() =>
            {
                return Ok(status);
            }
            Ok(_) | Err(_) if Instant::now() < until => sleep(PAUSE).await,
            Ok((status, _)) => bail!("still answered {status}"),
            Err(error) => return Err(error),
        }
    }
}

/// What stands in the transcript, for each signer in the order in which it was signed.
async fn read(signers: &[Signer]) -> anyhow::Result<Vec<Vec<String>>> {
    let first = &signers[0];
    let path = format!("/rooms/{}/transcripts?limit=100", first.code);
    let asking = request(Method::GET, &path, &first.token, None);
    let answer = Connection::open(first.address).await?.expect(asking, StatusCode::OK).await?;
    let mut rows = answer["data"].as_array().cloned().unwrap_or_default();
    rows.sort_by_key(|row| row["start_ms"].as_i64());
    let text = |row: &Value| row["ts_content"].as_str().unwrap_or_default().to_owned();
    let of = |signer: &Signer| {
        let own = rows.iter().filter(|row| row["user_id"].as_u64() == Some(signer.id));
        own.map(text).collect()
    };
    Ok(signers.iter().map(of).collect())
}
