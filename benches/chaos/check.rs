//! What a cycle left behind, looked at from the log: nothing acknowledged is missing, nothing is
//! there twice, and the tables say the same.

use std::collections::{HashMap, HashSet};

use events::room::RoomEvent;
use events::{CommandId, Event, Head, MessageId, RoomId};
use projector::{Cursor, Page, Store, replay};
use streams::Log;
use vault::{Secrets, Vault};

use super::load::{Acked, Load};
use super::run::Run;
use super::world::World;
use crate::server::released;

/// Bytes of blocks read at once.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Rows read at once.
const PAGE: u32 = 1000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Acknowledged commands that the log does not have.
    pub(super) lost: u64,
    /// Commands that the log has twice, or that nobody sent.
    pub(super) doubled: u64,
    /// Rows that are not what the log says, or texts that are not what was sent.
    pub(super) diverged: u64,
    /// Other promises that were not kept: too late, too much, or to whom it was not due.
    pub(super) broken: u64,
    pub(super) findings: Vec<String>,
}

impl Verdict {
    pub(super) fn holds(&self) -> bool {
        self.lost + self.doubled + self.diverged + self.broken == 0
    }

    /// Takes in what else was found.
    pub(super) fn add(&mut self, more: Self) {
        self.lost += more.lost;
        self.doubled += more.doubled;
        self.diverged += more.diverged;
        self.broken += more.broken;
        self.findings.extend(more.findings);
    }

    /// A promise was not kept.
    pub(super) fn breaks(&mut self, what: String) {
        self.broken += 1;
        self.findings.push(what);
    }
}

/// How a run with one load ends: nobody has ended by itself, and all that was acknowledged is there.
pub(super) async fn conclude(world: &mut World, load: Load, run: &mut Run) -> anyhow::Result<()> {
    alive(world, run)?;
    let (acked, _) = load.wind_up().await?;
    run.acked = acked.len();
    run.verdict.add(check(world, &acked, true).await?);
    Ok(())
}

/// No process has ended by itself.
pub(super) fn alive(world: &mut World, run: &mut Run) -> anyhow::Result<()> {
    for (kind, words) in world.ended()? {
        run.verdict.breaks(format!("the {} ended by itself: {words}", kind.name()));
    }
    Ok(())
}

/// Compares what was acknowledged with the log, and the log with the tables. `whole` says that
/// everything sent was acknowledged, so that the log must have nothing else.
pub(super) async fn check(world: &World, acked: &[Acked], whole: bool) -> anyhow::Result<Verdict> {
    let data = world.data();
    let log = world.log().await?;
    let secrets = Secrets::open(&data.join("secrets"))?;
    let vault = Vault::open(&world.vault_url(), &secrets).await?;
    let store = Store::open(&world.tables_url()).await?;
    let mut verdict = Verdict::default();
    check_log(&log, acked, whole, &mut verdict).await?;
    match replay(&store, &log, &vault, true, &mut |_| {}).await {
        Ok(report) => {
            verdict.diverged += report.differing_rows;
            let differences = report.differences.iter().map(|found| format!("{found:?}"));
            verdict.findings.extend(differences);
        }
        Err(error) => {
            verdict.diverged += 1;
            verdict.findings.push(format!("the tables can't be compared: {error}"));
        }
    }
    if verdict.holds() {
        check_texts(&store, acked, &mut verdict).await?;
    }
    store.close().await;
    vault.close().await;
    drop(log);
    // The next kill is to find nobody else at the files.
    released(&data).await?;
    Ok(verdict)
}

/// Whether the log alone has what was acknowledged; an error, where it can't be read to its end.
pub(super) async fn log_alone(world: &World, acked: &[Acked]) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let log = world.log().await?;
    let checked = check_log(&log, acked, false, &mut verdict).await;
    drop(log);
    released(&world.data()).await?;
    checked?;
    Ok(verdict)
}

async fn check_log(
    log: &Log,
    acked: &[Acked],
    whole: bool,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let mut commands: HashSet<CommandId> = HashSet::new();
    let mut sent: HashSet<MessageId> = HashSet::new();
    let mut head = Head::empty(log.id());
    loop {
        let blocks = log.read(head, READ_BYTES).await?;
        let Some(last) = blocks.last() else { break };
        head = last.head();
        for block in &blocks {
            for (position, commit) in block.commits()? {
                if !commands.insert(commit.command) {
                    verdict.doubled += 1;
                    let text = format!("command {} is there again at {position}", commit.command);
                    verdict.findings.push(text);
                }
                sent.extend(commit.events.iter().filter_map(message_sent));
            }
        }
    }
    let mut known = HashSet::with_capacity(acked.len());
    for Acked { id, text, .. } in acked {
        if !sent.contains(id) || !known.insert(*id) {
            verdict.lost += 1;
            verdict.findings.push(format!("{text:?}, acknowledged as {id}, is not in the log"));
        }
    }
    for id in sent.difference(&known).filter(|_| whole) {
        verdict.doubled += 1;
        verdict.findings.push(format!("nobody was told of message {id}"));
    }
    Ok(())
}

fn message_sent(event: &Event) -> Option<MessageId> {
    if let Event::Room(RoomEvent::MessageSent(sent)) = event { Some(sent.message_id) } else { None }
}

/// Every row has the text that was sent for it.
async fn check_texts(store: &Store, acked: &[Acked], verdict: &mut Verdict) -> anyhow::Result<()> {
    let mut texts: HashMap<MessageId, String> = HashMap::new();
    let rooms: HashSet<RoomId> = acked.iter().map(|one| one.room).collect();
    for room in rooms {
        let mut cursor = Cursor::Start;
        loop {
            let page = store.messages(room, Page { cursor, limit: PAGE }).await?;
            let rows = page.rows.into_iter();
            texts.extend(rows.filter_map(|row| {
                cursor = Cursor::After(row.id);
                Some((row.id, row.msg_content?))
            }));
            if !page.has_more {
                break;
            }
        }
    }
    for Acked { id, text, .. } in acked {
        let found = texts.get(id);
        if found != Some(text) {
            verdict.diverged += 1;
            verdict.findings.push(format!("message {id} is {found:?}, but {text:?} was sent"));
        }
    }
    Ok(())
}
