//! `signcall rerecognize`: what another model reads in the landmarks that a room's participants
//! allowed to be kept; told, or written down as revisions. What a person wrote stands.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clips::live_wire::{self, Frames};
use clips::pose;
use decider::system_clock;
use events::room::TranscriptKind;
use events::room::command::revise::ReviseTranscript;
use events::sealed::Clear;
use events::{Actor, CommandId, Envelope, RoomCode, RoomId, SystemRole, Timestamp, UserId};
use projector::{Cursor, Page, TranscriptFilter, TranscriptRow};
use recognizer::features::Sight;
use recognizer::model::Library;
use recognizer::reread::{self, Reading, Stream};
use serde::Serialize;
use vault::Kept;

use crate::config::{Config, Options};
use crate::server::{Books, open_store};

/// Rows read at once.
const ROWS: u32 = 500;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The room's code
    #[arg(long, value_name = "CODE")]
    room: String,
    /// Write what it reads as revisions; without this, only compare
    #[arg(long)]
    write: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Box<Options>,
}

/// What was compared.
#[derive(Debug, Default, Serialize)]
struct Report {
    model: String,
    segments: Vec<Compared>,
    /// Read by the new model where nothing was written down.
    added: Vec<String>,
    words: usize,
    wrong: usize,
    /// Between old and new, over all segments.
    wer: Option<f64>,
    revised: usize,
    /// Written by people: they stand.
    by_people: usize,
}

