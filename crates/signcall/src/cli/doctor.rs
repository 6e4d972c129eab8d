//! `signcall doctor`: looks at everything that a server stands on, and says what to do about what
//! is wrong. It changes nothing, and works beside a running server.

mod device;
mod keys;
mod traces;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use recognizer::model::{BUILT_IN, Library};
use serde::Serialize;
use tokio::time::timeout;

use crate::config::{Config, Options, Role};
use crate::server::{Books, open_store};
use crate::telemetry::process;

/// One look may take this long: what does not answer is told, not waited for.
const LOOK_WITHIN: Duration = Duration::from_secs(15);
/// Less than this on the data folder's disk is a warning, bytes.
const DISK_LOW: u64 = 1 << 30;
/// A server of a few hundred people needs at least so many files.
const FILES_LOW: f64 = 4096.0;
/// Commits that tables may be behind the log without a word, as a server may be writing.
const BEHIND: u64 = 10_000;
/// What lies in the log may be ahead of this machine's clock by so much, ms.
const CLOCK_AHEAD_MS: i64 = 2_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Warning,
    Bad,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do about it, if there is something to do.
    remedy: Option<String>,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Good, found: found.into(), remedy: None }
    }

    fn of(
        what: &'static str,
        verdict: Verdict,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { what, verdict, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn failed(what: &'static str, error: &anyhow::Error, remedy: &str) -> Self {
        Self::of(what, Verdict::Bad, format!("{error:#}"), remedy)
    }
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let findings = match self.options.check() {
            Ok(config) => examine(&config).await,
            Err(error) => {
                vec![Finding::failed("configuration", &error, "mend it; `signcall config check`")]
            }
        };
        if self.json {
            println!("{}", serde_json::to_string(&findings).context("cannot print the report")?);
        } else {
            findings.iter().for_each(print);
        }
        let bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn print(finding: &Finding) {
    let mark = match finding.verdict {
        Verdict::Good => "ok     ",
        Verdict::Warning => "warning",
        Verdict::Bad => "BAD    ",
    };
    println!("{mark} {:<14} {}", finding.what, finding.found);
    if let Some(remedy) = &finding.remedy {
        println!("        {:<14} → {remedy}", "");
    }
}

async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::good(
        "configuration",
        format!("roles {}, log {}, tables {}", config.roles, config.log, config.database),
    )];
    findings.push(disk(&config.data));
    findings.push(files());
    findings.push(traces::finding(config).await);
    if config.roles.contains(Role::Recognizer) {
        findings.extend(models(config));
        findings.extend(device::findings(config.device));
    }
    match timeout(LOOK_WITHIN, Books::open_existing(config)).await {
        Ok(Ok(books)) => findings.extend(books_and_tables(config, &books).await),
        Ok(Err(error)) => {
            findings.push(Finding::failed("log and vault", &error, keys::remedy(&error)));
        }
        Err(_) => findings.push(silent("log and vault")),
    }
    findings
}

fn silent(what: &'static str) -> Finding {
    let found = format!("no answer in {} s", LOOK_WITHIN.as_secs());
    Finding::of(what, Verdict::Bad, found, "is the server there, and may this machine reach it?")
}

async fn books_and_tables(config: &Config, books: &Books) -> Vec<Finding> {
    let mut findings = vec![keys::secrets(config, &books.secrets)];
    findings.push(Finding::good("vault", format!("{} belongs to this log", config.vault)));
    let end = match timeout(LOOK_WITHIN, books.log.head()).await {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => {
            let remedy = "`signcall log verify` names the place of the damage";
            findings.push(Finding::failed("log", &error.into(), remedy));
            return findings;
        }
        Err(_) => {
            findings.push(silent("log"));
            return findings;
        }
    };
    let found = format!("{} commits in {} blocks", end.position, end.block);
    findings.push(Finding::good("log", found));
    match timeout(LOOK_WITHIN, books.follower()).await {
        Ok(Ok(follower)) => findings.push(clock(follower.time().micros() / 1000)),
        Ok(Err(error)) => {
            let remedy = "`signcall log verify` names the place of the damage";
            findings.push(Finding::failed("state", &error, remedy));
        }
        Err(_) => {
            let found = format!("folding the log takes over {} s", LOOK_WITHIN.as_secs());
            let remedy = "expect a slow start, and look again on an idle machine";
            findings.push(Finding::of("state", Verdict::Warning, found, remedy));
        }
    }
    if config.roles.contains(Role::Projector) || config.roles.contains(Role::Api) {
        findings.push(match timeout(LOOK_WITHIN, tables(config, books)).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) => {
                let remedy = "`signcall replay` makes them anew from the log";
                Finding::failed("tables", &error, remedy)
            }
            Err(_) => silent("tables"),
        });
    }
    findings
}

