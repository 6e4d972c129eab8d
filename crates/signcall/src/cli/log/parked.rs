//! `signcall log parked`: the events that could not be projected, and what to do about them.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use events::{Position, Subject};
use projector::{Parked, ProjectorError, Retried, Store};

use crate::config::Options;
use crate::server::{Books, open_store};

/// Something is still parked.
const EXIT_PARKED: u8 = 1;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Say what is parked, and why; exit 1 when something is
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Try what is parked of a user or room again, when its cause is gone
    Retry {
        /// Whose, as `list` names it: user.1f, room.2a
        subject: Subject,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Give up one parked event of a user or room for good, the first or the one at --position, and
    /// try the others again; one that only a replay stops on is skipped by replays from then on
    Release {
        /// Whose, as `list` names it: user.1f, room.2a
        subject: Subject,
        /// Which one, as `list` or a replay names it
        #[arg(long)]
        position: Option<Position>,
        #[command(flatten)]
        options: Box<Options>,
    },
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { json, options } => list(json, *options).await,
            Self::Retry { subject, options } => {
                let (books, store) = open(*options).await?;
                let came = store.retry(&books.vault, subject).await;
                store.close().await;
                Ok(tell(subject, came?))
            }
            Self::Release { subject, position, options } => {
                let (books, store) = open(*options).await?;
                let came = release(&books, &store, subject, position).await;
                store.close().await;
                came
            }
        }
    }
}

async fn list(json: bool, options: Options) -> Result<ExitCode> {
    let store = open_store(&options.resolve()?).await?;
    let (mut last, mut waits) = (Position::new(0), false);
    loop {
        let page = store.parked(last).await?;
        let Some(end) = page.last() else { break };
        last = end.position;
        waits |= page.iter().any(|row| !row.released);
        print(&page, json)?;
    }
    store.close().await;
    if waits {
        return Ok(EXIT_PARKED.into());
    }
    eprintln!("nothing is parked");
    Ok(ExitCode::SUCCESS)
}

fn print(page: &[Parked], json: bool) -> Result<()> {
    for row in page {
        if json {
            println!("{}", serde_json::to_string(row)?);
            continue;
        }
        let why = match (&row.reason, row.released) {
            (reason, true) => format!("given up: {}", reason.as_deref().unwrap_or("by hand")),
            (Some(reason), false) => reason.clone(),
            (None, false) => "waits behind an earlier one".to_owned(),
        };
        println!("{:>12}  {:<20}  {why}", row.position.to_string(), row.subject);
    }
    Ok(())
}

async fn open(options: Options) -> Result<(Books, Store)> {
    let config = options.resolve()?;
    Ok((Books::open_existing(&config).await?, open_store(&config).await?))
}

async fn release(
    books: &Books,
    store: &Store,
    subject: Subject,
    position: Option<Position>,
) -> Result<ExitCode> {
    match store.release(&books.vault, subject, position).await {
        Err(ProjectorError::NotParked { position: Some(position), .. }) => {
            store.give_up(&books.log, subject, position).await?;
            println!("{subject}: the tables stay as they are; a replay skips position {position}");
            Ok(ExitCode::SUCCESS)
        }
        came => Ok(tell(subject, came?)),
    }
}

fn tell(subject: Subject, came: Retried) -> ExitCode {
    let Retried { projected, left, reason } = came;
    println!("{subject}: {projected} projected, {left} still parked");
    if let Some(reason) = reason {
        println!("the first of them: {reason}");
    }
    if left == 0 { ExitCode::SUCCESS } else { EXIT_PARKED.into() }
}
