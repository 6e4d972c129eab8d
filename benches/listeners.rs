//! Thousands of WebSockets in a process of their own: each listens to its room, comes back with the
//! last sequence it saw, and checks that no entry is missing or there twice.
//!
//! The parent writes a [`Plan`] into a file and starts `PROGRAM live listeners FILE`; the child prints a
//! [`Status`] a line, several times a second, and at the end of its standard input the latencies.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use parking_lot::Mutex;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How often the child tells how it does.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// Sockets that are being opened at once.
const OPENING: usize = 64;
/// Longest wait for a socket to open.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
/// Full jitter before a socket that was lost comes back, in ms.
const BACK_AFTER_MS: std::ops::Range<u64> = 20..500;
/// Marks a text that carries the time at which it was due, in µs since 1970.
const TIMED: &str = "due ";

/// What a child is to open.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// Room code and token of each socket.
    pub sockets: Vec<(String, String)>,
}

/// How a child does.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Status {
    /// Sockets that are open and have been told that they are up to date.
    pub ready: u64,
    /// Chat messages that arrived.
    pub delivered: u64,
    /// Entries that were skipped.
    pub lost: u64,
    /// Entries that came again.
    pub doubled: u64,
    /// Resumes that the server answered with a snapshot.
    pub resets: u64,
}

impl Status {
    /// Counts another child's in.
    pub fn add(&mut self, other: Self) {
        self.ready += other.ready;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.resets += other.resets;
    }
}

/// A text whose way is timed, due at `due`.
pub fn timed_text(due: Instant, n: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = now.saturating_sub(due.elapsed());
    format!("{TIMED}{} {n}", at.as_micros())
}

/// A child of the parent.
pub struct Listeners {
    _child: Child,
    input: ChildStdin,
    status: watch::Receiver<Status>,
    /// Reads what the child says, up to the latencies.
    reading: JoinHandle<anyhow::Result<Vec<u64>>>,
}

impl Listeners {
    /// Starts a child.
    pub fn start(plan: &Plan, file: &Path) -> anyhow::Result<Self> {
        std::fs::write(file, serde_json::to_vec(plan)?)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["live", "listeners"])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("standard input is piped")?;
        let output = child.stdout.take().context("standard output is piped")?;
        let (sender, status) = watch::channel(Status::default());
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Some(line) = lines.next_line().await? {
                if line.starts_with('[') {
                    return Ok(serde_json::from_str(&line)?);
                }
                sender.send_replace(serde_json::from_str(&line)?);
            }
            bail!("a child that listens told no latencies")
        });
        Ok(Self { _child: child, input, status, reading })
    }

    /// Ends the child: its last status, and the latencies of timed texts in µs.
    pub async fn end(self) -> anyhow::Result<(Status, Vec<u64>)> {
        drop(self.input);
        let latencies = self.reading.await??;
        Ok((*self.status.borrow(), latencies))
    }
}

/// Waits until all children together are as `enough` wants them.
pub async fn wait_for(
    children: &[Listeners],
    within: Duration,
    enough: impl Fn(Status) -> bool,
) -> anyhow::Result<Status> {
    let until = Instant::now() + within;
    loop {
        let mut all = Status::default();
        for child in children {
            ensure!(!child.reading.is_finished(), "a child that listens has ended");
            all.add(*child.status.borrow());
        }
        if enough(all) {
            return Ok(all);
        }
        ensure!(Instant::now() < until, "not in time: {all:?}");
        sleep(TELL_EVERY).await;
    }
}

