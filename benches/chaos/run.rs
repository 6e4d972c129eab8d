//! What one run of a fault class leaves: a line of JSON, and its share of the figures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::check::Verdict;
use crate::report::milliseconds;

/// Findings that are told in full.
const FINDINGS_MAX: usize = 20;

/// One run.
pub(super) struct Run {
    class: &'static str,
    faults: &'static str,
    seed: u64,
    begun: Instant,
    /// What was done, and when, in ms from the run's begin.
    steps: Vec<(f64, String)>,
    /// From the end of the fault, or the restart's begin, to an acknowledgement by every API process.
    pub(super) served: Option<Duration>,
    /// And until the tables show it there.
    pub(super) tables: Option<Duration>,
    /// Commands that were acknowledged.
    pub(super) acked: usize,
    /// What else was measured.
    pub(super) figures: Map<String, Value>,
    pub(super) verdict: Verdict,
}

impl Run {
    pub(super) fn begin(class: &'static str, faults: &'static str, seed: u64) -> Self {
        Self {
            class,
            faults,
            seed,
            begun: Instant::now(),
            steps: vec![],
            served: None,
            tables: None,
            acked: 0,
            figures: Map::new(),
            verdict: Verdict::default(),
        }
    }

    /// Notes what is done now.
    pub(super) fn step(&mut self, what: impl Into<String>) {
        self.steps.push((milliseconds(self.begun.elapsed()), what.into()));
    }

    /// A further figure of this run.
    pub(super) fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// A promise has to hold, or the run has found something.
    pub(super) fn holds(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.verdict.breaks(otherwise());
        }
    }

    fn line(&self) -> Value {
        let Verdict { lost, doubled, diverged, broken, .. } = self.verdict;
        json!({
            "class": self.class, "faults": self.faults, "seed": self.seed,
            "took_ms": milliseconds(self.begun.elapsed()), "steps": self.steps,
            "served_ms": self.served.map(milliseconds), "tables_ms": self.tables.map(milliseconds),
            "acked": self.acked, "figures": self.figures, "holds": self.verdict.holds(),
            "lost": lost, "doubled": doubled, "diverged": diverged, "broken": broken,
            "findings": self.verdict.findings,
        })
    }
}

/// What came of all runs.
#[derive(Default)]
pub struct Told {
    classes: BTreeMap<&'static str, Sum>,
    /// The first run with a finding: its class and seed.
    first: Option<(&'static str, u64)>,
    findings: Vec<String>,
    /// Classes that can't run here, and why.
    skipped: BTreeMap<&'static str, String>,
}

#[derive(Default)]
struct Sum {
    runs: u64,
    violations: u64,
    acked: u64,
    served: Vec<Duration>,
    tables: Vec<Duration>,
    /// The highest of each further figure that is a number.
    highest: BTreeMap<String, f64>,
}

impl Told {
    /// Whether any run found something.
    pub fn found(&self) -> bool {
        self.first.is_some()
    }

    /// What was found, in words.
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Classes that could not run here, and why.
    pub fn skipped(&self) -> &BTreeMap<&'static str, String> {
        &self.skipped
    }

    /// A class can't run here.
    pub(super) fn skip(&mut self, class: &'static str, why: String) {
        self.skipped.insert(class, why);
    }

    /// Takes in a run; with `json`, its line is printed.
    pub(super) fn take(&mut self, run: Run, json: bool) {
        if json {
            println!("{}", run.line());
        }
        let sum = self.classes.entry(run.class).or_default();
        sum.runs += 1;
        sum.acked += run.acked as u64;
        sum.served.extend(run.served);
        sum.tables.extend(run.tables);
        for (name, value) in &run.figures {
            if let Some(value) = value.as_f64() {
                let highest = sum.highest.entry(name.clone()).or_insert(value);
                *highest = highest.max(value);
            }
        }
        if run.verdict.holds() {
            return;
        }
        sum.violations += 1;
        self.first.get_or_insert((run.class, run.seed));
        let place = format!("{} seed {}", run.class, run.seed);
        let findings = run.verdict.findings.into_iter().map(|text| format!("{place}: {text}"));
        self.findings.extend(findings);
        self.findings.truncate(FINDINGS_MAX);
    }

    /// As the figures name it.
    pub fn figures(&self) -> Map<String, Value> {
        let sums = self.classes.iter().map(|(name, sum)| ((*name).to_owned(), sum.figures()));
        let classes: Map<String, Value> = sums.collect();
        let all = |of: fn(&Sum) -> u64| self.classes.values().map(of).sum::<u64>();
        let figures = json!({
            "runs": all(|sum| sum.runs), "violations": all(|sum| sum.violations),
            "acked": all(|sum| sum.acked),
            "first_failing": self.first.map(|(class, seed)| json!({ "class": class, "seed": seed })),
            "classes": classes, "skipped": self.skipped,
        });
        figures.as_object().cloned().unwrap_or_default()
    }
}

impl Sum {
    fn figures(&self) -> Value {
        let (served, tables) = (sorted(&self.served), sorted(&self.tables));
        let mut figures = json!({
            "runs": self.runs, "violations": self.violations, "acked": self.acked,
            "served_p50_ms": middle(&served), "served_max_ms": last(&served),
            "tables_p50_ms": middle(&tables), "tables_max_ms": last(&tables),
        });
        for (name, value) in &self.highest {
            figures[format!("{name}_max")] = json!(value);
        }
        figures
    }
}

fn sorted(times: &[Duration]) -> Vec<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted
}

fn middle(sorted: &[Duration]) -> Option<f64> {
    sorted.get(sorted.len() / 2).copied().map(milliseconds)
}

fn last(sorted: &[Duration]) -> Option<f64> {
    sorted.last().copied().map(milliseconds)
}
