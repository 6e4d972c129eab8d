//! `cargo xtask bench caption`: real clips at real pace into a running server, one signer and fifty
//! at once; from the capture of a word's last frame at its sender to that word's final caption at
//! another client.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use benches::clipset::{Clip, Clipset, FRAME_US};
use benches::http::{Connection, request};
use benches::latency::Latencies;
use benches::population::{self, Meeting, Person};
use benches::report;
use benches::server::{self, Server, free_address, released};
use clips::live_wire;
use events::UserId;
use futures::{SinkExt as _, StreamExt as _};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use streams::log::embedded;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Signers of one room; one more listens.
const PER_ROOM: usize = 5;
/// A sentence: so many words, then a clip without one.
const SENTENCE: usize = 3;
/// A final comes within this time after its clip, or is counted as not recognized.
const FINAL_WITHIN: Duration = Duration::from_secs(4);
/// Time for a socket to be open, and for the tables to know everybody.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<TcpStream>;

/// A word that was signed: by whom, and when its first and last frame were captured.
struct Signed {
    user: UserId,
    label: String,
    begun: Instant,
    ended: Instant,
}

/// A final that arrived.
struct Heard {
    user: u64,
    text: String,
    at: Instant,
}

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    report::end("caption", figures(quick).await)
}

async fn figures(quick: bool) -> anyhow::Result<Map<String, Value>> {
    let (sizes, time) = if quick { ([1, 4], 6) } else { ([1, 50], 60) };
    let time = Duration::from_secs(time);
    let clips = Clipset::read()?;
    let one = run(sizes[0], time, &clips).await?;
    let many = run(sizes[1], time, &clips).await?;
    let shape = format!(
        "asl_words at 15 frames/s, one frame a message over WebSocket, {SENTENCE} words and an idle \
         clip in turn, rooms of {PER_ROOM} signers and a listener, {time:?}; a final that comes before its clip's \
         last frame counts as 0 ms"
    );
    let mut figures = many.as_object().cloned().unwrap_or_default();
    figures.insert("one_signer".to_owned(), one);
    figures.insert("load".to_owned(), json!(shape));
    Ok(figures)
}

async fn run(signers: usize, time: Duration, clips: &Clipset) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let rooms = signers.div_ceil(PER_ROOM);
    let log = embedded::open(&data.join("log.db")).await?;
    let everybody = population::settle(&log, data, signers + rooms, rooms).await?;
    drop(log);
    released(data).await?;
    let address = free_address()?;
    let _server =
        Server::start(&server::signcall()?, arguments(data, address), data, "serve").await?;
    // The owner of a room listens; the others sign.
    let (telling, mut heard) = mpsc::unbounded_channel();
    let mut listening = JoinSet::new();
    for room in &everybody.rooms {
        let listener = &everybody.people[room.members[0]];
        let socket = open(address, room, listener).await?;
        listening.spawn(listen(socket, telling.clone()));
    }
    let mut signing = JoinSet::new();
    let begin = Instant::now() + Duration::from_secs(1);
    for room in &everybody.rooms {
        for member in &room.members[1..] {
            let person = &everybody.people[*member];
            consent(address, room, person).await?;
            let socket = open(address, room, person).await?;
            // Nobody begins with the same word, or at the same moment.
            let offset = Duration::from_micros(FRAME_US * (*member as u64 % 15) / 15);
            let plan = plan(clips, *member, time);
            signing.spawn(sign(person.id, socket, plan, begin + offset));
        }
    }
    let mut signed = Vec::new();
    while let Some(ended) = signing.join_next().await {
        signed.extend(ended??);
    }
    sleep(FINAL_WITHIN).await;
    let ended = listening.try_join_next().transpose()?;
    ensure!(ended.is_none(), "a listener was cut off: {ended:?}");
    listening.shutdown().await;
    let mut all = Vec::new();
    while let Ok(one) = heard.try_recv() {
        all.push(one);
    }
    Ok(told(signers, &signed, &all))
}

fn arguments(data: &Path, address: SocketAddr) -> Vec<String> {
    let arguments = ["serve", "--data", &data.display().to_string(), "--listen"].map(str::to_owned);
    arguments.into_iter().chain([address.to_string()]).collect()
}

