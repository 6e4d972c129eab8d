//! `cargo xtask bench deciders`: one decider on NATS, then two at once with half of the callers
//! each: the same callers, what they are answered a second, and that the log holds every answer once.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use benches::callers::{self, Decider};
use benches::report;
use decider::Writer;
use events::{Actor, Command, Head, LogId};
use serde_json::{Map, Value, json};
use streams::log::nats;
use streams::nats::{NatsConfig, connect};
use streams::testing::{NatsServer, find_nats_server};
use streams::{Commands, Log, commands};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vault::Vault;

/// Commands on their way at once, in all.
const CALLERS: usize = 512;
const LOG: LogId = LogId::from_uuid(Uuid::from_u128(8));

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let time = Duration::from_secs(if quick { 3 } else { 60 });
    report::end("deciders", figures(time).await)
}

async fn figures(time: Duration) -> anyhow::Result<Map<String, Value>> {
    let mut figures = Map::new();
    let Some(program) = find_nats_server() else {
        let why = "nats-server is not installed; cargo xtask test fetches it";
        return Ok(Map::from_iter([("deciders".to_owned(), json!({ "why": why }))]));
    };
    let mut of_one = 0.0;
    for (name, deciders, remote) in [
        ("one", 1, false),
        ("two", 2, false),
        ("one_for_callers_elsewhere", 1, true),
        ("two_for_callers_elsewhere", 2, true),
    ] {
        let server = NatsServer::start(program.clone(), "").await?;
        let measured = measure(&server, deciders, remote, time).await?;
        if deciders == 1 {
            of_one = measured.per_s;
        }
        figures.insert(
            name.to_owned(),
            json!({
                "answers_per_s": measured.per_s.round(),
                "of_one": (measured.per_s / of_one * 100.0).round() / 100.0,
                "answers": measured.answers,
                "lost": measured.lost,
                "doubled": measured.doubled,
            }),
        );
    }
    Ok(figures)
}

struct Measured {
    per_s: f64,
    answers: usize,
    lost: usize,
    doubled: usize,
}

/// One of several deciders.
struct Running {
    commands: Commands,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(server: &NatsServer, vault: &Vault) -> anyhow::Result<Self> {
        let connection = connect(&NatsConfig::new(server.url())).await?;
        let log = nats::create(&connection, LOG).await?;
        let (commands, queue) = commands::serve_nats(&connection).await?;
        let writer = Writer::open(log, vault.clone(), decider::system_clock()).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(writer.run(queue, async {
            // A stopper that is gone stops it too.
            let _ = stopped.await;
        }));
        Ok(Self { commands, stop, task })
    }
}

async fn measure(
    server: &NatsServer,
    deciders: usize,
    remote: bool,
    time: Duration,
) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let connection = connect(&NatsConfig::new(server.url())).await?;
    let log = nats::create(&connection, LOG).await?;
    let (vault, messages) = town(&log, folder.path()).await?;
    let before = log.head().await?;
    let mut running = Vec::new();
    for _ in 0..deciders {
        running.push(Running::start(server, &vault).await?);
    }
    let mut chatting = Vec::new();
    for at in 0..2 {
        let commands = if remote {
            commands::over_nats(&connect(&NatsConfig::new(server.url())).await?)
        } else {
            running[at % deciders].commands.clone()
        };
        let first = 1 + ((at as u128) << 64);
        let chat = callers::chat(commands, messages.clone(), first, CALLERS / 2, time);
        chatting.push((first, tokio::spawn(chat)));
    }
    let (mut per_s, mut answered) = (0.0, Vec::new());
    for (first, chat) in chatting {
        let (took, waits) = chat.await??;
        per_s += waits.len() as f64 / took.as_secs_f64();
        answered.push((first, waits.len()));
    }
    for running in running {
        // It may have stopped by itself.
        let _ = running.stop.send(());
        running.task.await?;
    }
    count(&log, before, per_s, &answered).await
}

/// The keys, and what there is to say, of a log with a town in it.
async fn town(
    log: &Log,
    folder: &std::path::Path,
) -> anyhow::Result<(Vault, Vec<(Actor, Command)>)> {
    let mut decider = Decider::start(log.clone(), folder).await?;
    let messages = decider.get_talking().await?;
    let vault = decider.vault.clone();
    decider.stop().await?;
    Ok((vault, messages))
}

/// Every answered command is in the log once: they are all accepted, and numbered.
async fn count(
    log: &Log,
    before: Head,
    per_s: f64,
    answered: &[(u128, usize)],
) -> anyhow::Result<Measured> {
    let (mut head, mut logged, mut doubled) = (before, HashSet::new(), 0);
    loop {
        let blocks = log.read(head, 8 * 1024 * 1024).await?;
        let Some(last) = blocks.last() else { break };
        head = last.head();
        for block in &blocks {
            for (_, commit) in block.commits()? {
                doubled += usize::from(!logged.insert(commit.command.uuid().as_u128()));
            }
        }
    }
    let numbers = answered.iter().flat_map(|(first, count)| *first..*first + *count as u128);
    let lost = numbers.filter(|number| !logged.contains(number)).count();
    let answers = answered.iter().map(|(_, count)| count).sum();
    Ok(Measured { per_s, answers, lost, doubled })
}
