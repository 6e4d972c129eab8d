//! Requests that two parsers could read in two ways: two lengths, a length and chunks, names with
//! blanks. Each is refused, and what hides behind one is never answered as a request of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::check;
use super::run::Run;
use super::setup::Setup;
use super::world::World;

/// What hides behind each.
const HIDDEN: &str = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
/// Heads, by what is wrong with them; `@` stands for the length of what hides.
const HEADS: [(&str, &str); 12] = [
    ("two lengths", "Content-Length: 0\r\nContent-Length: @"),
    ("two lengths in one line", "Content-Length: 0, @"),
    ("a signed length", "Content-Length: +@"),
    ("a length in hexadecimal", "Content-Length: 0x10"),
    ("a negative length", "Content-Length: -1"),
    ("a length with a blank in it", "Content-Length: 1 0"),
    ("a length beyond all numbers", "Content-Length: 99999999999999999999999"),
    ("a length and chunks", "Content-Length: @\r\nTransfer-Encoding: chunked"),
    ("chunks under another name", "Transfer-Encoding: xchunked"),
    ("chunks that are not last", "Transfer-Encoding: chunked, identity"),
    ("a blank before the colon", "Content-Length : @"),
    ("a line that goes on", "X-A: b\r\n c: d\r\nTransfer-Encoding:\r\n chunked"),
];
/// Longest wait for a server to answer or to hang up.
const PATIENCE: Duration = Duration::from_secs(15);

/// Every head once, in an order of its own, with what hides behind it in one piece or in several.
pub(super) async fn run(signcall: &Path, random: &mut StdRng, run: &mut Run) -> anyhow::Result<()> {
    let extra = super::launch::Extra {
        arguments: vec!["--api", "head_timeout.secs=1", "--api", "body_timeout.secs=1"],
        ..Default::default()
    };
    let mut world = World::start_with(Setup::AllInOne, signcall, 0, &extra).await?;
    let mut refused = 0_u64;
    for (what, head) in HEADS {
        let head = head.replace('@', &HIDDEN.len().to_string());
        let asked =
            format!("POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n0\r\n\r\n{HIDDEN}");
        let cut = random.random_range(1..asked.len());
        let answer = answer(world.addresses[0], &asked, cut).await?;
        run.step(format!("{what}: {}", answer.lines().next().unwrap_or("no answer")));
        let answers = answer.matches("HTTP/1.1 ").count();
        let served = answer.contains("HTTP/1.1 2");
        run.holds(!served, || format!("{what}: what hides behind it is answered: {answer}"));
        run.holds(answers <= 1, || format!("{what}: {answers} answers: {answer}"));
        refused += u64::from(answer.starts_with("HTTP/1.1 4") || answer.is_empty());
    }
    run.figure("refused", refused);
    run.holds(refused == HEADS.len() as u64, || format!("only {refused} are refused"));
    check::alive(&mut world, run)
}

/// All that is answered until the server hangs up.
async fn answer(address: SocketAddr, asked: &str, cut: usize) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (first, rest) = asked.as_bytes().split_at(cut);
    stream.write_all(first).await?;
    // A server that has seen enough may have hung up.
    let _ = stream.write_all(rest).await;
    let mut answer = Vec::new();
    let _ =
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.context("it never hangs up")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
