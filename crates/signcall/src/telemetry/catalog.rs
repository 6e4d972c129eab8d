//! Every figure that a process reports, in one table: described to Prometheus at the start, printed
//! in `docs/metrics.md`, and what dashboard and alert rules are checked against.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// How a figure moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    /// With the buckets that all histograms share.
    Histogram,
}

/// One figure.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    unit: Unit,
    /// Which role counts it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for docs/metrics.md, which a test writes"))]
    role: &'static str,
    help: &'static str,
}

macro_rules! catalog {
    ($($kind:ident $name:literal $unit:ident $role:literal $help:literal;)*) => {
        /// In the order of a command's way.
        pub(super) const CATALOG: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            role: $role,
            help: $help,
        },)*];
    };
}

catalog! {
    Gauge "signcall_info" Count "all" "1; the labels say version and roles";
    Gauge "signcall_process_resident_bytes" Bytes "all" "Memory that the process holds";
    Gauge "signcall_process_open_files" Count "all" "Open file descriptors, sockets among them";
    Gauge "signcall_process_open_files_max" Count "all" "How many file descriptors it may have";
    Gauge "signcall_process_threads" Count "all" "Threads";
    Counter "signcall_process_cpu_seconds_total" Seconds "all" "Processor time used";
    Counter "signcall_trace_spans_total" Count "all" "Spans for the collector of traces, by result: sent, rejected (by the collector), failed (it was not there, or did not take them), dropped (too many waited)";
    Counter "signcall_http_requests_total" Count "api" "Requests answered, by method, route and status";
    Histogram "signcall_http_request_seconds" Seconds "api" "Time to an answer, by route";
    Counter "signcall_http_problems_total" Count "api" "Errors answered, by their code: throttles, overload, bad requests";
    Counter "signcall_kept_batches_total" Count "api" "Batches of landmarks written for people who gave the second consent";
    Counter "signcall_kept_left_out_total" Count "api" "Batches that were not kept: too much waited, or too much is kept of one participant";
    Counter "signcall_signs_taught_total" Count "api" "Signs that were to be taught to a model, by outcome: taught, refused";
    Counter "signcall_logins_total" Count "api" "Log-ins that a password was compared for, by outcome: accepted, refused, locked";
    Counter "signcall_password_hashes_total" Count "api" "Passwords hashed or compared; each log-in is one, whoever it is for";
    Gauge "signcall_sockets" Count "api" "Live listeners now, WebSocket and SSE";
    Counter "signcall_sockets_closed_total" Count "api" "Live listeners that the server closed, by close code; 4429 are slow readers";
    Gauge "signcall_follower_position" Count "api" "Last commit that this process knows of";
    Gauge "signcall_follower_unseen_seconds" Seconds "api" "Time since the log's end was last seen; from 3 on nothing is answered";
    Counter "signcall_commands_total" Count "decider" "Commands answered, by outcome: accepted, rejected, failed";
    Counter "signcall_commits_total" Count "decider" "Commits made durable";
    Histogram "signcall_append_seconds" Seconds "decider" "Time until a block is durable";
    Counter "signcall_append_conflicts_total" Count "decider" "Blocks decided again because another decider was faster";
    Gauge "signcall_log_file_bytes" Bytes "decider" "The embedded log's file";
    Gauge "signcall_log_wal_bytes" Bytes "decider" "The embedded log's write-ahead log; it is cut at 64 MiB";
    Gauge "signcall_keys_to_destroy" Count "decider" "Keys whose end is in the log and that the vault still holds";
    Gauge "signcall_projection_position" Count "projector" "Last commit in the tables";
    Histogram "signcall_projection_seconds" Seconds "projector" "Time to write one batch into the tables";
    Counter "signcall_projection_events_total" Count "projector" "Events written into the tables";
    Counter "signcall_projection_retries_total" Count "projector" "Times that log or database did not answer";
    Gauge "signcall_recognizer_streams" Count "recognizer" "Streams with a place in an engine";
    Gauge "signcall_recognizer_streams_parked" Count "recognizer" "Streams that wait for a place";
    Counter "signcall_recognizer_streams_refused_total" Count "recognizer" "Streams for which no engine had a place";
    Counter "signcall_recognizer_frames_total" Count "recognizer" "Frames taken";
    Gauge "signcall_recognizer_frames_waiting" Count "recognizer" "Frames that wait for a step";
    Counter "signcall_recognizer_frames_dropped_total" Count "recognizer" "Live frames given up: why=full or stale";
    Gauge "signcall_recognizer_worst_frame_age_seconds" Seconds "recognizer" "Oldest frame that a step served lately";
    Histogram "signcall_recognizer_stage_seconds" Seconds "recognizer" "What a step took, by stage: queue (newest frame to begin), compute (features and model), output (decoder)";
    Histogram "signcall_recognizer_frame_age_seconds" Seconds "recognizer" "Age of a hop's newest frame when all that the hop says was told";
    Counter "signcall_recognizer_steps_total" Count "recognizer" "Steps of the model";
    Counter "signcall_recognizer_step_microseconds_total" Microseconds "recognizer" "Time that the model took";
    Counter "signcall_recognizer_finals_total" Count "recognizer" "Final captions told";
    Counter "signcall_recognizer_graph_replays_total" Count "recognizer" "Steps played from a recording (CUDA graphs)";
    Counter "signcall_recognizer_graph_fallbacks_total" Count "recognizer" "Models whose steps could not be recorded";
}

