//! The decoder's settings, kept in `model.json`: what a label must bring before it is said.

use super::calibration::Calibration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a label must bring before it is said. Evidence is counted in nats, frame by frame, at 15
/// frames a second: by how much the label's log-probability exceeds that of whatever else was done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Evidence it takes to begin the label; more means fewer insertions and more deletions.
    pub evidence: f32,
    /// A shorter run says nothing, ms.
    pub min_ms: u32,
    /// Mean probability over the run below which it says nothing, 0 to 1.
    pub min_confidence: f32,
}

/// Evidence, thresholds and times. All times are milliseconds of capture time, whatever the frame
/// rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmissionSettings {
    /// For words.
    pub word: Rule,
    /// For letters.
    pub letter: Rule,
    /// Evidence beyond `letter.evidence` that the first letter of a spelled word must bring.
    pub spelling_evidence: f32,
    /// Evidence beyond the others that a label must bring which follows another without a blank.
    #[serde(default = "default_switch_evidence")]
    pub switch_evidence: f32,
    /// Evidence that single labels must bring beyond their kind's, by text; may be negative.
    #[serde(default)]
    pub extra_evidence: BTreeMap<String, f32>,
    /// Names and phrases that are likely to be said: signs and spelled words, parted by spaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phrases: Vec<String>,
    /// Evidence that each label of such a phrase after the first is lent, until the phrase is left.
    #[serde(default = "default_phrase_evidence")]
    pub phrase_evidence: f32,
    /// From the mean probability of a token's frames to the confidence that is told.
    #[serde(default, skip_serializing_if = "Calibration::is_none")]
    pub calibration: Calibration,
    /// Blank, or another label, after a label that makes it final.
    pub word_close_ms: u32,
    /// Blank after letters that makes the spelled word final.
    pub letter_close_ms: u32,
    /// The same word again within this time of its end is still the same word.
    pub repeat_ms: u32,
    /// Nobody signing for this long ends the utterance.
    pub idle_ms: u32,
    /// The longest utterance; past 80 % of it, it ends at the first pause.
    pub utterance_cap_ms: u32,
}

fn default_switch_evidence() -> f32 {
    6.0
}

fn default_phrase_evidence() -> f32 {
    5.0
}

impl Default for EmissionSettings {
    fn default() -> Self {
        let rule = |evidence| Rule { evidence, min_ms: 200, min_confidence: 0.4 };
        Self {
            word: rule(10.0),
            letter: rule(14.0),
            spelling_evidence: 6.0,
            switch_evidence: default_switch_evidence(),
            extra_evidence: BTreeMap::new(),
            phrases: Vec::new(),
            phrase_evidence: default_phrase_evidence(),
            calibration: Calibration::default(),
            word_close_ms: 200,
            letter_close_ms: 400,
            repeat_ms: 500,
            idle_ms: 1_000,
            utterance_cap_ms: 15_000,
        }
    }
}
