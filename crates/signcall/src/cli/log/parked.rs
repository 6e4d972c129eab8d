//! `signcall log parked`: the events that could not be projected, and what to do about them.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use events::Subject;
use projector::Retried;

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
    /// Give up the first parked event of a user or room for good, and try those behind it again
    Release {
        /// Whose, as `list` names it: user.1f, room.2a
        subject: Subject,
        #[command(flatten)]
        options: Box<Options>,
    },
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { json, options } => list(json, *options).await,
            Self::Retry { subject, options } => take_up(subject, false, *options).await,
            Self::Release { subject, options } => take_up(subject, true, *options).await,
        }
    }
}

async fn list(json: bool, options: Options) -> Result<ExitCode> {
    let store = open_store(&options.resolve()?).await?;
    let parked = store.parked().await?;
    store.close().await;
    for row in &parked {
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
    if parked.iter().all(|row| row.released) {
        eprintln!("nothing is parked");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(EXIT_PARKED.into())
}

async fn take_up(subject: Subject, release: bool, options: Options) -> Result<ExitCode> {
    let config = options.resolve()?;
    let books = Books::open_existing(&config).await?;
    let store = open_store(&config).await?;
    let came = if release {
        store.release(&books.vault, subject).await
    } else {
        store.retry(&books.vault, subject).await
    };
    store.close().await;
    let Retried { projected, left, reason } = came?;
    println!("{subject}: {projected} projected, {left} still parked");
    if let Some(reason) = reason {
        println!("the first of them: {reason}");
    }
    Ok(if left == 0 { ExitCode::SUCCESS } else { EXIT_PARKED.into() })
}
