//! `cargo xtask bench http`: authenticated reads and durable chat commands a second of one
//! `signcall serve` process on the embedded log, its load beside it; and reads while log-ins wait.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use benches::http::{Connection, request};
use benches::latency::{Latencies, Sender, closed_loop, open_loop};
use benches::population::{self, Population};
use benches::report;
use benches::server::{self, Server, free_address, released};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use streams::log::embedded;
use tokio::task::JoinSet;
use tokio::time::Instant;

const PEOPLE: usize = 64;
const ROOMS: usize = 8;
/// Connections of each load.
const CONNECTIONS: usize = 64;
/// Messages in a room before it is read: more than a page.
const MESSAGES: usize = 40;
/// Share of the highest rate at which latencies are taken.
const STEADY: f64 = 2.0 / 3.0;
/// The commands a second that the server is to bear; their latency is told too.
const COMMANDS_TARGET_PER_S: f64 = 5000.0;
/// Log-ins that wait for the password threads, and the reads beside them.
const LOGINS: usize = 200;
const READS_PER_S_DURING_LOGINS: f64 = 1000.0;
/// A log-in that was refused because too many wait comes back after this.
const LOGIN_AGAIN: Duration = Duration::from_millis(100);
const PASSWORD: &str = "violet tandem quarry 19";
/// Alternates the two reads, each connection's user another.
const WRK_SCRIPT: &str = r#"
local asked, n = {}, 0
init = function(args)
  for i = 1, #args, 2 do
    local headers = { ["Authorization"] = "Bearer " .. args[i] }
    asked[#asked + 1] = wrk.format("GET", "/api/v1/users/me", headers)
    asked[#asked + 1] = wrk.format("GET", args[i + 1], headers)
  end
end
request = function()
  n = n % #asked + 1
  return asked[n]
end
"#;

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let time = Duration::from_secs(if quick { 1 } else { 10 });
    report::end("http", figures(time).await)
}

async fn figures(time: Duration) -> anyhow::Result<Map<String, Value>> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let log = embedded::open(&data.join("log.db")).await?;
    let population = Arc::new(population::settle(&log, data, PEOPLE, ROOMS).await?);
    drop(log);
    released(data).await?;
    let address = free_address()?;
    let _server =
        Server::start(&server::signcall()?, arguments(data, address), data, "serve").await?;
    let load = Load { address, population };
    let talk = load.senders(Load::message).await?;
    open_loop(talk, 1000.0, Duration::from_millis((ROOMS * MESSAGES) as u64)).await?;

    let (reads_per_s, generator) = match wrk(&load, time)? {
        Some(reads_per_s) => (reads_per_s, "wrk -t1 -c64"),
        None => {
            let reads = load.senders(Load::read).await?;
            (closed_loop(reads, time).await?, "wrk is not installed: 64 connections of our own")
        }
    };
    let reads = load.senders(Load::read).await?;
    let reads = open_loop(reads, reads_per_s * STEADY, time).await?;
    let commands_per_s = closed_loop(load.senders(Load::message).await?, time).await?;
    let commands = load.senders(Load::message).await?;
    let commands = open_loop(commands, commands_per_s * STEADY, time).await?;
    let at_target = load.senders(Load::message).await?;
    let at_target = open_loop(at_target, COMMANDS_TARGET_PER_S, time).await?.percentile_ms(0.99);
    let (during_logins, logins) = reads_during_logins(&load, time).await?;
    let shape = format!(
        "reads: {generator}, latency of 64 connections of our own at two thirds of that rate; \
         commands: 64 connections, latency at two thirds of their rate, at \
         {COMMANDS_TARGET_PER_S} a second p99 is {at_target} ms; during {LOGINS} log-ins: \
         {READS_PER_S_DURING_LOGINS} reads a second, {logins} log-ins were answered meanwhile"
    );
    let figures = json!({
        "reads_per_s": reads_per_s.round(),
        "reads_p99_ms": reads.percentile_ms(0.99),
        "commands_per_s": commands_per_s.round(),
        "commands_p99_ms": commands.percentile_ms(0.99),
        "reads_p99_ms_during_logins": during_logins.percentile_ms(0.99),
        "load": shape,
    });
    Ok(figures.as_object().cloned().unwrap_or_default())
}

fn arguments(data: &Path, address: SocketAddr) -> Vec<String> {
    let mut arguments = vec!["serve".to_owned(), "--data".to_owned(), data.display().to_string()];
    arguments.extend(["--listen".to_owned(), address.to_string()]);
    for off in ["chat", "logins", "wrong_passwords", "registrations"] {
        arguments.extend(["--api".to_owned(), format!("throttles.{off}.per_minute=0")]);
    }
    arguments
}

