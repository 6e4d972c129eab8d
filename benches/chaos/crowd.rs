//! Clients that do harm by being many or slow: connections that say nothing, drip, or never read;
//! log-ins without end; more connections than there are file descriptors.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use hyper::{Method, StatusCode};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use super::check;
use super::launch::Extra;
use super::load::{Load, Pace};
use super::run::Run;
use super::setup::Setup;
use super::world::World;
use crate::http::{Connection, request};
use crate::latency::Latencies;
use crate::server::{memory_mb, raise_file_limit};

/// Connections of those who say too little.
const SLOW_ONES: usize = 300;
/// Of those, so many connect at once: fewer than a kernel lets wait to be accepted.
const AT_ONCE: usize = 50;
/// The server is told to wait so long for them, in s; and how much later they are gone.
const HEAD_TIMEOUT_S: u64 = 2;
const CLOSED_WITHIN: Duration = Duration::from_secs(15);
/// Connections that take memory, and of what size each.
const HELD_ONES: usize = 400;
const BODY_BYTES: usize = 16 * 1024;
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);
/// Sockets whose readers never read.
const DEAF_ONES: usize = 100;
/// What is said to them.
const WORDS: usize = 1200;
/// What their server may need for them, in MB.
const GROWTH_MAX_MB: f64 = 64.0;
/// Files that the server may have open, and connections that come.
const FILES: u32 = 160;
const CONNECTIONS: usize = 250;
/// Processor time of a server without work, of one core.
const IDLE_SHARE_MAX: f64 = 0.5;
/// Log-ins a second, and for how long.
const LOG_INS_EVERY: Duration = Duration::from_millis(10);
const FLOOD: Duration = Duration::from_secs(3);
/// What any other request may take meanwhile, on a busy machine.
const P99_MAX_MS: f64 = 1000.0;
/// Between two such requests.
const ASK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(8);

/// Silent, half a head, half a body: closed in time, and nobody else is slower.
pub(super) async fn slowloris(
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    raise_file_limit()?;
    let arguments = vec!["--api", "head_timeout.secs=2", "--api", "body_timeout.secs=3"];
    let extra = Extra { arguments, ..Extra::default() };
    let world = World::start_with(Setup::AllInOne, signcall, 0, &extra).await?;
    let address = world.addresses[0];
    let asking = Asking::start(&world);
    let (mut open, places) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    let body = "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    for _ in 0..SLOW_ONES {
        let said = match random.random_range(0..3) {
            0 => "",
            1 => "GET /api/v1/users/me HTTP/1.1\r\nHost: x\r\nX-",
            _ => body,
        };
        open.spawn(closed_after(address, said, Arc::clone(&places)));
    }
    run.step(format!("{SLOW_ONES} connections that say too little"));
    let mut longest = Duration::ZERO;
    while let Some(closed) = open.join_next().await {
        longest = longest.max(closed??);
    }
    run.step("all of them are closed");
    run.figure("closed_ms", longest.as_secs_f64() * 1e3);
    let bound = CLOSED_WITHIN + Duration::from_secs(HEAD_TIMEOUT_S);
    run.holds(longest < bound, || format!("a silent connection stays for {longest:?}"));
    asking.end(run).await?;
    finish(world, run).await
}

async fn closed_after(
    address: SocketAddr,
    said: &'static str,
    places: Arc<Semaphore>,
) -> anyhow::Result<Duration> {
    let place = places.acquire().await?;
    let mut stream = TcpStream::connect(address).await?;
    // It is accepted by then, or it waits for no more than it takes to look.
    sleep(Duration::from_millis(20)).await;
    drop(place);
    let begun = Instant::now();
    stream.write_all(said.as_bytes()).await?;
    let mut rest = Vec::new();
    // Closed or reset is the same here.
    let read = stream.read_to_end(&mut rest);
    let _closed = timeout(CLOSED_WITHIN * 2, read).await.context("it is never closed")?;
    Ok(begun.elapsed())
}

