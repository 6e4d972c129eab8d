//! Training sequences: clips of one signer joined into something like a signed sentence, with
//! the classes that each frame may be said to be.

use clips::landmarks::{Frame, Point};

use super::Variety;
use super::augment::{Scene, between, clock, film_at, interval, palm, perform, shoulders};
use super::data::Clip;
use super::material::Source;
use super::random::Dice;
use super::wander::{poses, wander};
use crate::features::{Extractor, FEATURES};
use crate::model::BLANK;

/// Frames a sequence has at most; a longer one is cut.
pub(crate) const MAX_FRAMES: usize = 96;
/// Clips that are joined.
const CLIPS: (usize, usize) = (3, 5);
/// The first part of a sign may still be blank.
const OPENING: f32 = 0.4;
/// The first frames after a sign may still belong to it.
const ENDING: usize = 4;
/// Frames that a photograph is shown.
const STILL_FRAMES: usize = 20;
/// How often a photographed letter counts, in clips.
const STILL_CLIPS: f32 = 40.0;

/// A sequence to learn from.
pub struct Sequence {
    /// The numbers of one frame after the other.
    pub(crate) features: Vec<f32>,
    /// For each frame the classes that are right.
    pub(crate) allowed: Vec<Vec<u32>>,
    /// The signs in their order.
    pub(crate) signs: Vec<u32>,
}

/// What a sequence is made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// Clips with a body.
    Signing,
    /// Clips without one.
    Hands,
    /// Both; those without a body are given one.
    Mixed,
}

/// Clips to draw from, by chance proportional to the square root of their label's frequency.
struct Pool {
    mode: Mode,
    share: f32,
    clips: Vec<usize>,
    upto: Vec<f32>,
}

impl Pool {
    fn draw(&self, dice: &mut Dice) -> usize {
        let at = dice.even(0.0, self.upto.last().copied().unwrap_or(0.0));
        let index = self.upto.partition_point(|&upto| upto <= at);
        self.clips[index.min(self.clips.len() - 1)]
    }
}

/// The training clips, and how to make sequences from them.
pub struct Corpus {
    clips: Vec<Clip>,
    classes: Vec<u32>,
    pools: Vec<Pool>,
    donors: Vec<usize>,
    variety: Variety,
}

impl Source<Vec<Frame>> for Corpus {
    fn new(clips: Vec<Clip>, class: &dyn Fn(&str) -> u32, variety: Variety) -> Self {
        let classes: Vec<u32> = clips.iter().map(|clip| class(&clip.label)).collect();
        let body: Vec<bool> = clips.iter().map(Clip::has_body).collect();
        let mut signers: Vec<&str> = clips.iter().map(|clip| clip.signer.as_str()).collect();
        signers.sort_unstable();
        signers.dedup();
        let mut pools = Vec::new();
        for signer in signers {
            for (mode, weight) in [(Mode::Signing, 1.0), (Mode::Hands, 0.4), (Mode::Mixed, 0.4)] {
                let fits = |&index: &usize| {
                    let clip = &clips[index];
                    let own = clip.signer == signer || (clip.stills && mode != Mode::Signing);
                    own && match mode {
                        Mode::Signing => body[index],
                        Mode::Hands => !body[index],
                        Mode::Mixed => true,
                    }
                };
                let members: Vec<usize> = (0..clips.len()).filter(fits).collect();
                let own = members.iter().any(|&index| !clips[index].stills);
                if own {
                    pools.push(pool(mode, weight, members, &clips, &classes));
                }
            }
        }
        let donors = (0..clips.len()).filter(|&index| body[index]).collect();
        Self { clips, classes, pools, donors, variety }
    }

    fn clips(&self) -> &[Clip] {
        &self.clips
    }