async fn tables(config: &Config, books: &Books) -> Result<Finding> {
    if let Some(file) = config.database.expose().strip_prefix("sqlite:") {
        let missing = !Path::new(file.split('?').next().unwrap_or(file)).exists();
        if missing {
            let found = format!("{} is not there yet", config.database);
            let remedy = "the projector makes it at its first start";
            return Ok(Finding::of("tables", Verdict::Warning, found, remedy));
        }
    }
    let store = open_store(config).await?;
    let checkpoint = store.checkpoint().await;
    store.close().await;
    let end = books.log.head().await?;
    let Some(checkpoint) = checkpoint? else {
        let remedy = "the projector fills them when it runs";
        return Ok(Finding::of("tables", Verdict::Warning, "nothing is in them yet", remedy));
    };
    let at = checkpoint.head;
    ensure!(at.log == end.log, "they were made from another log ({}, not {})", at.log, end.log);
    if at.block > end.block {
        bail!(
            "they hold {} blocks, the log only {}: the log has lost its tail",
            at.block,
            end.block
        );
    }
    let behind = end.position.get().saturating_sub(at.position.get());
    let found = format!("at commit {} of {}", at.position, end.position);
    Ok(if behind > BEHIND {
        let remedy = "does the projector run? Its log lines and metrics say why it is slow";
        Finding::of("tables", Verdict::Warning, found, remedy)
    } else {
        Finding::good("tables", found)
    })
}

fn clock(last_commit_ms: i64) -> Finding {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ahead_ms = last_commit_ms - since.as_millis() as i64;
    if ahead_ms > CLOCK_AHEAD_MS {
        let found = format!("the log's last commit is {} s ahead of this clock", ahead_ms / 1000);
        let remedy = "set the clock (chrony, systemd-timesyncd); until it has caught up, new \
            commits carry the last one's time";
        return Finding::of("clock", Verdict::Bad, found, remedy);
    }
    Finding::good("clock", "not behind the log")
}

fn disk(data: &Path) -> Finding {
    let folder: PathBuf = data.ancestors().find(|folder| folder.exists()).map_or_else(
        || PathBuf::from("."),
        |folder| if folder.as_os_str().is_empty() { ".".into() } else { folder.into() },
    );
    match rustix::fs::statvfs(&folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let text = format!("{} MiB free at {}", free >> 20, folder.display());
            if free < DISK_LOW {
                let remedy = "make room: a full disk refuses commands (507); reads go on";
                Finding::of("disk", Verdict::Warning, text, remedy)
            } else {
                Finding::good("disk", text)
            }
        }
        Err(error) => Finding::failed("disk", &error.into(), "is --data right?"),
    }
}

fn files() -> Finding {
    match process::open_files_max() {
        Some(most) if most < FILES_LOW => {
            let found = format!("a process here may open {most} files");
            let remedy = "raise it (`ulimit -n 65536`, LimitNOFILE=65536): each live listener \
                takes one";
            Finding::of("open files", Verdict::Warning, found, remedy)
        }
        Some(most) => Finding::good("open files", format!("up to {most}")),
        None => Finding::good("open files", "this system does not say how many are allowed"),
    }
}

/// The default model, and those that were brought.
fn models(config: &Config) -> Vec<Finding> {
    let library = Library::new(config.models_folder());
    let default = library.default().unwrap_or_else(|| config.model.clone());
    let brought = library.names().into_iter().filter(|name| !BUILT_IN.contains(&name.as_str()));
    let all = std::iter::once(default.clone()).chain(brought.filter(|name| *name != default));
    let find = |name: String| match library.look(&name) {
        Ok(known) => {
            let signs = known.spec.vocabulary.len();
            let found = format!("{} {}, {signs} signs", known.spec.name, known.spec.version);
            Finding::good("model", found)
        }
        Err(error) => {
            let remedy = "`signcall model list` names those that are there; `signcall model check \
                          DIR` says what is wrong with one";
            Finding::failed("model", &error.into(), remedy)
        }
    };
    all.map(find).collect()
}
