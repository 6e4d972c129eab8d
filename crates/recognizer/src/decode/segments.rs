//! From committed tokens to captions: a word is a caption of its own, letters that follow each
//! other join into a spelled word. Open captions are told as they grow; a final is told once.

use super::calibration::Calibration;
use super::paths::Run;
use super::settings::EmissionSettings;
use crate::model::{Kind, Label};

/// What kind of signing a caption writes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptionKind {
    /// A sign.
    Gloss,
    /// Letters joined into a word.
    Fingerspelling,
}

/// One recognized sign or letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// The label's text.
    pub text: String,
    /// Capture time of its first frame, ms.
    pub start_ms: u64,
    /// Capture time of its last frame, ms.
    pub end_ms: u64,
    /// Mean calibrated probability over its frames, 0 to 1.
    pub confidence: f32,
    /// Whether it will not change any more.
    pub stable: bool,
}

/// A caption within its utterance; one with the same ordinal replaces it until it is final.
#[derive(Debug, Clone, PartialEq)]
pub struct Caption {
    /// Number of the caption in its utterance, from 0.
    pub ordinal: u32,
    /// Whether it will not change any more.
    pub is_final: bool,
    /// What it says; empty where an open caption is withdrawn.
    pub text: String,
    /// What kind of signing it writes down.
    pub kind: CaptionKind,
    /// Its signs or letters.
    pub tokens: Vec<Token>,
}

impl Caption {
    /// Mean confidence of the tokens, 0 to 1; 0 where there are none.
    pub fn confidence(&self) -> f32 {
        let sum: f32 = self.tokens.iter().map(|token| token.confidence).sum();
        sum / self.tokens.len().max(1) as f32
    }

    /// Capture time of the first frame, ms.
    pub fn start_ms(&self) -> u64 {
        self.tokens.first().map_or(0, |token| token.start_ms)
    }

    /// Capture time of the last frame, ms.
    pub fn end_ms(&self) -> u64 {
        self.tokens.last().map_or(0, |token| token.end_ms)
    }
}

/// The captions of one utterance.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    vocabulary: Vec<Label>,
    calibration: Calibration,
    letter_close_ms: u64,
    repeat_ms: u64,
    /// The ordinal of the next final.
    next: u32,
    /// Letters that are committed, of a spelled word that is still open.
    letters: Vec<Token>,
    /// The last final word: its class and its end.
    last_word: Option<(usize, u64)>,
    /// Texts of the open captions as they were last told, the first one's ordinal being `next`.
    told: Vec<String>,
}

impl Segments {
    pub(super) fn new(vocabulary: &[Label], settings: &EmissionSettings) -> Self {
        Self {
            vocabulary: vocabulary.to_vec(),
            calibration: settings.calibration,
            letter_close_ms: settings.letter_close_ms.into(),
            repeat_ms: settings.repeat_ms.into(),
            next: 0,
            letters: Vec::new(),
            last_word: None,
            told: Vec::new(),
        }
    }

    /// Takes a committed run.
    pub(super) fn add(&mut self, run: &Run, out: &mut Vec<Caption>) {
        let token = self.token(run, true);
        match self.kind(run) {
            Kind::Letter => {
                if !self.joins(self.letters.last(), run.start_ms) {
                    self.close_letters(out);
                }
                self.letters.push(token);
            }
            Kind::Word => {
                self.close_letters(out);
                if !self.repeats(self.last_word, run) {
                    self.tell_final(CaptionKind::Gloss, vec![token], out);
                }
                self.last_word = Some((run.class, run.end_ms));
            }
        }
    }

