//! Events that can't be projected. They must not stop the others: one is parked, and with it all
//! later events of its subject, which may rest on it. An operator lists them, has them tried again
//! when the cause is gone, or gives one up. A rebuild stops on them instead.
//!
//! A deletion is never held up: it takes its subject away, and with it what is parked. Nor is
//! `users.seen`, which concerns many.

use std::collections::HashSet;

use events::room::RoomEvent;
use events::user::UserEvent;
use events::{Block, BlockError, Commit, Event, Position, Subject};
use serde::Serialize;
use sqlx::error::ErrorKind;
use streams::Log;
use vault::Vault;

use crate::batch::{Opened, open_line};
use crate::checkpoint::Checkpoint;
use crate::db::Session;
use crate::error::{ProjectorError, StoreError};
use crate::projections::{self, At};
use crate::store::Store;
use crate::value::{Column, Field as _, Kind, Record as _, Table, Value, record};
use crate::work::{Keys, Work};

/// Parked events in one page of their list.
const PAGE: i64 = 1000;
/// What PostgreSQL's codes for values that a column does not take begin with.
const DATA_EXCEPTION: &str = "22";

record! {
    /// A row of `parked_event`.
    pub(crate) ParkedRow of "parked_event", key 1 {
        /// The commit.
        position: Position,
        /// What it concerns.
        subject: String,
        /// As the log holds it.
        line: String,
        /// Why, if it is not only waiting.
        reason: Option<String>,
        /// Given up.
        released: bool,
    }
}

/// The same table, for a look at what every batch asks.
const SUBJECTS: Table = Table {
    name: "parked_event",
    columns: &[Column { name: "subject", kind: Kind::Text }],
    key: 1,
};

/// A parked commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// Where in the log it is.
    pub position: Position,
    /// The user or room it concerns, as in `user.1f`.
    pub subject: String,
    /// Why it can't be projected; `None` when it waits behind another one of its subject.
    pub reason: Option<String>,
    /// Given up: never to be projected.
    pub released: bool,
}

/// What came of trying again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// Commits that are projected now.
    pub projected: u64,
    /// Commits of the subject that still are parked.
    pub left: u64,
    /// Why the first of them can't be projected.
    pub reason: Option<String>,
}

/// Whether it is the event's fault that it could not be written: with another one it would work.
pub(crate) fn is_poison(error: &ProjectorError) -> bool {
    let ProjectorError::Store(StoreError::Database(sqlx::Error::Database(source))) = error else {
        return false;
    };
    let violates = matches!(
        source.kind(),
        ErrorKind::UniqueViolation
            | ErrorKind::ForeignKeyViolation
            | ErrorKind::NotNullViolation
            | ErrorKind::CheckViolation
    );
    // SQLite takes every value; its codes are numbers of up to four digits.
    let refused = |code: &str| code.len() == 5 && code.starts_with(DATA_EXCEPTION);
    violates || source.code().is_some_and(|code| refused(&code))
}

/// What is parked while a batch is written.
pub(crate) struct Lot {
    subjects: HashSet<Subject>,
    rows: Vec<ParkedRow>,
    gone: Vec<Subject>,
}

/// What becomes of one commit.
pub(crate) enum Fate {
    /// It is projected.
    Projected,
    /// It waits behind another one, or can't be read.
    Parked(Option<String>),
}

impl Lot {
    /// The subjects of which something is parked.
    pub(crate) async fn open(session: &mut Session<'_>) -> Result<Self, StoreError> {
        let found = session.select(&SUBJECTS, "WHERE NOT released", vec![]).await?;
        let subjects = found.into_iter().flatten().filter_map(String::from_value);
        let subjects = subjects.filter_map(|subject| subject.parse().ok()).collect();
        Ok(Self { subjects, rows: Vec::new(), gone: Vec::new() })
    }

    /// Nothing is parked.
    pub(crate) fn empty() -> Self {
        Self { subjects: HashSet::new(), rows: Vec::new(), gone: Vec::new() }
    }

