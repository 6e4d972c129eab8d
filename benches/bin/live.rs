//! `cargo xtask bench live`: WebSockets that are authenticated and listen: what one costs, how long
//! all of them take to come back after the server is killed, and how fast chat reaches them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use benches::http::{Connection, request};
use benches::latency::{Latencies, Sender, open_loop};
use benches::listeners::{self, Listeners, Plan, Status, timed_text};
use benches::population::{self, Population};
use benches::report;
use benches::server::{self, Server, free_address, raise_file_limit, released};
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use streams::log::embedded;
use tokio::time::{Instant, sleep};

/// Processes that listen.
const CLIENTS: usize = 2;
/// Longest wait for all sockets to be open, and for all deliveries.
const WITHIN: Duration = Duration::from_secs(120);
/// Sockets idle for so long before the memory is looked at.
const IDLE: Duration = Duration::from_secs(5);
/// Chat messages a second and room.
const PER_ROOM: f64 = 1.0;
/// The server is killed so long after the load has begun.
const KILL_AFTER: Duration = Duration::from_secs(2);
/// A sender who gets no answer asks again after this.
const AGAIN: Duration = Duration::from_millis(50);
const SENDERS: usize = 32;

struct Size {
    rooms: usize,
    members: usize,
    time: Duration,
}

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    let done = match args.as_slice() {
        [role, file] if role == "listeners" => listeners::listen(Path::new(file)).await,
        args => bench(args.iter().any(|arg| arg == "--quick")).await,
    };
    if let Err(error) = done {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn bench(quick: bool) -> anyhow::Result<()> {
    raise_file_limit()?;
    let size = if quick {
        Size { rooms: 10, members: 20, time: Duration::from_secs(3) }
    } else {
        Size { rooms: 100, members: 100, time: Duration::from_secs(30) }
    };
    report::print("live", &figures(&size).await?);
    Ok(())
}

async fn figures(size: &Size) -> anyhow::Result<Map<String, Value>> {
    let sockets = (size.rooms * size.members) as u64;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let log = embedded::open(&data.join("log.db")).await?;
    let population = population::settle(&log, &data, sockets as usize, size.rooms).await?;
    drop(log);
    released(&data).await?;
    let address = free_address()?;
    let arguments = ["serve", "--data", &data.display().to_string(), "--listen"].map(str::to_owned);
    let arguments = arguments.into_iter().chain([address.to_string()]).collect();
    let mut server = Server::start(&server::signcall()?, arguments, folder.path(), "serve").await?;
    caught_up(&population, address).await?;

    let before = memory(&server)?;
    let opening = Instant::now();
    let children = children(&population, address, folder.path())?;
    let all_ready = |status: Status| status.ready == sockets;
    listeners::wait_for(&children, WITHIN, all_ready).await?;
    let opened = opening.elapsed();
    sleep(IDLE).await;
    let kb_per_socket = (memory(&server)? - before) / sockets as f64;

    let speakers = |timed| speakers(&population, address, timed);
    let per_s = PER_ROOM * size.rooms as f64;
    let begun = Instant::now();
    let sent = open_loop(speakers(true), per_s, size.time).await?.count() as u64;
    let delivered = sent * size.members as u64;
    listeners::wait_for(&children, WITHIN, |status| status.delivered >= delivered).await?;
    let fanout_per_s = delivered as f64 / begun.elapsed().as_secs_f64();

    let talk = open_loop(speakers(false), per_s, size.time);
    let killing = async {
        sleep(KILL_AFTER).await;
        let killed = Instant::now();
        server.restart().await?;
        let served = killed.elapsed();
        // First the children notice that their sockets are gone.
        listeners::wait_for(&children, WITHIN, |status| !all_ready(status)).await?;
        listeners::wait_for(&children, WITHIN, all_ready).await?;
        anyhow::Ok((served, killed.elapsed()))
    };
    let (talked, killed) = tokio::join!(talk, killing);
    let sent = sent + talked?.count() as u64;
    let (served, resumed) = killed?;
    let expected = sent * size.members as u64;
    listeners::wait_for(&children, WITHIN, |status| status.delivered >= expected).await?;

    let mut all = Status::default();
    let mut waits = Vec::new();
    for child in children {
        let (status, latencies) = child.end().await?;
        all.add(status);
        waits.extend(latencies.into_iter().map(Duration::from_micros));
    }
    let latencies = Latencies::new(waits);
    let shape = format!(
        "{} rooms of {}, {per_s} messages a second for {:?}; all open after {opened:.1?}; after a \
         kill served again within {served:.1?}, {} resumes answered with a snapshot",
        size.rooms, size.members, size.time, all.resets
    );
    let figures = json!({
        "sockets": sockets,
        "kb_per_socket": (kb_per_socket * 100.0).round() / 100.0,
        "resume_s": (resumed.as_secs_f64() * 100.0).round() / 100.0,
        "fanout_per_s": fanout_per_s.round(),
        "fanout_p50_ms": latencies.percentile_ms(0.5),
        "fanout_p99_ms": latencies.percentile_ms(0.99),
        "lost": all.lost + expected.saturating_sub(all.delivered),
        "doubled": all.doubled + all.delivered.saturating_sub(expected),
        "load": shape,
    });
    Ok(figures.as_object().cloned().unwrap_or_default())
}

/// Waits until the tables show what was written into the log beforehand.
async fn caught_up(population: &Population, address: std::net::SocketAddr) -> anyhow::Result<()> {
    let room = population.rooms.last().context("there are rooms")?;
    let path = format!("/rooms/{}/participants?limit=100", room.code);
    let token = &population.people[room.members[0]].token;
    let until = Instant::now() + WITHIN;
    loop {
        let mut connection = Connection::open(address).await?;
        let (status, body) = connection.send(request(Method::GET, &path, token, None)).await?;
        let people = serde_json::from_slice::<Value>(&body)?["data"].as_array().map(Vec::len);
        if status == StatusCode::OK && people == Some(room.members.len()) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "the tables do not catch up: {status} {people:?}");
        sleep(AGAIN).await;
    }
}

