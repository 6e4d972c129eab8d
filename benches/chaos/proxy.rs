//! A link between a process and its server that can be cut, silenced, slowed down, or reset in the
//! middle of an acknowledgement: TCP through this program, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// Bytes that are carried at once.
const CHUNK: usize = 16 * 1024;
/// What acknowledgements have in them: JetStream's, and a decider's.
const ACKNOWLEDGED: [&[u8]; 2] = [b"\"seq\":", b"\"position\":"];
/// Of so many acknowledgements one is cut through.
const ONE_OF: u32 = 4;

/// What a link does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Carries them.
    Pass,
    /// Resets every connection, and refuses new ones.
    Cut,
    /// Takes connections and carries nothing: half-open.
    Silent,
    /// Carries each chunk so much later, and so many bytes a second.
    Slow { delay: Duration, bytes_per_s: u32 },
    /// Carries half of an acknowledgement now and then, and resets the connection.
    ResetAcks,
}

/// A running link, gone when dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    mode: watch::Sender<Mode>,
    _accepting: AbortOnDropHandle<()>,
}

/// What all connections of a link share.
#[derive(Clone)]
struct Link {
    target: SocketAddr,
    mode: watch::Receiver<Mode>,
    dice: Arc<Mutex<StdRng>>,
}

/// Why a direction is carried no further.
enum End {
    Closed,
    Reset,
}

impl Proxy {
    /// A link to `target`, which need not be up yet.
    pub(super) async fn start(target: SocketAddr, seed: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mode = watch::Sender::new(Mode::Pass);
        let dice = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        let link = Link { target, mode: mode.subscribe(), dice };
        let accepting = AbortOnDropHandle::new(tokio::spawn(link.accept(listener)));
        Ok(Self { address, mode, _accepting: accepting })
    }

    /// From now on.
    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Link {
    async fn accept(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((client, _)) = accepted else { continue };
                    connections.spawn(self.clone().carry(client));
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    }

    async fn carry(mut self, mut client: TcpStream) {
        let mode = *self.mode.borrow_and_update();
        if mode == Mode::Cut {
            return reset(&client);
        }
        if self.mode.wait_for(|mode| *mode != Mode::Silent).await.is_err() {
            return;
        }
        let Ok(mut server) = TcpStream::connect(self.target).await else { return reset(&client) };
        // Without it small answers wait for each other, and the link is never only as slow as said.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let mut mode = self.mode.clone();
        let ended = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            tokio::select! {
                end = self.pump(from_client, to_server, false) => end,
                end = self.pump(from_server, to_client, true) => end,
                _ = mode.wait_for(|mode| *mode == Mode::Cut) => End::Reset,
            }
        };
        if matches!(ended, End::Reset) {
            reset(&client);
            reset(&server);
        }
    }

    async fn pump(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, answers: bool) -> End {
        let mut chunk = vec![0; CHUNK];
        let mut mode = self.mode.clone();
        loop {
            let Ok(read @ 1..) = from.read(&mut chunk).await else { return End::Closed };
            let Ok(now) = mode.wait_for(|mode| *mode != Mode::Silent).await.map(|mode| *mode)
            else {
                return End::Closed;
            };
            let bytes = &chunk[..read];
            match now {
                Mode::Pass | Mode::Cut | Mode::Silent => {}
                Mode::Slow { delay, bytes_per_s } => {
                    let carried = Duration::from_secs_f64(read as f64 / f64::from(bytes_per_s));
                    sleep(delay + carried).await;
                }
                Mode::ResetAcks => {
                    if answers
                        && acknowledges(bytes)
                        && self.dice.lock().random_range(0..ONE_OF) == 0
                    {
                        // Whether the half arrives is the network's business.
                        let _ = to.write_all(&bytes[..read / 2]).await;
                        return End::Reset;
                    }
                }
            }
            if to.write_all(bytes).await.is_err() {
                return End::Closed;
            }
        }
    }
}

fn acknowledges(bytes: &[u8]) -> bool {
    ACKNOWLEDGED.iter().any(|mark| bytes.windows(mark.len()).any(|window| window == *mark))
}

/// Closing it tells the other side nothing but a reset.
fn reset(stream: &TcpStream) {
    // A connection that is gone already needs none.
    let _ = stream.set_zero_linger();
}
