//! What each step took, stage by stage, told to whoever collects metrics.

use super::FrameAge;
use metrics::{Histogram, histogram};

/// The histograms of one engine; all engines of a process share them.
pub(super) struct Meter {
    queue: Histogram,
    compute: Histogram,
    output: Histogram,
    age: Histogram,
}

impl Meter {
    pub(super) fn new() -> Self {
        let stage =
            |stage: &'static str| histogram!("signcall_recognizer_stage_seconds", "stage" => stage);
        Self {
            queue: stage("queue"),
            compute: stage("compute"),
            output: stage("output"),
            age: histogram!("signcall_recognizer_frame_age_seconds"),
        }
    }

    /// One entry for each stream that a step served.
    pub(super) fn note(&self, ages: &[FrameAge]) {
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e6;
        for age in ages {
            self.queue.record(seconds(age.newest_us, age.begun_us));
            self.compute.record(seconds(age.begun_us, age.computed_us));
            self.output.record(seconds(age.computed_us, age.told_us));
            self.age.record(seconds(age.newest_us, age.told_us));
        }
    }
}
