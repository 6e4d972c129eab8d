//! What is likely to be said: names and phrases that a room expects. A path that spells or signs
//! along one of them is lent evidence for each label after the first, and gives it back where it
//! leaves the phrase before its end. What was committed meanwhile stays.

use std::collections::BTreeMap;

use crate::model::Label;

/// Phrases that are used; more are not looked at.
pub const MAX_PHRASES: usize = 200;
/// Labels of a phrase that are used.
pub const MAX_LABELS: usize = 32;
/// Where nothing of a phrase has been said.
const START: usize = 0;

/// All phrases as one tree of classes.
#[derive(Debug, Clone)]
pub(super) struct Phrases {
    nodes: Vec<Node>,
    evidence: f32,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// What comes after it, by class.
    next: BTreeMap<usize, usize>,
    /// Whether a phrase ends here.
    ends: bool,
}

/// How far a path is in a phrase, and what it was lent for it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Place {
    node: usize,
    /// Evidence lent for labels so far, nats; given back where the phrase is left.
    pub(super) lent: f32,
}

impl Phrases {
    /// Phrases of signs and spelled words, parted by spaces; one with a letter that the vocabulary
    /// lacks is left out.
    pub(super) fn new(vocabulary: &[Label], phrases: &[String], evidence: f32) -> Self {
        let class = |text: &str| vocabulary.iter().position(|l| l.text == text).map(|i| i + 1);
        let spell = |word: &str| -> Option<Vec<usize>> {
            match class(word) {
                Some(sign) => Some(vec![sign]),
                None => word.chars().map(|letter| class(&letter.to_string())).collect(),
            }
        };
        let mut all = Self { nodes: vec![Node::default()], evidence };
        for phrase in phrases.iter().take(MAX_PHRASES) {
            let phrase = phrase.to_lowercase();
            let labels: Option<Vec<Vec<usize>>> = phrase.split_whitespace().map(spell).collect();
            let mut at = START;
            for class in labels.into_iter().flatten().flatten().take(MAX_LABELS) {
                let new = all.nodes.len();
                let node = *all.nodes[at].next.entry(class).or_insert(new);
                if node == new {
                    all.nodes.push(Node::default());
                }
                at = node;
            }
            all.nodes[at].ends = at != START;
        }
        all
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes[START].next.is_empty()
    }

    /// The place after a path at `from` says `class`, where that goes on with its phrase, and the
    /// evidence it is lent for it: none for a phrase's first label, which may begin anything.
    pub(super) fn on(&self, from: Place, class: usize) -> Option<(Place, f32)> {
        let node = *self.nodes[from.node].next.get(&class)?;
        let gain = if from.node == START { 0.0 } else { self.evidence };
        // At a phrase's end what was lent is kept.
        let lent = if self.nodes[node].ends { 0.0 } else { from.lent + gain };
        Some((Place { node, lent }, gain))
    }
}