async fn open(address: SocketAddr, room: &Meeting, who: &Person) -> anyhow::Result<Socket> {
    let url = format!("ws://{address}/api/v1/rooms/{}/live", room.code);
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {}", who.token).parse()?);
    let opening = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        anyhow::Ok(client_async(request, stream).await?.0)
    };
    timeout(OPEN_WITHIN, opening).await?
}

async fn consent(address: SocketAddr, room: &Meeting, who: &Person) -> anyhow::Result<()> {
    let path = format!("/rooms/{}/captions/me", room.code);
    let body = json!({ "consent": true });
    let asking = request(Method::PUT, &path, &who.token, Some(&body));
    Connection::open(address).await?.expect(asking, StatusCode::NO_CONTENT).await?;
    Ok(())
}

/// Clips, one after the other, for so long.
fn plan(clips: &Clipset, member: usize, time: Duration) -> Vec<Clip> {
    let (mut plan, mut frames) = (Vec::new(), 0);
    while FRAME_US * frames < time.as_micros() as u64 {
        let turn = plan.len();
        let of = if turn % (SENTENCE + 1) == SENTENCE { &clips.idle } else { &clips.words };
        let clip = of[(turn + member * 7) % of.len()].clone();
        frames += clip.frames.len() as u64;
        plan.push(clip);
    }
    plan
}

/// Sends every frame when it is captured; says when which word was signed.
async fn sign(
    user: UserId,
    socket: Socket,
    plan: Vec<Clip>,
    begin: Instant,
) -> anyhow::Result<Vec<Signed>> {
    let (mut sink, mut stream) = socket.split();
    let answers = tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Text(text) = message {
                let answer: Value = serde_json::from_str(&text)?;
                ensure!(answer["type"] != "error", "frames were refused: {text}");
            }
        }
        anyhow::Ok(())
    });
    let (mut signed, mut seq) = (Vec::new(), 0_u32);
    for clip in plan {
        let at = |seq: u32| begin + Duration::from_micros(FRAME_US * u64::from(seq));
        let begun = at(seq);
        for mut frame in clip.frames {
            sleep_until(at(seq)).await;
            frame.time_us = FRAME_US * u64::from(seq);
            sink.send(Message::Binary(live_wire::encode(&[frame], seq).into())).await?;
            seq += 1;
        }
        if !clip.label.is_empty() {
            signed.push(Signed { user, label: clip.label, begun, ended: at(seq - 1) });
        }
    }
    if answers.is_finished() {
        answers.await??;
        anyhow::bail!("a signer was cut off");
    }
    // Open until all finals are there.
    tokio::spawn(async move {
        sleep(FINAL_WITHIN).await;
        drop(sink);
    });
    Ok(signed)
}

/// Tells every final that arrives, until it is stopped.
async fn listen(mut socket: Socket, heard: mpsc::UnboundedSender<Heard>) -> anyhow::Result<()> {
    while let Some(message) = socket.next().await {
        let at = Instant::now();
        let Message::Text(text) = message? else { continue };
        let said: Value = serde_json::from_str(&text)?;
        if said["type"] != "transcript" {
            continue;
        }
        let data = &said["data"];
        let user = data["user_id"].as_u64().context("a final without a signer")?;
        let text = data["ts_content"].as_str().context("a final without text")?.to_owned();
        heard.send(Heard { user, text, at })?;
    }
    Ok(())
}

/// Finds for each signed word the final that says it: the same word, by the same signer, in time,
/// and each final for one word only.
fn told(signers: usize, signed: &[Signed], heard: &[Heard]) -> Value {
    let mut used = vec![false; heard.len()];
    let mut waits = Vec::new();
    for word in signed {
        let fits = |one: &Heard| {
            let in_time = one.at > word.begun && one.at < word.ended + FINAL_WITHIN;
            in_time && one.user == word.user.get() && one.text == word.label
        };
        let mut finals = heard.iter().enumerate();
        if let Some((n, found)) = finals.find(|(n, one)| !used[*n] && fits(one)) {
            used[n] = true;
            waits.push(found.at.saturating_duration_since(word.ended));
        }
    }
    let recognized = waits.len();
    let waits = Latencies::new(waits);
    json!({
        "signers": signers,
        "p50_ms": waits.percentile_ms(0.5),
        "p95_ms": waits.percentile_ms(0.95),
        "p99_ms": waits.percentile_ms(0.99),
        "words": signed.len(),
        "recognized": recognized,
    })
}
