//! The likeliest path through the labels (Viterbi), with a price in nats on beginning a label.
//!
//! A frame or two of something else inside a sign costs less than ending and beginning the sign
//! again, so flicker is bridged; a label that never gathers its price is never said. Letters are
//! cheap once spelling has begun, dear before. Between two signs the hands move on, which the model
//! calls blank: a label that begins without that is dearer, for it may be the same sign. Paths that disagree with what was committed are
//! dropped, so what is said is never taken back.

use super::phrases::{Phrases, Place};
use super::settings::{EmissionSettings, Rule};
use crate::model::{BLANK, Kind, Label};
use std::sync::Arc;

/// The frame interval that evidence is counted at, ms.
const NOMINAL_MS: f32 = 1_000.0 / 15.0;
/// A frame counts at least and at most for this many nominal ones.
const WEIGHT: (f32, f32) = (0.25, 3.0);
/// No single frame speaks louder against a label than this, nats.
const FLOOR: f32 = -8.0;

/// While another label gathers evidence, a run waits this many times as long to be committed: what
/// follows at once may show that it was the way into another sign.
const LOOK_AGAIN: u64 = 2;

/// A label that was recognized: a run of frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run {
    /// The class, 1 and above.
    pub(super) class: usize,
    /// Capture time of its first frame, ms.
    pub(super) start_ms: u64,
    /// Capture time of its last frame, ms.
    pub(super) end_ms: u64,
    /// Sum of the class's probability over the run's frames, and their number.
    sum: f32,
    frames: u32,
}

impl Run {
    fn starting(class: usize, now: u64) -> Self {
        Self { class, start_ms: now, end_ms: now, sum: 0.0, frames: 0 }
    }

    /// Mean probability over the run.
    pub(super) fn confidence(&self) -> f32 {
        self.sum / self.frames as f32
    }
}

/// Closed runs, newest first; paths share their pasts.
#[derive(Debug)]
struct Link {
    run: Run,
    /// How many runs there are up to this one.
    depth: usize,
    before: Option<Arc<Link>>,
}

type Past = Option<Arc<Link>>;

fn depth(past: &Past) -> usize {
    past.as_ref().map_or(0, |link| link.depth)
}

/// The best way to be in one state now.
#[derive(Debug, Clone)]
struct Path {
    score: f32,
    past: Past,
    /// When the state was entered, ms.
    since_ms: u64,
    /// The run under way; none in the two blank states.
    run: Option<Run>,
    /// Where in a phrase it is.
    place: Place,
}

/// A way into a state: the score before the frame's evidence, and what comes with it.
#[derive(Clone)]
struct Way {
    score: f32,
    past: Past,
    place: Place,
}

/// What a class is, and what it costs to begin it.
#[derive(Debug, Clone, Copy)]
struct Class {
    kind: Kind,
    cost: f32,
    rule: Rule,
}

/// All paths. State 0 is blank, 1 to n are the labels, n + 1 is a pause within a spelled word.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    classes: Vec<Class>,
    phrases: Phrases,
    spelling_cost: f32,
    switch_cost: f32,
    close_ms: u64,
    letter_close_ms: u64,
    states: Vec<Path>,
    best: usize,
    /// Runs already committed; every path shares them.
    committed: usize,
    /// Time of the last frame, and how long it counts, ms.
    last_ms: Option<u64>,
    frame_ms: u64,
}

impl Paths {
    pub(super) fn new(vocabulary: &[Label], settings: &EmissionSettings) -> Self {
        let class = |label: &Label| {
            let rule = match label.kind {
                Kind::Word => settings.word,
                Kind::Letter => settings.letter,
            };
            let extra = settings.extra_evidence.get(&label.text).copied().unwrap_or(0.0);
            Class { kind: label.kind, cost: rule.evidence + extra, rule }
        };
        Self {
            classes: vocabulary.iter().map(class).collect(),
            phrases: Phrases::new(vocabulary, &settings.phrases, settings.phrase_evidence),
            spelling_cost: settings.spelling_evidence,
            switch_cost: settings.switch_evidence,
            close_ms: settings.word_close_ms.into(),
            letter_close_ms: settings.letter_close_ms.into(),
            states: Vec::new(),
            best: BLANK,
            committed: 0,
            last_ms: None,
            frame_ms: 0,
        }
    }

    fn pause_state(&self) -> usize {
        self.classes.len() + 1
    }

    fn is_letter(&self, state: usize) -> bool {
        (1..=self.classes.len()).contains(&state) && self.classes[state - 1].kind == Kind::Letter
    }

