//! Recognition workers that die, lie, or get damaged models.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use events::room::command::transcript::RecordTranscript;
use events::room::{RoomEvent, TranscriptKind};
use events::{
    Actor, Clear, CommandId, Envelope, Event, Head, RoomId, SegmentId, SystemRole, Timestamp,
    UserId,
};
use rand::RngExt as _;
use rand::rngs::StdRng;
use streams::commands::results_over_nats;
use streams::nats::{NatsConfig, connect};
use tokio::process::Command;
use tokio::time::timeout;
use uuid::Uuid;

use super::check;
use super::load::{Load, Pace};
use super::run::Run;
use super::setup::Setup;
use super::world::World;

/// Lies of one run.
const LIES: usize = 24;
/// Longest wait for a damaged model to be refused.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);
/// Damages of one run.
const DAMAGES: usize = 6;

/// A worker hands in captions that nobody signed: none of them gets into the log, and nobody ends.
pub(super) async fn lies(
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let mut world = World::start(Setup::OnNats, signcall, 0).await?;
    let nats = connect(&NatsConfig::new(world.nats()?.url())).await?;
    let worker = results_over_nats(&nats);
    let before = captions(&world).await?;
    let (mut refused, mut unanswered) = (0_u64, 0_u64);
    for _ in 0..LIES {
        let (what, envelope) = lie(&world, random);
        match worker.submit(envelope).await {
            Ok(Ok(accepted)) => run.verdict.breaks(format!("{what} is taken: {accepted:?}")),
            Ok(Err(_)) => refused += 1,
            Err(_) => unanswered += 1,
        }
        run.step(what);
    }
    run.figure("refused", refused);
    run.figure("not_taken", unanswered);
    let after = captions(&world).await?;
    run.holds(before == after, || format!("the log has {after} captions, and had {before}"));
    run.holds(refused > 0, || "nothing was refused: did it arrive?".to_owned());
    let load = Load::start(&world, 0, 0, Pace::STEADY);
    let (served, tables) = load.probe(world.addresses[0]).await?;
    (run.served, run.tables) = (Some(served), Some(tables));
    check::conclude(&mut world, load, run).await
}

/// Nobody in this installation has consented to captions.
fn lie(world: &World, random: &mut StdRng) -> (&'static str, Envelope) {
    let room = &world.population.rooms[random.random_range(0..world.population.rooms.len())];
    let user = world.population.people[room.members[0]].id;
    let at = |ms: i64| Timestamp::from_micros(1_767_225_600_000_000 + ms * 1000);
    let mut said = RecordTranscript {
        room: room.id,
        user,
        segment: SegmentId::from_bytes(random.random()),
        kind: TranscriptKind::Gloss,
        text: Clear::new("hello"),
        start: at(0),
        end: at(900),
        confidence: 0.9,
        model: "asl-basic-1".to_owned(),
    };
    let mut actor = Actor::System(SystemRole::Recognizer);
    let what = match random.random_range(0..8) {
        0 => "a caption of somebody who did not consent",
        1 => {
            said.room = RoomId::new(random.random_range(1..1 << 50));
            "a caption in a room that is not there"
        }
        2 => {
            said.user = UserId::new(random.random_range(1..1 << 50));
            "a caption of nobody"
        }
        3 => {
            said.confidence = f32::NAN;
            "a caption with a confidence that is no number"
        }
        4 => {
            said.text = Clear::new("x".repeat(600_000));
            "a caption without an end"
        }
        5 => {
            said.text = Clear::new("x".repeat(10_000_000));
            "a caption of ten megabytes"
        }
        6 => {
            (said.start, said.end) = (said.end, said.start);
            "a caption that ends before it begins"
        }
        _ => {
            actor = Actor::User(user);
            "a caption in the name of a user"
        }
    };
    let id = CommandId::from_uuid(Uuid::from_u128(random.random()));
    let (correlation, causation, body) = (None, None, None);
    (what, Envelope { id, actor, correlation, causation, body, command: said.into() })
}

async fn captions(world: &World) -> anyhow::Result<u64> {
    let log = world.log().await?;
    let mut head = Head::empty(log.id());
    let mut found = 0;
    loop {
        let blocks = log.read(head, 1 << 20).await?;
        let Some(last) = blocks.last() else { return Ok(found) };
        head = last.head();
        for block in &blocks {
            let commits = block.commits()?;
            let events = commits.iter().flat_map(|(_, commit)| &commit.events);
            let written = events
                .filter(|event| matches!(event, Event::Room(RoomEvent::TranscriptRecorded(_))));
            found += written.count() as u64;
        }
    }
}

/// A model whose files were cut or changed is refused with the reason, by the check and by the server;
/// a change that changes nothing that is read may pass.
pub(super) async fn models(
    signcall: &Path,
    random: &mut StdRng,
    run: &mut Run,
) -> anyhow::Result<()> {
    let [description, weights] =
        recognizer::model::files("asl-basic").context("there is no asl-basic")?;
    let (mut refused, mut taken) = (0_u64, 0_u64);
    for _ in 0..DAMAGES {
        let folder = tempfile::tempdir()?;
        let mut files =
            [("model.json", description.to_vec()), ("weights.safetensors", weights.to_vec())];
        let (name, bytes) = &mut files[random.random_range(0..2)];
        let what = damage(name, bytes, random);
        run.step(what.clone());
        for (name, bytes) in &files {
            std::fs::write(folder.path().join(name), bytes)?;
        }
        let mut check = Command::new(signcall);
        check.args(["model", "check"]).arg(folder.path()).arg("--data").arg(folder.path());
        check.stdin(Stdio::null()).kill_on_drop(true);
        let told = timeout(REFUSED_WITHIN, check.output()).await;
        let told = told.with_context(|| format!("{what}: no answer"))??;
        let words = String::from_utf8_lossy(&told.stderr);
        run.holds(!words.contains("panicked"), || format!("{what}: {words}"));
        run.holds(told.status.code().is_some(), || format!("{what}: {}", told.status));
        if told.status.success() {
            taken += 1;
        } else {
            refused += 1;
            run.holds(words.contains("error:"), || format!("{what}: no reason: {words}"));
        }
    }
    run.figure("refused", refused);
    run.figure("taken", taken);
    Ok(())
}

fn damage(name: &str, bytes: &mut Vec<u8>, random: &mut StdRng) -> String {
    let at = random.random_range(0..bytes.len());
    match random.random_range(0..4) {
        0 => {
            bytes.truncate(at);
            format!("{name} cut off after {at} bytes")
        }
        1 => {
            bytes[at] ^= 1 << random.random_range(0..8);
            format!("a bit of byte {at} of {name} flipped")
        }
        2 => {
            let end = bytes.len().min(at + 1000);
            bytes[at..end].fill(0);
            format!("bytes of {name} zeroed from {at} on")
        }
        _ => {
            // The header of the weights, the first fields of the description.
            let at = at % bytes.len().min(300);
            bytes[at] = random.random();
            format!("byte {at} of {name} changed")
        }
    }
}