/// Who sends what where.
#[derive(Clone)]
struct Load {
    address: SocketAddr,
    population: Arc<Population>,
}

impl Load {
    /// A user's token, and the path of their room's messages.
    fn user(&self, n: u64) -> (&str, String) {
        let n = (n % PEOPLE as u64) as usize;
        let room = &self.population.rooms[n % ROOMS];
        (&self.population.people[n].token, format!("/rooms/{}/messages", room.code))
    }

    fn read(&self, n: u64) -> (benches::http::Asking, StatusCode) {
        let (token, messages) = self.user(n / 2);
        let page = format!("{messages}?limit=20");
        let path = if n.is_multiple_of(2) { "/users/me" } else { &page };
        (request(Method::GET, path, token, None), StatusCode::OK)
    }

    fn message(&self, n: u64) -> (benches::http::Asking, StatusCode) {
        let (token, messages) = self.user(n);
        let body =
            json!({ "msg_content": format!("What was said in turn {n} is about this long.") });
        (request(Method::POST, &messages, token, Some(&body)), StatusCode::CREATED)
    }

    async fn senders(
        &self,
        asking: fn(&Self, u64) -> (benches::http::Asking, StatusCode),
    ) -> anyhow::Result<Vec<Asker>> {
        let mut senders = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let connection = Connection::open(self.address).await?;
            senders.push(Asker { load: self.clone(), connection, asking });
        }
        Ok(senders)
    }
}

struct Asker {
    load: Load,
    connection: Connection,
    asking: fn(&Load, u64) -> (benches::http::Asking, StatusCode),
}

impl Sender for Asker {
    async fn send(&mut self, n: u64, _: Instant) -> anyhow::Result<()> {
        let (asking, expected) = (self.asking)(&self.load, n);
        let (status, body) = self.connection.send(asking).await?;
        let text = || String::from_utf8_lossy(&body).into_owned();
        ensure!(status == expected, "answered {status}, expected {expected}: {}", text());
        Ok(())
    }
}

/// Requests a second as wrk counts them; `None` where it is not installed.
fn wrk(load: &Load, time: Duration) -> anyhow::Result<Option<f64>> {
    let script = tempfile::Builder::new().suffix(".lua").tempfile()?;
    std::fs::write(script.path(), WRK_SCRIPT)?;
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", &format!("-d{}s", time.as_secs()), "-s"]).arg(script.path());
    command.arg(format!("http://{}", load.address)).arg("--");
    for n in 0..PEOPLE as u64 {
        let (token, messages) = load.user(n);
        command.args([token, &format!("/api/v1{messages}?limit=20")]);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot start wrk"),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk failed: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(!said.contains("Non-2xx"), "wrk got other answers than 200: {said}");
    let rate = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(Some(rate.context("wrk says no rate")?.trim().parse()?))
}

/// Reads while so many log-ins wait for the password threads; and how many of those were answered.
async fn reads_during_logins(load: &Load, time: Duration) -> anyhow::Result<(Latencies, usize)> {
    let mut connection = Connection::open(load.address).await?;
    let body =
        json!({ "username": "waiting", "email": "waiting@example.org", "password": PASSWORD });
    connection
        .expect(request(Method::POST, "/users", "", Some(&body)), StatusCode::CREATED)
        .await?;
    let mut logins = JoinSet::new();
    for _ in 0..LOGINS {
        logins.spawn(log_in(load.address));
    }
    let reads = load.senders(Load::read).await?;
    let reads = open_loop(reads, READS_PER_S_DURING_LOGINS, time).await?;
    let mut answered = 0;
    while let Some(login) = logins.try_join_next() {
        login??;
        answered += 1;
    }
    ensure!(answered < LOGINS, "all log-ins were answered before the reads were");
    logins.shutdown().await;
    Ok((reads, answered))
}

/// Logs in, coming back as long as too many wait.
async fn log_in(address: SocketAddr) -> anyhow::Result<()> {
    let body = json!({ "username": "waiting", "password": PASSWORD });
    let mut connection = Connection::open(address).await?;
    loop {
        let asking = request(Method::POST, "/tokens", "", Some(&body));
        let (status, answer) = connection.send(asking).await?;
        match status {
            StatusCode::CREATED => return Ok(()),
            StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(LOGIN_AGAIN).await,
            _ => anyhow::bail!("logging in: {status} {}", String::from_utf8_lossy(&answer)),
        }
    }
}