    pub(crate) fn fate(&self, opened: &Opened, just: &HashSet<Subject>) -> Fate {
        let commit = &opened.commit;
        let waits = self.subjects.contains(&commit.subject) || just.contains(&commit.subject);
        match &opened.unreadable {
            Some(reason) if !waits => Fate::Parked(Some(reason.clone())),
            Some(_) => Fate::Parked(None),
            None if waits && commit.subject != Subject::Users && !deletes(commit) => {
                Fate::Parked(None)
            }
            None => Fate::Projected,
        }
    }

    /// Parks a commit, which is in one of these blocks.
    pub(crate) fn park(&mut self, opened: &Opened, reason: Option<String>, blocks: &[Block]) {
        let subject = opened.commit.subject;
        self.subjects.insert(subject);
        tracing::warn!(position = %opened.position, %subject, reason, "an event is parked");
        self.rows.push(ParkedRow {
            position: opened.position,
            subject: subject.to_string(),
            line: line(opened.position, blocks).unwrap_or_default(),
            reason,
            released: false,
        });
    }

    /// A commit was projected: if it took its subject away, nothing of that waits any more.
    pub(crate) fn projected(&mut self, commit: &Commit) {
        if deletes(commit) && self.subjects.remove(&commit.subject) {
            self.rows.retain(|row| row.subject != commit.subject.to_string());
            self.gone.push(commit.subject);
        }
    }

    pub(crate) async fn write(self, session: &mut Session<'_>) -> Result<(), StoreError> {
        const GONE: &str = "DELETE FROM parked_event WHERE subject = $1 AND NOT released";
        for subject in self.gone {
            session.execute(GONE, vec![Value::Text(subject.to_string())]).await?;
        }
        let rows = self.rows.into_iter().map(ParkedRow::into_values).collect();
        session.upsert(ParkedRow::TABLE, rows).await
    }
}

fn deletes(commit: &Commit) -> bool {
    commit.events.iter().any(|event| {
        matches!(event, Event::User(UserEvent::Deleted(_)) | Event::Room(RoomEvent::Deleted(_)))
    })
}

/// A commit's line in one of these blocks.
fn line(position: Position, blocks: &[Block]) -> Option<String> {
    let block = blocks.iter().find(|block| block.head().position >= position)?;
    let nth = position.get().checked_sub(block.header.first.get())?;
    let text = std::str::from_utf8(&block.bytes).ok()?;
    text.split('\n').nth(usize::try_from(nth).ok()? + 1).map(str::to_owned)
}

impl Store {
    /// What is parked or was given up behind a position, oldest first: a page, and none behind the
    /// last.
    pub async fn parked(&self, after: Position) -> Result<Vec<Parked>, StoreError> {
        let tail = "WHERE position > $1 ORDER BY position LIMIT $2";
        let args = vec![Value::Int(after.get() as i64), Value::Int(PAGE)];
        let rows: Vec<ParkedRow> = self.list(tail, args).await?;
        let shown = |row: ParkedRow| {
            let ParkedRow { position, subject, reason, released, .. } = row;
            Parked { position, subject, reason, released }
        };
        Ok(rows.into_iter().map(shown).collect())
    }

    /// The commits that were given up; a rebuild skips them.
    pub(crate) async fn released(&self) -> Result<HashSet<Position>, StoreError> {
        let rows: Vec<ParkedRow> = self.list("WHERE released", vec![]).await?;
        Ok(rows.into_iter().map(|row| row.position).collect())
    }

    /// Tries the parked commits of a subject again, in their order, as far as they can be projected.
    pub async fn retry(&self, vault: &Vault, subject: Subject) -> Result<Retried, ProjectorError> {
        self.take_up(vault, subject, |_| Ok(None)).await
    }

    /// Gives up one parked commit of a subject for good, the first or the one at a position, and
    /// tries the others again.
    pub async fn release(
        &self,
        vault: &Vault,
        subject: Subject,
        position: Option<Position>,
    ) -> Result<Retried, ProjectorError> {
        let meant = |row: &ParkedRow| position.is_none_or(|position| row.position == position);
        let choose = |rows: &mut Vec<ParkedRow>| match rows.iter().position(meant) {
            Some(index) => Ok(Some(rows.remove(index))),
            None => Err(ProjectorError::NotParked { subject, position }),
        };
        self.take_up(vault, subject, choose).await
    }