/// Upper bounds of the histograms' buckets, seconds: from a cached read to a request's time limit.
pub(super) const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Tells Prometheus what each figure means.
pub(super) fn describe() {
    for Metric { name, kind, unit, help, .. } in CATALOG {
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, *help),
            Kind::Gauge => describe_gauge!(*name, *unit, *help),
            Kind::Histogram => describe_histogram!(*name, *unit, *help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Every `signcall_…` word of a text.
    fn names(text: &str) -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        words.filter(|word| word.starts_with("signcall_")).map(str::to_owned).collect()
    }

    /// The names that crates hand to the `metrics` macros or list for them.
    fn counted(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                counted(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("catalog.rs")
            {
                let text = fs::read_to_string(&path).unwrap();
                if text.contains("metrics::") {
                    let quoted = text.split('"').skip(1).step_by(2);
                    found.extend(
                        quoted.filter(|word| word.starts_with("signcall_")).map(Into::into),
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_counted_is_in_the_catalog_and_the_other_way_round() {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(root().join("crates")).unwrap() {
            counted(&entry.unwrap().path().join("src"), &mut found);
        }
        let listed: BTreeSet<_> = CATALOG.iter().map(|metric| metric.name.to_owned()).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn the_document_is_the_catalog() {
        let mut text = String::from(
            "# Metrics\n\nServed at `--metrics-listen`, in Prometheus' text format. This table is \
             written by `SIGNCALL_BLESS=1 cargo test -p signcall the_document_is_the_catalog`.\n\n\
             | name | kind | unit | counted by | meaning |\n|---|---|---|---|---|\n",
        );
        for Metric { name, kind, unit, role, help } in CATALOG {
            let kind = format!("{kind:?}").to_lowercase();
            let unit = unit.as_str();
            writeln!(text, "| `{name}` | {kind} | {unit} | {role} | {help} |").unwrap();
        }
        let place = root().join("docs/metrics.md");
        if std::env::var_os("SIGNCALL_BLESS").is_some() {
            fs::write(&place, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(place).unwrap(), text, "SIGNCALL_BLESS=1 writes it anew");
    }

    #[test]
    fn alerts_and_dashboard_ask_for_figures_that_exist() {
        for file in ["deploy/prometheus/alerts.yml", "deploy/grafana/signcall.json"] {
            let asked = names(&fs::read_to_string(root().join(file)).unwrap());
            assert!(asked.len() > 10, "{file} asks for hardly anything: {asked:?}");
            for name in asked {
                let base =
                    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let known = CATALOG.iter().any(|metric| {
                    let histogram = metric.kind == Kind::Histogram && Some(metric.name) == base;
                    metric.name == name || histogram
                });
                assert!(known, "{file} asks for {name}, which nothing counts");
            }
        }
    }

    #[test]
    fn every_alert_has_its_runbook() {
        let [alerts, runbooks] = ["deploy/prometheus/alerts.yml", "docs/runbooks.md"]
            .map(|file| fs::read_to_string(root().join(file)).unwrap());
        let pages: BTreeSet<_> = runbooks
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .map(str::to_lowercase)
            .collect();
        let links: Vec<_> =
            alerts.lines().filter_map(|line| line.split("runbooks.md#").nth(1)).collect();
        assert_eq!(links.len(), alerts.matches("- alert:").count());
        for link in links {
            assert!(pages.contains(link), "no runbook {link} among {pages:?}");
        }
    }
}