    fn sequence(&self, dice: &mut Dice) -> Sequence {
        let pool = self.pool(dice);
        let donor = (pool.mode == Mode::Mixed && !self.donors.is_empty())
            .then(|| &self.clips[self.donors[dice.below(self.donors.len())]]);
        let slow = self.variety.slow;
        let interval = if slow > 0.0 { interval(slow, dice) } else { 1.0 };
        let mut story = Story::default();
        story.pause(dice, 0.3, None);
        let count = CLIPS.0 + dice.below(CLIPS.1 - CLIPS.0 + 1);
        for _ in 0..count {
            let (mut frames, class) = self.take(pool, interval, dice);
            if let Some(donor) = donor.filter(|_| frames.iter().all(|f| f.body.is_none())) {
                graft(&mut frames, donor, dice);
            }
            story.add(frames, class, dice);
            story.pause(dice, 0.12, donor);
        }
        let signs = story.cut();
        Scene::random(dice).film(&mut story.frames);
        if slow > 0.0 {
            film_at(interval, &mut story.frames, dice);
        } else {
            clock(&mut story.frames);
        }
        Sequence { features: extract(&story.frames), allowed: story.allowed, signs }
    }
}

impl Corpus {
    /// One clip of the pool as it might have been performed, or hands that say nothing.
    fn take(&self, pool: &Pool, interval: f32, dice: &mut Dice) -> (Vec<Frame>, u32) {
        let wander_share = self.variety.wander;
        if pool.mode == Mode::Signing && wander_share > 0.0 && dice.chance(wander_share) {
            let poses: Vec<&Clip> = (0..poses(dice))
                .map(|_| &self.clips[pool.draw(dice)])
                .filter(|clip| !clip.stills)
                .collect();
            return (wander(&poses, dice), BLANK as u32);
        }
        let index = pool.draw(dice);
        let clip = &self.clips[index];
        let frames = if clip.stills {
            let photo = clip.frames[dice.below(clip.frames.len())].clone();
            perform(&vec![photo; STILL_FRAMES], interval, dice)
        } else {
            perform(&clip.frames, interval, dice)
        };
        (frames, self.classes[index])
    }

    fn pool(&self, dice: &mut Dice) -> &Pool {
        let total: f32 = self.pools.iter().map(|pool| pool.share).sum();
        let mut at = dice.even(0.0, total);
        for pool in &self.pools {
            at -= pool.share;
            if at < 0.0 {
                return pool;
            }
        }
        &self.pools[self.pools.len() - 1]
    }
}

fn pool(mode: Mode, weight: f32, members: Vec<usize>, clips: &[Clip], classes: &[u32]) -> Pool {
    let size = |index: usize| if clips[index].stills { STILL_CLIPS } else { 1.0 };
    let mut counts = std::collections::BTreeMap::new();
    for &index in &members {
        *counts.entry(classes[index]).or_insert(0.0) += size(index);
    }
    let mut sum = 0.0;
    let upto = members
        .iter()
        .map(|&index| {
            let count: f32 = counts[&classes[index]];
            sum += size(index) * count.sqrt() / count;
            sum
        })
        .collect();
    Pool { mode, share: weight * (members.len() as f32).sqrt(), clips: members, upto }
}

/// The features of a whole stream.
pub(crate) fn extract(frames: &[Frame]) -> Vec<f32> {
    let mut extractor = Extractor::new();
    let mut features = Vec::with_capacity(frames.len() * FEATURES);
    for frame in frames {
        features.extend_from_slice(extractor.push(frame).unwrap_or_default());
    }
    features
}

/// A sequence in the making.
#[derive(Default)]
struct Story {
    frames: Vec<Frame>,
    allowed: Vec<Vec<u32>>,
    /// Each sign and the frame in its middle.
    signs: Vec<(u32, usize)>,
    last: Option<u32>,
}

