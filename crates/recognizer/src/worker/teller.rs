//! What one stream's captions become: open ones go to the live channel, finals become commands, and
//! when those are in the log, the frames behind them are let go.

use super::segment::{Source, Times};
use super::{Connections, Event};
use crate::engine::{Notice, Output, Ticket};
use events::{Envelope, Rejection};
use std::time::{Duration, Instant};
use streams::commands::{Accepted, SubmitError};
use streams::frames::StreamKey;
use streams::live::LiveMessage;
use tokio::sync::mpsc;

/// Waiting times between attempts to hand in a final: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// One stream's way out.
pub(super) struct Teller {
    pub(super) ticket: Ticket,
    pub(super) key: StreamKey,
    pub(super) model: String,
    pub(super) times: Times,
    pub(super) connections: Connections,
    pub(super) events: mpsc::Sender<Event>,
}

impl Teller {
    /// Tells everything in order until the stream is closed.
    pub(super) async fn run(self, mut notices: mpsc::Receiver<Notice>) {
        while let Some(notice) = notices.recv().await {
            let told = match notice {
                Notice::Said(_, output) => self.tell(output).await,
                Notice::Refused(_, overload) => {
                    self.degraded(overload.to_string());
                    Err(Event::Unwanted(self.ticket))
                }
            };
            if let Err(event) = told {
                // The intake outlives its tellers, except at the very end.
                let _ = self.events.send(event).await;
                return;
            }
        }
    }

    /// Tells one thing. An error ends the stream.
    async fn tell(&self, output: Output) -> Result<(), Event> {
        match output {
            Output::Caption { utterance_seq, caption, latency_us, .. } => {
                let Self { key, model, times, .. } = self;
                let source = Source { key, model, times: *times, utterance_seq };
                if caption.is_final {
                    let arrived = Duration::from_micros(latency_us);
                    return self.hand_in(&source.command(&caption), arrived).await;
                }
                let segment = source.segment(&caption, latency_us);
                // The fields of a segment are text and numbers: they always serialize.
                let segment = serde_json::to_value(segment).unwrap_or_default();
                let (room, user) = (key.room, key.user);
                self.connections.live.publish(LiveMessage::Partial { room, user, segment });
                Ok(())
            }
            Output::Done { next_seq, .. } => {
                self.done(next_seq).await;
                let StreamKey { room, user, stream } = self.key.clone();
                let done_seq = next_seq;
                let message = LiveMessage::FramesDone { room, user, stream, done_seq };
                self.connections.live.publish(message);
                Ok(())
            }
            Output::Flushed { next_seq, .. } => {
                self.done(next_seq).await;
                self.report(Event::Flushed(self.ticket, next_seq)).await;
                Ok(())
            }
            Output::Idle { .. } => {
                self.report(Event::Idle(self.ticket)).await;
                Ok(())
            }
        }
    }

    /// Hands in a final, whose frames arrived so long ago, until it is decided.
    async fn hand_in(&self, envelope: &Envelope, arrived: Duration) -> Result<(), Event> {
        let (mut wait, begun) = (RETRY.0, Instant::now());
        loop {
            match self.connections.commands.submit(envelope.clone()).await {
                Ok(Ok(accepted)) => {
                    self.trace(envelope, accepted, begun.elapsed(), arrived);
                    return Ok(());
                }
                Ok(Err(rejection @ Rejection::Invalid { .. })) => {
                    tracing::error!(%rejection, "a caption was not written down");
                    return Ok(());
                }
                Ok(Err(rejection)) => {
                    tracing::info!(%rejection, room = %self.key.room, "a stream is not wanted");
                    return Err(Event::Unwanted(self.ticket));
                }
                Err(error @ SubmitError::TooLarge { .. }) => {
                    tracing::error!(%error, "a caption was not written down");
                    return Ok(());
                }
                Err(
                    error @ (SubmitError::Overloaded
                    | SubmitError::Unavailable
                    | SubmitError::Full
                    | SubmitError::Log(_)),
                ) => {
                    tracing::warn!(%error, "a caption waits to be written down");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY.1);
                }
            }
        }
    }

    /// Tells which caption is in the log, how long that took, and how long since its frames came.
    fn trace(&self, envelope: &Envelope, accepted: Accepted, took: Duration, arrived: Duration) {
        let (request_id, room) = (envelope.correlation.as_deref(), self.key.room);
        let (command, position, repeated) = (envelope.id, accepted.position, accepted.repeated);
        let (step, took_us) = ("submit", took.as_micros() as u64);
        tracing::debug!(step, request_id, %command, %position, %room, repeated, took_us, "written down");
        let (step, took_us) = ("recognize", (arrived + took).as_micros() as u64);
        let model = self.model.as_str();
        tracing::debug!(step, request_id, %command, %room, model, repeated, took_us, "recognized");
    }

    async fn done(&self, next_seq: u64) {
        if let Err(error) = self.connections.frames.done(&self.key, next_seq).await {
            tracing::warn!(%error, "frames that are done with could not be let go");
        }
    }

    async fn report(&self, event: Event) {
        let _ = self.events.send(event).await;
    }

    fn degraded(&self, reason: String) {
        let (room, user) = (self.key.room, self.key.user);
        self.connections.live.publish(LiveMessage::Degraded { room, user, reason });
    }
}