/// What a child does: opens its sockets and listens until its standard input ends.
pub async fn listen(file: &Path) -> anyhow::Result<()> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(file)?)?;
    let crowd = Arc::new(Crowd {
        address: plan.address,
        opening: Semaphore::new(OPENING),
        ready: AtomicU64::new(0),
        delivered: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        doubled: AtomicU64::new(0),
        resets: AtomicU64::new(0),
        latencies_us: Mutex::default(),
    });
    for (code, token) in plan.sockets {
        tokio::spawn(Ear { crowd: Arc::clone(&crowd), code, token, last: None }.listen());
    }
    let mut input = tokio::io::stdin();
    let ended = async {
        let mut byte = [0];
        while matches!(input.read(&mut byte).await, Ok(1)) {}
    };
    let mut ended = std::pin::pin!(ended);
    while timeout(TELL_EVERY, &mut ended).await.is_err() {
        println!("{}", serde_json::to_string(&crowd.status())?);
    }
    println!("{}", serde_json::to_string(&crowd.status())?);
    println!("{}", serde_json::to_string(&*crowd.latencies_us.lock())?);
    Ok(())
}

struct Crowd {
    address: SocketAddr,
    opening: Semaphore,
    ready: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    resets: AtomicU64,
    latencies_us: Mutex<Vec<u64>>,
}

impl Crowd {
    fn status(&self) -> Status {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Status {
            ready: get(&self.ready),
            delivered: get(&self.delivered),
            lost: get(&self.lost),
            doubled: get(&self.doubled),
            resets: get(&self.resets),
        }
    }
}

/// One socket, as often as it has to be opened.
struct Ear {
    crowd: Arc<Crowd>,
    code: String,
    token: String,
    last: Option<u64>,
}

/// What a server says, as far as it is looked at.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    seq: Option<u64>,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    seq: Option<u64>,
    msg_content: Option<String>,
}

impl Ear {
    async fn listen(mut self) {
        loop {
            if let Ok(Ok(mut socket)) = timeout(OPEN_WITHIN, self.open()).await {
                let mut is_ready = false;
                while let Some(Ok(message)) = socket.next().await {
                    let Message::Text(text) = message else { continue };
                    let was_ready = is_ready;
                    self.hear(&text, &mut is_ready);
                    if is_ready && !was_ready {
                        self.crowd.ready.fetch_add(1, Ordering::Relaxed);
                    }
                }
                if is_ready {
                    self.crowd.ready.fetch_sub(1, Ordering::Relaxed);
                }
            }
            let pause = rand::rng().random_range(BACK_AFTER_MS);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn open(&self) -> anyhow::Result<WebSocketStream<TcpStream>> {
        let _place = self.crowd.opening.acquire().await?;
        let address = self.crowd.address;
        let mut url = format!("ws://{address}/api/v1/rooms/{}/live", self.code);
        if let Some(last) = self.last {
            url = format!("{url}?after={last}");
        }
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", self.token).parse()?;
        request.headers_mut().insert("authorization", bearer);
        let stream = TcpStream::connect(address).await?;
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        Ok(client_async_with_config(request, stream, Some(config)).await?.0)
    }

    fn hear(&mut self, text: &str, is_ready: &mut bool) {
        let Ok(said) = serde_json::from_str::<Said<'_>>(text) else { return };
        match (said.kind, said.seq) {
            ("ready", _) => {
                self.last = self.last.or(said.data.seq);
                *is_ready = true;
            }
            ("reset", _) => {
                self.crowd.resets.fetch_add(1, Ordering::Relaxed);
                self.last = said.data.seq;
            }
            (_, Some(seq)) => self.entry(seq, said.data.msg_content.as_deref()),
            (_, None) => {}
        }
    }

    fn entry(&mut self, seq: u64, text: Option<&str>) {
        let last = self.last.unwrap_or(seq.saturating_sub(1));
        if seq <= last {
            self.crowd.doubled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.crowd.lost.fetch_add(seq - last - 1, Ordering::Relaxed);
        self.last = Some(seq);
        let Some(text) = text else { return };
        self.crowd.delivered.fetch_add(1, Ordering::Relaxed);
        let due = text.strip_prefix(TIMED).and_then(|rest| rest.split(' ').next()?.parse().ok());
        if let Some(due) = due {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let took = (now.as_micros() as u64).saturating_sub(due);
            self.crowd.latencies_us.lock().push(took);
        }
    }
}
