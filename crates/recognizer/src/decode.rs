//! From what the model says of every frame to captions: append-only, all times in milliseconds of
//! capture time.
//!
//! # Layout
//! * [`calibration`]: what a confidence promises.
//! * [`settings`]: what a label must bring before it is said.
//! * [`gate`]: whether anybody is signing, from the landmarks alone.
//! * `paths`: the likeliest sequence of labels so far, with a price on beginning one; what lies far
//!   enough back is committed and never taken back.
//! * [`phrases`]: what is likely to be said.
//! * `segments`: committed tokens become captions: a word is one, letters join into one.

pub mod calibration;
pub mod gate;
mod paths;
pub mod phrases;
mod segments;
pub mod settings;
#[cfg(test)]
mod tests;

pub use calibration::{Calibration, Reliability};
pub use gate::Gate;
pub use segments::{Caption, CaptionKind, Token};
pub use settings::{EmissionSettings, Rule};

use crate::model::{Label, ModelSpec};
use paths::Paths;
use segments::Segments;

/// Share of the longest utterance after which it ends at the first pause, so that the hard end
/// falls into a sign as seldom as can be.
const SOFT_CAP: f64 = 0.8;

/// Decodes one stream. Feed it every frame the model saw, in order; it never looks ahead.
#[derive(Debug, Clone)]
pub struct Decoder {
    paths: Paths,
    segments: Segments,
    settings: EmissionSettings,
    /// First frame of the utterance, and the last one with anybody signing, ms.
    span: Option<Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start_ms: u64,
    busy_ms: u64,
}

impl Decoder {
    /// A decoder for what that model says, at the start of an utterance.
    pub fn new(spec: &ModelSpec) -> Self {
        Self::of(&spec.vocabulary, &spec.emission)
    }

    fn of(vocabulary: &[Label], settings: &EmissionSettings) -> Self {
        Self {
            paths: Paths::new(vocabulary, settings),
            segments: Segments::new(vocabulary, settings),
            settings: settings.clone(),
            span: None,
        }
    }

    /// One frame: its capture time, the natural logarithm of each class's probability (blank
    /// first), and whether the signer was moving their hands ([`Gate`]). Appends what there is to
    /// say to `out`; returns whether the utterance ended with this frame. Then all open captions
    /// are final, and the decoder stands at the start of the next utterance: so must the model's
    /// state, the features and the gate.
    pub fn push(
        &mut self,
        time_us: u64,
        log_probs: &[f32],
        active: bool,
        out: &mut Vec<Caption>,
    ) -> bool {
        let now = time_us / 1_000;
        let span = self.span.get_or_insert(Span { start_ms: now, busy_ms: now });
        self.paths.push(now, log_probs);
        let pause = self.paths.pause_ms();
        if active || pause.is_none() {
            span.busy_ms = now;
        }
        let age = now.saturating_sub(span.start_ms);
        let cap = u64::from(self.settings.utterance_cap_ms);
        let resting = pause.is_some_and(|ms| ms >= u64::from(self.settings.word_close_ms));
        let ended = now.saturating_sub(span.busy_ms) >= u64::from(self.settings.idle_ms)
            || age >= cap
            || (resting && age as f64 >= SOFT_CAP * cap as f64);
        if ended {
            self.flush(out);
        } else {
            let (segments, paths) = (&mut self.segments, &mut self.paths);
            paths.commit(|token| segments.add(token, out));
            segments.settle(now, &paths.pending(), paths.spelling(), out);
        }
        ended
    }

    /// Ends the utterance: what is open becomes final, and the next frame starts a new one.
    pub fn flush(&mut self, out: &mut Vec<Caption>) {
        let (segments, paths) = (&mut self.segments, &mut self.paths);
        paths.finish(|token| segments.add(token, out));
        segments.finish(out);
        self.span = None;
    }
}