    /// Gives up a commit that is not parked, so that a rebuild skips it: one that these tables took,
    /// and fresh ones refuse.
    pub async fn give_up(
        &self,
        log: &Log,
        subject: Subject,
        position: Position,
    ) -> Result<(), ProjectorError> {
        let none = ProjectorError::NotParked { subject, position: Some(position) };
        let Some(before) = log.before(position).await? else { return Err(none) };
        let blocks = log.read(before, 1).await?;
        let Some(line) = line(position, &blocks) else { return Err(none) };
        let block = before.block.next();
        let unreadable = |source| BlockError::Commit { block, position, source };
        if Commit::decode(&line).map_err(unreadable)?.subject != subject {
            return Err(none);
        }
        let (subject, reason) = (subject.to_string(), None);
        let row = ParkedRow { position, subject, line, reason, released: true };
        let mut tx = self.db().begin().await?;
        tx.session().upsert(ParkedRow::TABLE, vec![row.into_values()]).await?;
        Ok(tx.commit().await?)
    }

    /// Gives up the one that `choose` takes out of what is parked, if any, and tries the rest.
    async fn take_up(
        &self,
        vault: &Vault,
        subject: Subject,
        choose: impl FnOnce(&mut Vec<ParkedRow>) -> Result<Option<ParkedRow>, ProjectorError>,
    ) -> Result<Retried, ProjectorError> {
        const GIVE_UP: &str = "UPDATE parked_event SET released = TRUE WHERE position = $1";
        let mut tx = self.db().begin().await?;
        let mut session = tx.session();
        // No projector parks anything more of the subject meanwhile.
        Checkpoint::lock(&mut session).await?;
        let tail = "WHERE subject = $1 AND NOT released ORDER BY position";
        let args = vec![Value::Text(subject.to_string())];
        let rows = session.select(ParkedRow::TABLE, tail, args).await?;
        let rows = rows.into_iter().map(ParkedRow::from_values);
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        if let Some(row) = choose(&mut rows)? {
            let args = vec![Value::Int(row.position.get() as i64)];
            session.execute(GIVE_UP, args).await?;
        }
        let mut retried = Retried { projected: 0, left: rows.len() as u64, reason: None };
        for row in rows {
            if let Some(reason) = again(&mut session, vault, row).await? {
                retried.reason = Some(reason);
                break;
            }
            retried.projected += 1;
            retried.left -= 1;
        }
        tx.commit().await?;
        Ok(retried)
    }
}

/// Projects one parked commit; the answer is why it can't be, if so.
async fn again(
    session: &mut Session<'_>,
    vault: &Vault,
    row: ParkedRow,
) -> Result<Option<String>, ProjectorError> {
    const REASON: &str = "UPDATE parked_event SET reason = $1 WHERE position = $2";
    const DONE: &str = "DELETE FROM parked_event WHERE position = $1";
    let position = Value::Int(row.position.get() as i64);
    let opened = open_line(row.position, &row.line, vault).await?;
    session.execute("SAVEPOINT one", vec![]).await?;
    let result = match &opened.unreadable {
        Some(reason) => Err(reason.clone()),
        None => match project(session, &opened).await {
            Ok(()) => Ok(()),
            Err(error) if is_poison(&error) => Err(error.to_string()),
            Err(error) => return Err(error),
        },
    };
    let Err(reason) = result else {
        session.execute("RELEASE SAVEPOINT one", vec![]).await?;
        session.execute(DONE, vec![position]).await?;
        return Ok(None);
    };
    session.execute("ROLLBACK TO SAVEPOINT one", vec![]).await?;
    session.execute("RELEASE SAVEPOINT one", vec![]).await?;
    session.execute(REASON, vec![Value::Text(reason.clone()), position]).await?;
    Ok(Some(reason))
}

async fn project(session: &mut Session<'_>, opened: &Opened) -> Result<(), ProjectorError> {
    let mut keys = Keys::default();
    for event in &opened.commit.events {
        projections::needs(event, &mut keys);
    }
    let mut work = Work::load(session, &keys).await?;
    let at = At { position: opened.position, time: opened.commit.time };
    for event in &opened.commit.events {
        projections::apply(&mut work, event, at);
    }
    work.write(session).await?;
    Ok(())
}