    /// After each frame: closes a spelled word that nothing followed, and tells what is open where
    /// its text changed. `pending` are the runs that aren't committed yet; while a letter gathers
    /// evidence (`spelling`), a spelled word waits for it.
    pub(super) fn settle(
        &mut self,
        now: u64,
        pending: &[Run],
        spelling: bool,
        out: &mut Vec<Caption>,
    ) {
        let follows = |run: &Run| {
            self.kind(run) == Kind::Letter && self.joins(self.letters.last(), run.start_ms)
        };
        let waits = spelling || pending.first().is_some_and(follows);
        if !waits && !self.joins(self.letters.last(), now) {
            self.close_letters(out);
        }
        let open = self.open(pending);
        for (i, caption) in open.iter().enumerate() {
            if self.told.get(i) != Some(&caption.text) {
                out.push(caption.clone());
            }
        }
        for (i, withdrawn) in self.told.iter().enumerate().skip(open.len()) {
            if !withdrawn.is_empty() {
                out.push(self.caption(i, CaptionKind::Gloss, Vec::new()));
            }
        }
        self.told = open.into_iter().map(|caption| caption.text).collect();
    }

    /// Makes everything final and starts the next utterance.
    pub(super) fn finish(&mut self, out: &mut Vec<Caption>) {
        self.close_letters(out);
        for i in (0..self.told.len()).filter(|i| !self.told[*i].is_empty()) {
            out.push(self.caption(i, CaptionKind::Gloss, Vec::new()));
        }
        (self.next, self.last_word) = (0, None);
        self.told.clear();
    }

    /// The captions that committed letters and pending runs would make, none of them final.
    fn open(&self, pending: &[Run]) -> Vec<Caption> {
        let mut groups: Vec<(CaptionKind, Vec<Token>)> = Vec::new();
        if !self.letters.is_empty() {
            groups.push((CaptionKind::Fingerspelling, self.letters.clone()));
        }
        let mut last_word = self.last_word;
        for run in pending {
            let token = self.token(run, false);
            match (self.kind(run), groups.last_mut()) {
                (Kind::Letter, Some((CaptionKind::Fingerspelling, letters)))
                    if self.joins(letters.last(), run.start_ms) =>
                {
                    letters.push(token);
                }
                (Kind::Letter, _) => groups.push((CaptionKind::Fingerspelling, vec![token])),
                (Kind::Word, _) if self.repeats(last_word, run) => {}
                (Kind::Word, _) => groups.push((CaptionKind::Gloss, vec![token])),
            }
            if self.kind(run) == Kind::Word {
                last_word = Some((run.class, run.end_ms));
            }
        }
        let number = |(i, (kind, tokens))| self.caption(i, kind, tokens);
        groups.into_iter().enumerate().map(number).collect()
    }

    fn close_letters(&mut self, out: &mut Vec<Caption>) {
        if !self.letters.is_empty() {
            let letters = std::mem::take(&mut self.letters);
            self.tell_final(CaptionKind::Fingerspelling, letters, out);
            self.last_word = None;
        }
    }

    fn tell_final(&mut self, kind: CaptionKind, tokens: Vec<Token>, out: &mut Vec<Caption>) {
        out.push(Caption { is_final: true, ..self.caption(0, kind, tokens) });
        self.next += 1;
        if !self.told.is_empty() {
            self.told.remove(0);
        }
    }

    /// An open caption, `index` after the last final.
    fn caption(&self, index: usize, kind: CaptionKind, tokens: Vec<Token>) -> Caption {
        let text = tokens.iter().map(|token| token.text.as_str()).collect();
        Caption { ordinal: self.next + index as u32, is_final: false, text, kind, tokens }
    }

    /// Whether a letter that starts then would join that one.
    fn joins(&self, last: Option<&Token>, start_ms: u64) -> bool {
        last.is_some_and(|last| start_ms.saturating_sub(last.end_ms) < self.letter_close_ms)
    }

    /// Whether a word is the last one over again.
    fn repeats(&self, last: Option<(usize, u64)>, run: &Run) -> bool {
        last.is_some_and(|(class, end_ms)| {
            class == run.class && run.start_ms.saturating_sub(end_ms) < self.repeat_ms
        })
    }

    fn kind(&self, run: &Run) -> Kind {
        self.vocabulary[run.class - 1].kind
    }

    fn token(&self, run: &Run, stable: bool) -> Token {
        Token {
            text: self.vocabulary[run.class - 1].text.clone(),
            start_ms: run.start_ms,
            end_ms: run.end_ms,
            confidence: self.calibration.apply(run.confidence()),
            stable,
        }
    }
}
