//! What a model must keep to before anything is computed with it: sizes that a server can bear,
//! numbers that are numbers, labels that can be told apart. A file that somebody brings is believed
//! in nothing.

use std::collections::BTreeSet;

use super::{Architecture, EmissionSettings, Input, ModelError, ModelSpec, Rule};
use crate::decode::phrases::MAX_PHRASES;
use crate::features::picture::EDGE;

/// Bytes that `model.json` may have.
pub(super) const JSON_BYTES_MAX: usize = 4 << 20;
/// Bytes that the weights may have.
pub(super) const WEIGHTS_BYTES_MAX: usize = 256 << 20;
/// Labels that a model may have.
pub(super) const LABELS_MAX: usize = 8_192;
/// Characters of a label.
const LABEL_MAX: usize = 64;
/// Characters of a name or version: what a room's settings may hold.
const NAME_MAX: usize = 64;
/// Numbers that any layer may be wide.
const WIDTH_MAX: usize = 4_096;
/// A block's inner width, in widths.
const EXPAND_MAX: usize = 8;
/// Blocks, or convolutions of pictures.
const LAYERS_MAX: usize = 32;
/// Taps of a convolution over time, and frames between two of them.
const KERNEL_MAX: usize = 32;
const DILATION_MAX: usize = 512;
/// Frames that a server may gather before a step: two seconds.
const HOP_MAX: usize = 30;
/// Numbers that a stream's state may hold: 4 MiB.
const STATE_MAX: usize = 1 << 20;
/// Times of the decoder: a minute.
const TIME_MAX_MS: u32 = 60_000;

fn wrong<T>(problem: String) -> Result<T, ModelError> {
    Err(ModelError::Mismatch(problem))
}

/// What a model's name has to be.
pub(crate) const NAME_RULE: &str = "1 to 64 of A-Z a-z 0-9 - _ . and begins with a letter or digit";
/// What a label has to be.
pub(crate) const LABEL_RULE: &str =
    "1 to 64 characters without control characters or spaces around them";

/// Whether a label can be a caption.
pub(crate) fn is_label(text: &str) -> bool {
    (1..=LABEL_MAX).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// Whether a name can stand in a room's settings, in a caption and in a path.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(allowed)
        && name.as_bytes()[0].is_ascii_alphanumeric()
}

impl ModelSpec {
    /// Refuses a description that this program can't serve, with the reason.
    pub fn verify(&self) -> Result<(), ModelError> {
        if !is_name(&self.name) {
            return wrong(format!("its name {:?} should be {NAME_RULE}", self.name));
        }
        let printable = |c: char| !c.is_control() && !c.is_whitespace();
        let version = &self.version;
        if version.is_empty() || version.len() > NAME_MAX || !version.chars().all(printable) {
            return wrong(format!("its version {version:?} should be 1 to 64 visible characters"));
        }
        self.verify_labels()?;
        self.verify_sizes()?;
        self.verify_numbers()?;
        self.emission.verify()
    }

    fn verify_labels(&self) -> Result<(), ModelError> {
        let count = self.vocabulary.len();
        if !(1..=LABELS_MAX).contains(&count) {
            return wrong(format!("it has {count} labels; 1 to {LABELS_MAX} are allowed"));
        }
        let mut seen = BTreeSet::new();
        for label in &self.vocabulary {
            let text = &label.text;
            if !is_label(text) {
                return wrong(format!("the label {text:?} should be {LABEL_RULE}"));
            }
            if !seen.insert((text, label.kind == super::Kind::Letter)) {
                return wrong(format!("it has the label {text:?} twice"));
            }
        }
        Ok(())
    }