fn children(
    population: &Population,
    address: std::net::SocketAddr,
    folder: &Path,
) -> anyhow::Result<Vec<Listeners>> {
    let mut plans: Vec<Plan> =
        (0..CLIENTS).map(|_| Plan { address, sockets: Vec::new() }).collect();
    for room in &population.rooms {
        for (n, member) in room.members.iter().enumerate() {
            let token = population.people[*member].token.clone();
            plans[n % CLIENTS].sockets.push((room.code.to_string(), token));
        }
    }
    let start = |(n, plan)| Listeners::start(plan, &folder.join(format!("plan{n}.json")));
    plans.iter().enumerate().map(start).collect()
}

/// Memory of the server that is its own, in KB.
fn memory(server: &Server) -> anyhow::Result<f64> {
    let pid = server.pid().context("the server has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no RssAnon")?;
    Ok(kib.parse::<f64>()? * 1024.0 / 1000.0)
}

/// Those who chat: one message after the other, a room after the other.
fn speakers(population: &Population, address: std::net::SocketAddr, timed: bool) -> Vec<Speaker> {
    let rooms: Vec<(String, String)> = population
        .rooms
        .iter()
        .map(|room| {
            let token = population.people[room.members[0]].token.clone();
            (format!("/rooms/{}/messages", room.code), token)
        })
        .collect();
    (0..SENDERS).map(|_| Speaker { rooms: rooms.clone(), address, timed, open: None }).collect()
}

struct Speaker {
    rooms: Vec<(String, String)>,
    address: std::net::SocketAddr,
    timed: bool,
    open: Option<Connection>,
}

impl Speaker {
    async fn try_send(&mut self, n: u64, text: &str) -> anyhow::Result<StatusCode> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Connection::open(self.address).await?),
        };
        let (path, token) = &self.rooms[n as usize % self.rooms.len()];
        let body = json!({ "msg_content": text });
        let mut asking = request(Method::POST, path, token, Some(&body));
        let key = HeaderValue::from_str(&format!("{} {n}", self.timed))?;
        asking.headers_mut().insert("idempotency-key", key);
        Ok(open.send(asking).await?.0)
    }
}

impl Sender for Speaker {
    async fn send(&mut self, n: u64, due: Instant) -> anyhow::Result<()> {
        let text = if self.timed { timed_text(due, n) } else { format!("message {n}") };
        let until = Instant::now() + WITHIN;
        loop {
            match self.try_send(n, &text).await {
                Ok(StatusCode::CREATED) => return Ok(()),
                Ok(status) => ensure!(status.is_server_error(), "a message was answered {status}"),
                Err(_) => self.open = None,
            }
            ensure!(Instant::now() < until, "a message was not acknowledged in time");
            sleep(AGAIN).await;
        }
    }
}
