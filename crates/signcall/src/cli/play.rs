//! `signcall play`: real clips into a room, as if somebody signed there.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clips::{Frame, pose};
use indicatif::{ProgressBar, ProgressStyle};

use crate::client::{self, Client, LiveEvent, Pace, Problem};
use crate::config::Secret;

/// Between two clips, as between two frames of a camera.
const GAP_US: u64 = 66_667;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The clips, played one after the other
    #[arg(required = true, value_name = "FILE.pose")]
    files: Vec<PathBuf>,
    /// The room's code
    #[arg(long, value_name = "CODE")]
    room: String,
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The token of the user who signs; captions are switched on for them
    #[arg(long, env = "SIGNCALL_TOKEN", hide_env_values = true)]
    token: Secret,
    /// The stream's name; the same name goes on where it ended
    #[arg(long, value_name = "ID")]
    stream: Option<String>,
    /// As captured, or as fast as the server takes it
    #[arg(long, value_enum, default_value_t = Pace::Real)]
    pace: Pace,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let frames = read(&self.files)?;
        let client = Client::connect(&self.url, Some(self.token.expose().to_owned())).await?;
        enter(&client, &self.room).await?;
        let live = client.live(&self.room).await?;
        let listener = tokio::spawn(print_finals(live));
        let bar = ProgressBar::new(frames.len() as u64);
        let style = "{bar:40} {pos}/{len} frames, {per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style)?);
        let stream = self.stream.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let sent = client::send(&client, &self.room, &stream, &frames, self.pace, |sent| {
            bar.set_position(sent as u64);
        });
        let sent = sent.await;
        bar.finish_and_clear();
        // The last captions are on their way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        listener.abort();
        sent?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes sure that the signer is in the room, with captions on.
async fn enter(client: &Client, room: &str) -> Result<()> {
    let Err(error) = client.consent(room).await else { return Ok(()) };
    // To somebody who is not in it, a room is not there.
    if error.downcast_ref::<Problem>().is_some_and(|problem| problem.status == 404) {
        client.join(room).await?;
        return client.consent(room).await;
    }
    Err(error)
}

async fn print_finals(mut live: client::Live) {
    while let Ok(event) = live.next().await {
        if let LiveEvent::Final { text, .. } = event {
            println!("{text}");
        }
    }
}

/// All clips as one, with times that go on from clip to clip.
fn read(files: &[PathBuf]) -> Result<Vec<Frame>> {
    let mut all: Vec<Frame> = Vec::new();
    for file in files {
        let shown = file.display();
        let size = std::fs::metadata(file).with_context(|| format!("cannot read {shown}"))?.len();
        if size > pose::MAX_BYTES as u64 {
            bail!("{shown} has {size} bytes, a clip has at most {}", pose::MAX_BYTES);
        }
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {shown}"))?;
        let clip = pose::parse(&bytes).with_context(|| format!("{shown} is not a .pose file"))?;
        let start = all.last().map_or(0, |last| last.time_us + GAP_US);
        let first = clip.frames.first().map_or(0, |frame| frame.time_us);
        all.extend(clip.frames.into_iter().map(|frame| {
            let time_us = start + (frame.time_us - first);
            Frame { time_us, ..frame }
        }));
    }
    if all.is_empty() {
        bail!("these clips have no frames");
    }
    Ok(all)
}