    /// Takes one frame.
    pub(super) fn push(&mut self, now: u64, log_probs: &[f32]) {
        let interval = self.last_ms.map_or(NOMINAL_MS, |last| now.saturating_sub(last) as f32);
        let weight = (interval / NOMINAL_MS).clamp(WEIGHT.0, WEIGHT.1);
        self.frame_ms = (weight * NOMINAL_MS) as u64;
        if self.states.is_empty() {
            let place = Place::default();
            let nowhere =
                Path { score: f32::NEG_INFINITY, past: None, since_ms: now, run: None, place };
            self.states = vec![nowhere; self.pause_state() + 1];
            self.states[BLANK].score = 0.0;
        }
        let say = |class: usize| {
            let log_prob = log_probs.get(class).copied().unwrap_or(FLOOR);
            if log_prob.is_nan() { FLOOR } else { log_prob.max(FLOOR) }
        };
        let mut next = self.step(now);
        for (state, path) in next.iter_mut().enumerate() {
            let class = if state == self.pause_state() { BLANK } else { state };
            path.score += weight * say(class);
            if let Some(run) = &mut path.run {
                run.end_ms = now;
                run.sum += say(class).exp();
                run.frames += 1;
            }
        }
        self.best = best(&next, |_, _| true).unwrap_or(BLANK);
        let top = next[self.best].score;
        for path in &mut next {
            path.score -= top;
        }
        self.states = next;
        self.last_ms = Some(now);
    }

    /// Every state's best way in, before this frame's evidence.
    fn step(&self, now: u64) -> Vec<Path> {
        let pause = self.pause_state();
        let is_label = |state: usize| state != BLANK && state != pause;
        let is_word = |state: usize| is_label(state) && !self.is_letter(state);
        let spells_on = |state: usize| {
            let paused = now.saturating_sub(self.states[state].since_ms);
            state == pause && paused < self.letter_close_ms
        };
        // Closing a run makes one link, whoever goes on from there.
        let from = |allowed: &dyn Fn(usize) -> bool| {
            best(&self.states, |state, _| allowed(state)).map(|state| self.leave(state))
        };
        let rest = from(&|state| !is_label(state));
        let word = from(&is_word);
        let letter = from(&|state| self.is_letter(state));
        let spelling = from(&spells_on);
        let way_in = |state: usize| {
            let Some(class) = state.checked_sub(1).and_then(|i| self.classes.get(i)) else {
                let blank = [&rest, &word, &letter].map(|from| (from, 0.0));
                return cheapest(&if state == BLANK { blank } else { [(&letter, 0.0); 3] });
            };
            let (cost, switch) = (class.cost, self.switch_cost);
            let spelled = if class.kind == Kind::Letter { self.spelling_cost } else { 0.0 };
            let after_letter = cost + switch;
            let ways = [
                (&rest, cost + spelled),
                (&word, cost + spelled + switch),
                (&letter, after_letter),
                (if class.kind == Kind::Letter { &spelling } else { &None }, cost),
            ];
            if self.phrases.is_empty() {
                return cheapest(&ways);
            }
            let price = |from: usize| match from {
                from if spells_on(from) && class.kind == Kind::Letter => cost,
                from if is_word(from) => cost + spelled + switch,
                from if is_label(from) => after_letter,
                _ => cost + spelled,
            };
            self.along_phrases(state, price)
        };
        let stay = |(state, path): (usize, &Path)| match way_in(state) {
            Some(Way { score, past, place }) if score > path.score => {
                let run = is_label(state).then(|| Run::starting(state, now));
                Path { score, past, since_ms: now, run, place }
            }
            Some(_) | None => path.clone(),
        };
        self.states.iter().enumerate().map(stay).collect()
    }

    /// The best way into a label where there are phrases: from each state, going on with its
    /// phrase, or leaving it and giving back what was lent. `price` is what it costs from where.
    fn along_phrases(&self, class: usize, price: impl Fn(usize) -> f32) -> Option<Way> {
        let mut best: Option<(f32, Place, usize)> = None;
        let mut offer = |score: f32, place: Place, from: usize| {
            if score > best.map_or(f32::NEG_INFINITY, |(score, ..)| score) {
                best = Some((score, place, from));
            }
        };
        for (from, path) in self.states.iter().enumerate().filter(|(from, _)| *from != class) {
            let score = path.score - price(from);
            let left = score - path.place.lent;
            for (place, score) in [(path.place, score), (Place::default(), left)] {
                if let Some((place, gain)) = self.phrases.on(place, class) {
                    offer(score + gain, place, from);
                }
            }
            offer(left, Place::default(), from);
        }
        best.map(|(score, place, from)| Way { score, place, past: self.leave(from).past })
    }

    /// The way out of a state: its score, and its past with its own run closed.
    fn leave(&self, state: usize) -> Way {
        let path = &self.states[state];
        let past = match path.run {
            None => path.past.clone(),
            Some(run) => Some(Arc::new(Link {
                run,
                depth: depth(&path.past) + 1,
                before: path.past.clone(),
            })),
        };
        Way { score: path.score, past, place: path.place }
    }

