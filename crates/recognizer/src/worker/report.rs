//! What a worker counts, told to whoever collects metrics.

use crate::engine::Stats;

/// Tells of all engines together, and of the streams that wait for a place.
pub(super) fn report(engines: &[Stats], parked: usize) {
    let sum = |count: fn(&Stats) -> u64| engines.iter().map(count).sum::<u64>();
    let worst_age_us = engines.iter().map(|stats| stats.worst_age_us).max().unwrap_or(0);
    metrics::gauge!("signcall_recognizer_streams").set(sum(|stats| stats.streams as u64) as f64);
    metrics::gauge!("signcall_recognizer_streams_parked").set(parked as f64);
    metrics::gauge!("signcall_recognizer_frames_waiting")
        .set(sum(|stats| stats.waiting as u64) as f64);
    metrics::gauge!("signcall_recognizer_worst_frame_age_seconds").set(worst_age_us as f64 / 1e6);
    let counters = [
        ("signcall_recognizer_frames_total", sum(|stats| stats.frames_in)),
        ("signcall_recognizer_steps_total", sum(|stats| stats.steps)),
        ("signcall_recognizer_step_microseconds_total", sum(|stats| stats.step_us)),
        ("signcall_recognizer_finals_total", sum(|stats| stats.finals)),
        ("signcall_recognizer_streams_refused_total", sum(|stats| stats.refused)),
    ];
    for (name, total) in counters {
        metrics::counter!(name).absolute(total);
    }
    let dropped =
        [("full", sum(|stats| stats.dropped_full)), ("stale", sum(|stats| stats.dropped_stale))];
    for (why, total) in dropped {
        metrics::counter!("signcall_recognizer_frames_dropped_total", "why" => why).absolute(total);
    }
}