impl Story {
    /// Adds a sign; sometimes the hands need a moment to get there.
    fn add(&mut self, frames: Vec<Frame>, class: u32, dice: &mut Dice) {
        if let (Some(from), Some(to), true) = (self.frames.last(), frames.first(), dice.chance(0.3))
        {
            let (from, steps) = (from.clone(), 1 + dice.below(4));
            for step in 1..=steps {
                let share = step as f32 / (steps + 1) as f32;
                self.frames.push(between(&from, to, share));
                self.allowed.push(self.open(class));
            }
        }
        let opening = (frames.len() as f32 * OPENING) as usize;
        if class != BLANK as u32 {
            self.signs.push((class, self.frames.len() + frames.len() / 2));
        }
        for (index, frame) in frames.into_iter().enumerate() {
            let mut allowed = vec![class];
            if index < opening && class != BLANK as u32 {
                allowed.push(BLANK as u32);
            }
            let ends = |&last: &u32| index < ENDING && !allowed.contains(&last);
            let last = self.last.filter(ends);
            allowed.extend(last);
            self.frames.push(frame);
            self.allowed.push(allowed);
        }
        self.last = Some(class);
    }

    /// Cuts what is too long; the signs of which more than half is left.
    fn cut(&mut self) -> Vec<u32> {
        self.frames.truncate(MAX_FRAMES);
        self.allowed.truncate(MAX_FRAMES);
        let left = self.signs.iter().filter(|(_, middle)| *middle < MAX_FRAMES);
        left.map(|(class, _)| *class).collect()
    }

    /// What may be said between the last sign and the next.
    fn open(&self, next: u32) -> Vec<u32> {
        let mut allowed = vec![BLANK as u32, next];
        allowed.extend(self.last);
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }

    /// With that probability, a moment in which the hands are gone or rest.
    fn pause(&mut self, dice: &mut Dice, probability: f32, donor: Option<&Clip>) {
        if !dice.chance(probability) {
            return;
        }
        let Some(mut rest) = self.frames.last().or(donor.and_then(|d| d.frames.first())).cloned()
        else {
            return;
        };
        (rest.left, rest.right) = (None, None);
        for index in 0..3 + dice.below(10) {
            let mut allowed = vec![BLANK as u32];
            if index < ENDING {
                allowed.extend(self.last.filter(|&last| last != BLANK as u32));
            }
            self.frames.push(rest.clone());
            self.allowed.push(allowed);
        }
        self.last = None;
    }
}

/// Gives hands filmed alone the body of another clip, at a likely place and size.
fn graft(frames: &mut [Frame], donor: &Clip, dice: &mut Dice) {
    let Some(width) = shoulders(&donor.frames) else { return };
    let size = dice.even(0.28, 0.42) * width;
    let (out, down) = (dice.even(-0.2, 0.5) * width, dice.even(-0.1, 0.8) * width);
    let (mut from, mut to) = ([None; 2], [None; 2]);
    for (index, frame) in frames.iter_mut().enumerate() {
        let given = &donor.frames[index.min(donor.frames.len() - 1)];
        let Some(mut body) = given.body else { continue };
        let middle = f32::midpoint(body[11].x, body[12].x);
        for (side, hand) in [&mut frame.left, &mut frame.right].into_iter().enumerate() {
            let Some(points) = hand else { continue };
            let shoulder = body[11 + side];
            let outward = (shoulder.x - middle).signum();
            let (origin, factor) =
                *from[side].get_or_insert((points[0], size / palm(points).max(1.0)));
            let place = *to[side].get_or_insert((shoulder.x + outward * out, shoulder.y + down));
            for point in points.iter_mut() {
                point.x = place.0 + (point.x - origin.x) * factor;
                point.y = place.1 + (point.y - origin.y) * factor;
                point.z *= factor;
            }
            body[15 + side] = Point { z: 0.0, confidence: 0.9, ..points[0] };
            body[13 + side] = Point {
                x: f32::midpoint(shoulder.x, points[0].x) + outward * 0.15 * width,
                y: shoulder.y.max(points[0].y) + 0.1 * width,
                z: 0.0,
                confidence: 0.8,
            };
        }
        frame.body = Some(body);
    }
}