    /// How long the best path has been in a pause, ms; `None` where it is in a label.
    pub(super) fn pause_ms(&self) -> Option<u64> {
        let (path, now) = (self.states.get(self.best)?, self.last_ms?);
        match path.run {
            None => Some(now.saturating_sub(path.since_ms) + self.frame_ms),
            Some(_) => None,
        }
    }

    /// Hands over the runs of the best path that ended long enough ago, oldest first, and drops the
    /// paths that see them differently. Runs that don't satisfy their rule are committed in silence.
    pub(super) fn commit(&mut self, mut add: impl FnMut(&Run)) {
        let Some(now) = self.last_ms else { return };
        let closed = |run: &Run| {
            let goes_on = |next: &Run| next.start_ms > run.end_ms && next.class != run.class;
            let patience = if self.gathers(goes_on) { LOOK_AGAIN } else { 1 };
            now.saturating_sub(run.end_ms) >= patience * self.close_ms
        };
        let open = self.open_links();
        let ready: Vec<Run> = open.iter().rev().map(|link| link.run).take_while(closed).collect();
        for run in ready {
            self.committed += 1;
            let (at, best) = (self.committed, self.best);
            for (_, path) in self.states.iter_mut().enumerate().filter(|(state, _)| *state != best)
            {
                if !passes(&path.past, at, &run) {
                    path.score = f32::NEG_INFINITY;
                }
            }
            if self.is_said(&run) {
                add(&run);
            }
        }
    }

    /// The best path's runs that aren't committed yet and would be said, oldest first; the last one
    /// may still be under way.
    pub(super) fn pending(&self) -> Vec<Run> {
        let Some(path) = self.states.get(self.best) else { return Vec::new() };
        let open = self.open_links();
        let runs = open.iter().rev().map(|link| link.run).chain(path.run);
        runs.filter(|run| self.is_said(run)).collect()
    }

    /// Whether a letter gathers evidence.
    pub(super) fn spelling(&self) -> bool {
        self.gathers(|run| self.is_letter(run.class))
    }

    /// Whether such a run, on whatever path, does better than blank for a second frame.
    fn gathers(&self, such: impl Fn(&Run) -> bool) -> bool {
        let mut runs = self.states.iter().filter_map(|path| path.run);
        runs.any(|run| run.frames > 1 && such(&run))
    }

    /// Hands over all that is left of the best path, and forgets everything.
    pub(super) fn finish(&mut self, mut add: impl FnMut(&Run)) {
        for path in &mut self.states {
            path.score -= path.place.lent;
        }
        self.best = best(&self.states, |_, _| true).unwrap_or(BLANK);
        self.pending().iter().for_each(&mut add);
        self.states.clear();
        (self.committed, self.last_ms, self.frame_ms) = (0, None, 0);
    }

    /// The best path's closed runs beyond the committed ones, newest first.
    fn open_links(&self) -> Vec<&Link> {
        let newest = self.states.get(self.best).and_then(|path| path.past.as_deref());
        let links = std::iter::successors(newest, |link| link.before.as_deref());
        links.take_while(|link| link.depth > self.committed).collect()
    }

    fn is_said(&self, run: &Run) -> bool {
        let rule = self.classes[run.class - 1].rule;
        let lasted = run.end_ms.saturating_sub(run.start_ms) + self.frame_ms;
        lasted >= u64::from(rule.min_ms) && run.confidence() >= rule.min_confidence
    }
}

/// The best of some ways in, each with its cost; the first one among equals.
fn cheapest(ways: &[(&Option<Way>, f32)]) -> Option<Way> {
    let scored =
        ways.iter().filter_map(|(from, cost)| from.as_ref().map(|way| (way.score - cost, way)));
    let best = scored.reduce(|best, way| if way.0 > best.0 { way } else { best });
    best.map(|(score, way)| Way { score, ..way.clone() })
}

/// The likeliest of the states that `allowed` lets through; the first one among equals.
fn best(paths: &[Path], allowed: impl Fn(usize, &Path) -> bool) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (state, path) in paths.iter().enumerate() {
        let better = best.is_none_or(|b| path.score > paths[b].score);
        if path.score > f32::NEG_INFINITY && better && allowed(state, path) {
            best = Some(state);
        }
    }
    best
}

/// Whether a past has this run at that depth; one that ended later is the same run.
fn passes(past: &Past, at: usize, run: &Run) -> bool {
    let mut links = std::iter::successors(past.as_deref(), |link| link.before.as_deref());
    links.find(|link| link.depth <= at).is_some_and(|link| {
        let Run { class, start_ms, end_ms, .. } = link.run;
        link.depth == at && (class, start_ms) == (run.class, run.start_ms) && end_ms >= run.end_ms
    })
}