/// Connections to an API process, each with a body that never ends: they need memory. Fewer, where it
/// ends over that.
pub(super) async fn hold(address: SocketAddr) -> Vec<TcpStream> {
    let mut held = Vec::new();
    let head = format!(
        "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{{",
        BODY_BYTES + 2
    );
    for _ in 0..HELD_ONES {
        let Ok(mut stream) = TcpStream::connect(address).await else { break };
        let body = [head.as_bytes(), &[b' '; BODY_BYTES]].concat();
        // It is not read where nothing is left to read it into.
        if !matches!(timeout(WRITTEN_WITHIN, stream.write_all(&body)).await, Ok(Ok(()))) {
            break;
        }
        held.push(stream);
    }
    held
}

/// A hundred sockets that never read: the room speaks on, and the memory for them is bounded.
pub(super) async fn slow_readers(signcall: &Path, run: &mut Run) -> anyhow::Result<()> {
    let world = World::start(Setup::AllInOne, signcall, 0).await?;
    // What the load itself needs is no growth.
    let load = Load::start(&world, 0, WORDS, Pace::LONG);
    load.acknowledged(WORDS).await?;
    let (mut acked, next) = load.wind_up().await?;
    let before = peak_mb(&world)?;
    let deaf = (0..DEAF_ONES).map(|n| deaf(&world, n));
    let deaf = join_all(deaf).await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    run.step(format!("{DEAF_ONES} sockets that never read"));
    let asking = Asking::start(&world);
    let load = Load::start(&world, next, WORDS, Pace::LONG);
    load.acknowledged(WORDS).await?;
    let (served, tables) = load.probe(world.addresses[0]).await?;
    (run.served, run.tables) = (Some(served), Some(tables));
    let grown = peak_mb(&world)? - before;
    run.figure("growth_mb", (grown * 10.0).round() / 10.0);
    run.holds(grown < GROWTH_MAX_MB, || format!("the server has grown by {grown} MB"));
    asking.end(run).await?;
    drop(deaf);
    acked.extend(load.wind_up().await?.0);
    run.acked = acked.len();
    run.verdict.add(check::check(&world, &acked, true).await?);
    Ok(())
}

/// A WebSocket whose reader stops after the answer's head.
async fn deaf(world: &World, n: usize) -> anyhow::Result<TcpStream> {
    let room = &world.population.rooms[n % world.population.rooms.len()];
    let token = &world.population.people[room.members[(n / 4) % room.members.len()]].token;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut stream = socket.connect(world.addresses[0]).await?;
    let asked = format!(
        "GET /api/v1/rooms/{}/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        room.code
    );
    stream.write_all(asked.as_bytes()).await?;
    let mut head = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.context("no answer")??;
    anyhow::ensure!(&head == b"HTTP/1.1 101", "answered {:?}", String::from_utf8_lossy(&head));
    Ok(stream)
}