    fn verify_sizes(&self) -> Result<(), ModelError> {
        let within = |what: &str, found: usize, most: usize| match found {
            0 => wrong(format!("its {what} is 0")),
            found if found > most => {
                wrong(format!("its {what} is {found}; at most {most} is allowed"))
            }
            _ => Ok(()),
        };
        match &self.architecture {
            Architecture::Landmarks(sizes) => {
                within("hand encoder's width", sizes.hand, WIDTH_MAX)?;
                within("body encoder's width", sizes.body, WIDTH_MAX)?;
            }
            Architecture::Pixels(sizes) => {
                let most = EDGE.ilog2() as usize;
                if sizes.channels.len() > most {
                    let found = sizes.channels.len();
                    return wrong(format!("it has {found} convolutions; {most} are allowed"));
                }
                for channels in &sizes.channels {
                    within("convolutions' channels", *channels, WIDTH_MAX)?;
                }
            }
        }
        let shape = self.architecture.shape();
        within("width", shape.width, WIDTH_MAX)?;
        within("expansion", shape.expand, EXPAND_MAX)?;
        within("number of taps", shape.kernel, KERNEL_MAX)?;
        if shape.dilations.len() > LAYERS_MAX {
            let found = shape.dilations.len();
            return wrong(format!("it has {found} blocks; {LAYERS_MAX} are allowed"));
        }
        for dilation in &shape.dilations {
            within("distance between taps", *dilation, DILATION_MAX)?;
        }
        let state = shape.state_len();
        if state > STATE_MAX {
            let problem =
                format!("a stream's state holds {state} numbers, {STATE_MAX} are allowed");
            return wrong(problem);
        }
        within("hop", self.hop_frames, HOP_MAX)
    }

    fn verify_numbers(&self) -> Result<(), ModelError> {
        if !(self.temperature.is_finite() && (0.01..=100.0).contains(&self.temperature)) {
            let found = self.temperature;
            return wrong(format!("its temperature is {found}; 0.01 to 100 is allowed"));
        }
        let normalization = &self.normalization;
        let expected = match self.input {
            Input::Landmarks => self.input.frame_len(),
            Input::Images => 0,
        };
        for (what, numbers) in [("mean", &normalization.mean), ("scale", &normalization.scale)] {
            if numbers.len() != expected {
                let found = numbers.len();
                return wrong(format!(
                    "it was trained on {found} features a frame ({what}), this program makes {expected}"
                ));
            }
            if let Some(index) = numbers.iter().position(|number| !number.is_finite()) {
                return wrong(format!("feature {index}'s {what} is not a number"));
            }
        }
        Ok(())
    }
}

impl EmissionSettings {
    fn verify(&self) -> Result<(), ModelError> {
        let rule = |what: &str, rule: &Rule| {
            let Rule { evidence, min_ms, min_confidence } = *rule;
            let fits = evidence.is_finite()
                && min_ms <= TIME_MAX_MS
                && (0.0..=1.0).contains(&min_confidence);
            if fits {
                Ok(())
            } else {
                wrong(format!("its rule for {what} makes no sense: {rule:?}"))
            }
        };
        rule("words", &self.word)?;
        rule("letters", &self.letter)?;
        let extra = self.extra_evidence.values().copied();
        let others = [self.spelling_evidence, self.switch_evidence, self.phrase_evidence];
        let mut evidence = others.into_iter().chain(extra);
        if let Some(found) = evidence.find(|evidence| !evidence.is_finite()) {
            return wrong(format!("evidence of {found} nats makes no sense"));
        }
        if !self.calibration.is_sound() {
            let found = self.calibration;
            return wrong(format!("its confidences can't be calibrated with {found:?}"));
        }
        if self.phrases.len() > MAX_PHRASES {
            let count = self.phrases.len();
            return wrong(format!("it expects {count} phrases; at most {MAX_PHRASES} are allowed"));
        }
        let times = [
            ("word_close_ms", self.word_close_ms),
            ("letter_close_ms", self.letter_close_ms),
            ("repeat_ms", self.repeat_ms),
            ("idle_ms", self.idle_ms),
            ("utterance_cap_ms", self.utterance_cap_ms),
        ];
        for (what, found) in times {
            if found > TIME_MAX_MS {
                return wrong(format!("{what} is {found}; at most {TIME_MAX_MS} is allowed"));
            }
        }
        if self.idle_ms == 0 || self.utterance_cap_ms < self.idle_ms {
            let (idle, cap) = (self.idle_ms, self.utterance_cap_ms);
            return wrong(format!(
                "an utterance can't end: idle_ms {idle}, utterance_cap_ms {cap}"
            ));
        }
        Ok(())
    }
}