#[derive(Debug, Serialize)]
struct Compared {
    transcript_id: u64,
    user_id: u64,
    old: String,
    new: String,
    wer: Option<f64>,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self { room, write, json, options } = self;
        let config = options.resolve()?;
        let books = Books::open_existing(&config).await?;
        let code: RoomCode = room.parse()?;
        let follower = books.follower().await?;
        let found = follower
            .read(|state| state.rooms.by_code(code).map(|(id, room)| (id, room.created_at)));
        let Some((room, created)) = found else { bail!("there is no room {code}") };
        // `--model` names the one that reads, as it names the one that serves.
        let offer = Library::new(config.models_folder()).open(&config.model)?;
        let text = format!("{} {}", offer.model.spec().name, offer.model.spec().version);
        let kept = books.vault.kept(room, system_clock()().day()).await?;
        if kept.is_empty() {
            bail!("nothing is kept of room {code}: nobody gave the second consent");
        }
        let streams = streams(kept, created)?;
        let said = reread::read(
            offer.model,
            &streams.iter().map(|(_, stream)| stream.clone()).collect::<Vec<_>>(),
        )?;
        let mut readings = BTreeMap::<UserId, Vec<Reading>>::new();
        for ((user, _), said) in streams.iter().zip(said) {
            readings.entry(*user).or_default().extend(said);
        }
        let rows = rows(&config, room).await?;
        let mut report = Report { model: text, ..Report::default() };
        let mut revisions = Vec::new();
        for (user, mut readings) in readings {
            readings.sort_by_key(|reading| reading.start_ms);
            compare(&mut report, &mut revisions, &rows, user, &readings);
        }
        report.wer = share(report.wrong, report.words);
        if write {
            let revise = |(row, new)| revise(row, new, &report.model);
            let outcomes = books.decide_all(revisions.into_iter().map(revise).collect()).await?;
            for outcome in outcomes {
                match outcome {
                    Ok(accepted) if accepted.created.is_some() => report.revised += 1,
                    // Nothing was to be done: somebody wrote it.
                    Ok(_) | Err(events::Rejection::Stale) => report.by_people += 1,
                    Err(rejection) => return Err(rejection.into()),
                }
            }
        }
        print(&report, write, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn print(report: &Report, write: bool, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(report).context("cannot print the report")?);
        return Ok(());
    }
    let changed = report.segments.iter().filter(|one| one.old != one.new);
    for Compared { transcript_id, old, new, .. } in changed {
        let new = if new.is_empty() { "(nothing)" } else { new };
        println!("{transcript_id}: {old} → {new}");
    }
    for text in &report.added {
        println!("only {} reads: {text}", report.model);
    }
    let same = report.segments.iter().filter(|one| one.old == one.new).count();
    println!("{same} of {} segments read the same by {}", report.segments.len(), report.model);
    if let Some(wer) = report.wer {
        println!("{:.1} % of the words differ", 100.0 * wer);
    }
    if write {
        println!("{} revised; {} stand as people wrote them", report.revised, report.by_people);
    }
    Ok(())
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Each stream of each participant. A stream's times lie in the call as they did when it was live:
/// its first batch's last frame was captured just before it came.
fn streams(kept: Vec<Kept>, created: Timestamp) -> Result<Vec<(UserId, Stream)>> {
    let mut all: Vec<(UserId, String, Stream)> = Vec::new();
    for batch in kept {
        let sights: Vec<Sight> = if batch.pose {
            pose::parse(&batch.bytes)?.frames.into_iter().map(Sight::from).collect()
        } else {
            match live_wire::parse(&batch.bytes)?.frames {
                Frames::Landmarks(frames) => frames.into_iter().map(Sight::from).collect(),
                Frames::Images(_) => bail!("pictures were kept, which never are"),
            }
        };
        // The same name with numbers that begin anew is another stream.
        let known = all.last_mut().filter(|(user, name, stream)| {
            let next = stream.frames.last().map_or(0, |(seq, _)| seq + 1);
            *user == batch.user && *name == batch.stream && batch.first_seq >= next
        });
        let numbered = (batch.first_seq..).zip(sights);
        if let Some((_, _, stream)) = known {
            stream.frames.extend(numbered);
            continue;
        }
        let frames: Vec<(u64, Sight)> = numbered.collect();
        let captured = if batch.pose { frames.first() } else { frames.last() };
        let captured_us = captured.map_or(0, |(_, sight)| sight.time_us() as i64);
        let offset_us = batch.received_us - captured_us - created.micros();
        all.push((batch.user, batch.stream, Stream { frames, offset_us }));
    }
    Ok(all.into_iter().map(|(user, _, stream)| (user, stream)).collect())
}

/// All that was signed in the room, as it stands.
async fn rows(config: &Config, room: RoomId) -> Result<Vec<TranscriptRow>> {
    let store = open_store(config).await?;
    let (mut rows, mut cursor) = (Vec::new(), Cursor::Start);
    loop {
        let page = Page { cursor, limit: ROWS };
        let listing = store.transcripts(room, TranscriptFilter::default(), page).await?;
        let last = listing.rows.last().map(|row| row.id);
        rows.extend(listing.rows);
        match last {
            Some(last) if listing.has_more => cursor = Cursor::After(last),
            Some(_) | None => break,
        }
    }
    rows.retain(|row| row.kind != TranscriptKind::Typed && row.ts_content.is_some());
    Ok(rows)
}

/// Notes how a participant's segments compare, and which of them read otherwise.
fn compare<'r>(
    report: &mut Report,
    revisions: &mut Vec<(&'r TranscriptRow, String)>,
    rows: &'r [TranscriptRow],
    user: UserId,
    readings: &[Reading],
) {
    let own: Vec<&TranscriptRow> = rows.iter().filter(|row| row.user_id == Some(user)).collect();
    let places: Vec<(u64, u64)> = own.iter().map(|row| (row.start_ms, row.end_ms)).collect();
    let (of, added) = reread::assign(&places, readings);
    report.added.extend(added.into_iter().map(|index| readings[index].text.clone()));
    for (row, of) in own.into_iter().zip(of) {
        let texts: Vec<&str> = of.into_iter().map(|index| readings[index].text.as_str()).collect();
        let (old, new) = (row.ts_content.clone().unwrap_or_default(), texts.join(" "));
        let (edits, words) = reread::compare(&old, &new);
        report.words += words;
        report.wrong += edits.total;
        // Where the new model reads nothing, what was read stands: a caption is never emptied.
        if old != new && !new.is_empty() {
            revisions.push((row, new.clone()));
        }
        let wer = share(edits.total, words);
        let (transcript_id, user_id) = (row.id.get(), user.get());
        report.segments.push(Compared { transcript_id, user_id, old, new, wer });
    }
}

/// The command that writes a revision.
fn revise(row: &TranscriptRow, new: String, model: &str) -> Envelope {
    let revise = ReviseTranscript {
        room: row.room_id,
        transcript: row.id,
        expected: row.revision,
        text: Clear::new(new),
        model: model.to_owned(),
    };
    Envelope {
        id: CommandId::from_uuid(uuid::Uuid::new_v4()),
        actor: Actor::System(SystemRole::Recognizer),
        correlation: None,
        causation: None,
        body: None,
        command: revise.into(),
    }
}