/// Log-ins without end, under names that nobody has: all others are served as before.
pub(super) async fn login_flood(
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    // Cheaper hashes than usual, and still fewer a second than are asked for.
    let arguments = vec!["--api", "throttles.logins.per_minute=0", "--api", "bcrypt_cost=9"];
    let extra = Extra { arguments, ..Extra::default() };
    let world = World::start_with(Setup::AllInOne, signcall, 0, &extra).await?;
    let address = world.addresses[0];
    let asking = Asking::start(&world);
    let (mut flood, mut ticks) = (JoinSet::new(), interval(LOG_INS_EVERY));
    let begun = Instant::now();
    run.step("log-ins without end");
    while begun.elapsed() < FLOOD {
        ticks.tick().await;
        let name = format!("nobody{}", random.random_range(0..1_000_000));
        flood.spawn(log_in(address, name));
    }
    let mut answers = [0_u64; 3];
    while let Some(status) = flood.join_next().await {
        match status? {
            Ok(StatusCode::UNAUTHORIZED) => answers[0] += 1,
            Ok(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => answers[1] += 1,
            other => {
                answers[2] += 1;
                run.verdict.breaks(format!("a log-in was answered with {other:?}"));
            }
        }
    }
    run.step(format!("{} refused as wrong, {} turned away", answers[0], answers[1]));
    run.figure("turned_away", answers[1]);
    asking.end(run).await?;
    finish(world, run).await
}

async fn log_in(address: SocketAddr, name: String) -> anyhow::Result<StatusCode> {
    let body = json!({ "username": name, "password": "violet tandem quarry 19" });
    let asking = request(Method::POST, "/tokens", "", Some(&body));
    let patience = Duration::from_secs(30);
    Ok(Connection::open(address).await?.send_within(asking, patience).await?.0)
}

/// More connections than file descriptors: the server neither ends nor spins, and serves again as soon
/// as they go.
pub(super) async fn file_descriptors(
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let extra = Extra { files: Some(FILES), ..Extra::default() };
    let mut world = World::start_with(Setup::AllInOne, signcall, 0, &extra).await?;
    let under_load = random.random();
    let commands = if under_load { usize::MAX / 2 } else { 0 };
    let load = Load::start(&world, 0, commands, Pace::STEADY);
    if under_load {
        load.acknowledged(20).await?;
    }
    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS {
        crowd.push(TcpStream::connect(world.addresses[0]).await?);
    }
    run.step(format!("{CONNECTIONS} connections to a server of {FILES} files"));
    let pid = world.processes[0].1.pid().context("the server has ended")?;
    let (begun, before) = (Instant::now(), processor_time(pid)?);
    sleep(Duration::from_millis(random.random_range(1000..3000))).await;
    let share = (processor_time(pid)? - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    if !under_load {
        run.figure("idle_share", (share * 100.0).round() / 100.0);
        run.holds(share < IDLE_SHARE_MAX, || format!("out of files it takes {share:.2} of a core"));
    }
    check::alive(&mut world, run)?;
    drop(crowd);
    run.step("the connections go");
    let (served, tables) = load.probe(world.addresses[0]).await?;
    (run.served, run.tables) = (Some(served), Some(tables));
    check::conclude(&mut world, load, run).await
}

/// The processor time that a process has had.
fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("no name in its stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Fields 14 and 15 of the whole line, in hundredths of a second.
    let ticks: u64 = fields.get(11).context("no utime")?.parse::<u64>()?
        + fields.get(12).context("no stime")?.parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn peak_mb(world: &World) -> anyhow::Result<f64> {
    memory_mb(world.processes[0].1.pid().context("the server has ended")?, "VmHWM")
}

/// Somebody who reads on and on, and how long that takes.
struct Asking {
    over: tokio::sync::oneshot::Sender<()>,
    asking: tokio::task::JoinHandle<Vec<Duration>>,
}

impl Asking {
    fn start(world: &World) -> Self {
        let (address, token) = (world.addresses[0], world.population.people[0].token.clone());
        let (over, mut ended) = tokio::sync::oneshot::channel();
        let asking = tokio::spawn(async move {
            let (mut waits, mut ticks) = (Vec::new(), interval(ASK_EVERY));
            while ended
                .try_recv()
                .is_err_and(|why| why == tokio::sync::oneshot::error::TryRecvError::Empty)
            {
                ticks.tick().await;
                let begun = Instant::now();
                let asking = request(Method::GET, "/users/me", &token, None);
                let asked =
                    async { Connection::open(address).await?.send_within(asking, PATIENCE).await };
                let served = matches!(asked.await, Ok((StatusCode::OK, _)));
                waits.push(if served { begun.elapsed() } else { PATIENCE });
            }
            waits
        });
        Self { over, asking }
    }

    async fn end(self, run: &mut Run) -> anyhow::Result<()> {
        // It ends in any case.
        let _ = self.over.send(());
        let p99 = Latencies::new(self.asking.await?).percentile_ms(0.99);
        run.figure("read_p99_ms", p99);
        run.holds(p99 < P99_MAX_MS, || format!("a read takes {p99} ms at p99 meanwhile"));
        Ok(())
    }
}

/// The server still works, and has not ended.
async fn finish(mut world: World, run: &mut Run) -> anyhow::Result<()> {
    let load = Load::start(&world, 0, 100, Pace::STEADY);
    let (served, tables) = load.probe(world.addresses[0]).await?;
    (run.served, run.tables) = (Some(served), Some(tables));
    load.acknowledged(100).await?;
    check::conclude(&mut world, load, run).await
}
