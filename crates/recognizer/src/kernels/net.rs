//! The model that serves on the CPU: the whole net, with the past of each stream in rings.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::dense::{Dense, Finish, Places, Rows};
use super::element::{log_softmax, mix, norms};
use super::isa::Isa;
use super::pictures;
use crate::features::{BODY, BODY_PRESENT, FEATURES, HAND, HAND_PRESENT};
use crate::model::net::check;
use crate::model::trunk::Shape;
use crate::model::{Architecture, Hop, Model, ModelError, ModelSpec, Normalization, StreamState};

type Named = BTreeMap<String, Tensor>;

/// A model computed by the kernels.
pub struct KernelModel {
    spec: ModelSpec,
    isa: Isa,
    shape: Shape,
    front: Front,
    blocks: Vec<Block>,
    head: Dense,
    scratch: Scratch,
}

enum Front {
    Landmarks(Box<Hands>),
    Pixels(Box<pictures::Front>),
}

/// Hands and body; the normalization is folded into the first layers.
struct Hands {
    /// Right, left.
    sides: [Dense; 2],
    second: Dense,
    body: [Dense; 2],
    join: Dense,
    first: Vec<f32>,
    joined: Vec<f32>,
}

struct Block {
    inward: Dense,
    taps: Vec<f32>,
    outward: Dense,
    dilation: usize,
    /// Frames of the past.
    context: usize,
    /// Where this block's ring begins in the state.
    ring: usize,
}

/// Numbers on their way, kept so that no step allocates.
#[derive(Default)]
struct Scratch {
    features: Vec<f32>,
    trunk: Vec<f32>,
    inner: Vec<f32>,
    mixed: Vec<f32>,
    scales: Vec<f32>,
    logits: Vec<f32>,
}

/// The numbers of one weight.
fn numbers(weights: &Named, name: &str) -> Result<Vec<f32>, ModelError> {
    let missing = || ModelError::Mismatch(format!("the weight {name} is missing"));
    Ok(weights.get(name).ok_or_else(missing)?.flatten_all()?.to_vec1::<f32>()?)
}

/// A dense layer on `(x − mean) · scale`, or on x as it is.
fn dense(
    isa: Isa,
    weights: &Named,
    name: &str,
    before: Option<(&[f32], &[f32])>,
) -> Result<Dense, ModelError> {
    let mut weight = numbers(weights, &format!("{name}.weight"))?;
    let mut bias = numbers(weights, &format!("{name}.bias"))?;
    if let Some((mean, scale)) = before {
        for ((row, mean), scale) in weight.chunks_exact_mut(bias.len()).zip(mean).zip(scale) {
            for (weight, bias) in row.iter_mut().zip(&mut bias) {
                *weight *= scale;
                *bias -= mean * *weight;
            }
        }
    }
    Ok(Dense::new(isa, &weight, &bias))
}

/// A dense layer on x times the norm's weights; the norm itself is a factor for each row.
fn normed(
    isa: Isa,
    weights: &Named,
    name: &str,
    norm: &str,
    factor: f32,
) -> Result<Dense, ModelError> {
    let norm = numbers(weights, norm)?;
    let mut weight = numbers(weights, &format!("{name}.weight"))?;
    let bias: Vec<f32> =
        numbers(weights, &format!("{name}.bias"))?.iter().map(|bias| bias * factor).collect();
    for (row, norm) in weight.chunks_exact_mut(bias.len()).zip(norm) {
        for weight in row {
            *weight *= norm * factor;
        }
    }
    Ok(Dense::new(isa, &weight, &bias))
}

impl Hands {
    fn new(isa: Isa, weights: &Named, n: &Normalization) -> Result<Self, ModelError> {
        if n.mean.len() != FEATURES || n.scale.len() != FEATURES {
            let found = n.mean.len();
            let problem = format!(
                "it was trained on {found} features a frame, this program makes {FEATURES}"
            );
            return Err(ModelError::Mismatch(problem));
        }
        let part =
            |from: usize, len: usize| Some((&n.mean[from..from + len], &n.scale[from..from + len]));
        Ok(Self {
            sides: [
                dense(isa, weights, "hand.0", part(0, HAND))?,
                dense(isa, weights, "hand.0", part(HAND, HAND))?,
            ],
            second: dense(isa, weights, "hand.1", None)?,
            body: [
                dense(isa, weights, "body.0", part(2 * HAND, BODY))?,
                dense(isa, weights, "body.1", None)?,
            ],
            join: dense(isa, weights, "join", None)?,
            first: Vec::new(),
            joined: Vec::new(),
        })
    }

    fn run(&mut self, features: &[f32], out: &mut [f32]) {
        let count = features.len() / FEATURES;
        let (hand, body) = (self.second.outputs(), self.body[1].outputs());
        let stride = 2 * hand + body;
        self.joined.resize(count * stride, 0.0);
        let parts = [
            (&self.sides[0], &self.second, 0, 0, HAND_PRESENT),
            (&self.sides[1], &self.second, HAND, hand, HAND + HAND_PRESENT),
            (&self.body[0], &self.body[1], 2 * HAND, 2 * hand, 2 * HAND + BODY_PRESENT),
        ];
        for (first, second, from, to, present) in parts {
            let width = first.outputs();
            self.first.resize(count * width, 0.0);
            let rows = Rows::every(FEATURES, &features[from..], count);
            first.run(rows, None, Finish::Silu, &mut self.first, Places::Every(width));
            let rows = Rows::every(width, &self.first, count);
            let joined = &mut self.joined[to..];
            second.run(rows, None, Finish::Silu, joined, Places::Every(stride));
            let all = self.joined.chunks_exact_mut(stride).zip(features.chunks_exact(FEATURES));
            for (joined, features) in all {
                for number in &mut joined[to..to + second.outputs()] {
                    *number *= features[present];
                }
            }
        }
        let rows = Rows::every(stride, &self.joined, count);
        self.join.run(rows, None, Finish::Silu, out, Places::Every(self.join.outputs()));
    }
}

impl KernelModel {
    /// Checks that description and weights fit each other and this program.
    pub fn new(spec: ModelSpec, weights: &Named, isa: Isa) -> Result<Self, ModelError> {
        check(&spec, weights)?;
        let shape = spec.architecture.shape();
        let front = match &spec.architecture {
            Architecture::Landmarks(_) => {
                Front::Landmarks(Box::new(Hands::new(isa, weights, &spec.normalization)?))
            }
            Architecture::Pixels(sizes) => {
                let convolution = |index| dense(isa, weights, &format!("conv.{index}"), None);
                let convolutions = (0..sizes.channels.len()).map(convolution);
                let convolutions = convolutions.collect::<Result<_, _>>()?;
                let join = dense(isa, weights, "join", None)?;
                Front::Pixels(Box::new(pictures::Front::new(convolutions, join)))
            }
        };
        let mut ring = 0;
        let mut blocks = Vec::with_capacity(shape.dilations.len());
        for (index, &dilation) in shape.dilations.iter().enumerate() {
            let context = shape.context(index);
            blocks.push(Block {
                inward: normed(
                    isa,
                    weights,
                    &format!("block.{index}.in"),
                    &format!("block.{index}.norm"),
                    1.0,
                )?,
                taps: numbers(weights, &format!("block.{index}.taps"))?,
                outward: dense(isa, weights, &format!("block.{index}.out"), None)?,
                dilation,
                context,
                ring,
            });
            ring += context * shape.inner();
        }
        let head = normed(isa, weights, "head", "norm", 1.0 / spec.temperature)?;
        Ok(Self { spec, isa, shape, front, blocks, head, scratch: Scratch::default() })
    }

    /// The rings, and how many frames went into them.
    fn state_len(&self) -> usize {
        self.shape.state_len() + 1
    }
}

impl Block {
    /// One stream's frames through the convolution over time and into the ring. `inner` and `mixed`
    /// hold its rows; `seen` frames went before.
    fn mix(&self, isa: Isa, ring: &mut [f32], seen: usize, inner: &[f32], mixed: &mut [f32]) {
        let width = self.inward.outputs();
        let taps = self.taps.len() / width;
        let mut rows: Vec<&[f32]> = Vec::with_capacity(taps);
        for (frame, out) in mixed.chunks_exact_mut(width).enumerate() {
            rows.clear();
            for tap in 0..taps {
                let back = (taps - 1 - tap) * self.dilation;
                rows.push(if back <= frame {
                    &inner[(frame - back) * width..][..width]
                } else {
                    // A ring as long as the largest step back; before the stream there are zeros.
                    let place = (seen + frame + self.context - back) % self.context;
                    &ring[place * width..][..width]
                });
            }
            mix(isa, &rows, &self.taps, out);
        }
        let frames = inner.chunks_exact(width).enumerate();
        for (frame, row) in frames.filter(|_| self.context > 0) {
            let place = (seen + frame) % self.context;
            ring[place * width..][..width].copy_from_slice(row);
        }
    }
}

impl Model for KernelModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn new_state(&self) -> StreamState {
        StreamState(vec![0.0; self.state_len()], None)
    }

    fn step(&mut self, hops: &mut [Hop<'_>]) -> Result<(), ModelError> {
        let count = self.count(hops)?;
        if count == 0 {
            return Ok(());
        }
        let frame = self.spec.input.frame_len();
        let (isa, width) = (self.isa, self.shape.width);
        let s = &mut self.scratch;
        s.trunk.resize(count * width, 0.0);
        s.scales.resize(count, 0.0);
        match &mut self.front {
            Front::Landmarks(hands) => {
                s.features.clear();
                for hop in &*hops {
                    s.features.extend_from_slice(hop.features);
                }
                hands.run(&s.features, &mut s.trunk);
            }
            Front::Pixels(front) => {
                let frames = hops.iter().flat_map(|hop| hop.features.chunks_exact(frame));
                front.run(frames, &mut s.trunk);
            }
        }
        for index in 0..self.blocks.len() {
            self.block(index, hops);
        }
        let s = &mut self.scratch;
        norms(isa, &s.trunk, width, &mut s.scales);
        let classes = self.spec.classes();
        s.logits.resize(count * classes, 0.0);
        let rows = Rows::every(width, &s.trunk, count);
        let places = Places::Every(classes);
        self.head.run(rows, Some(&s.scales), Finish::Store, &mut s.logits, places);
        log_softmax(isa, &mut s.logits, classes);
        let mut at = 0;
        for hop in hops {
            let frames = hop.features.len() / frame;
            hop.log_probs.extend_from_slice(&s.logits[at..at + frames * classes]);
            at += frames * classes;
            if let Some(seen) = hop.state.0.last_mut() {
                // Counted in the bits of a number, which nothing computes with.
                *seen = f32::from_bits(seen.to_bits().wrapping_add(frames as u32));
            }
        }
        Ok(())
    }
}

impl KernelModel {
    /// How many frames the hops have; or what is wrong with one of them.
    fn count(&self, hops: &[Hop<'_>]) -> Result<usize, ModelError> {
        let (frame, expected) = (self.spec.input.frame_len(), self.state_len());
        let mut count = 0;
        for hop in hops {
            let (found, state) = (hop.features.len(), hop.state.0.len());
            if !found.is_multiple_of(frame) {
                return Err(ModelError::Features { found, frame });
            }
            if state != expected {
                return Err(ModelError::State { found: state, expected });
            }
            count += found / frame;
        }
        Ok(count)
    }

    /// One block, for all hops.
    fn block(&mut self, index: usize, hops: &mut [Hop<'_>]) {
        let (block, s) = (&self.blocks[index], &mut self.scratch);
        let (isa, width, inner) = (self.isa, self.shape.width, self.shape.inner());
        let count = s.scales.len();
        s.inner.resize(count * inner, 0.0);
        s.mixed.resize(count * inner, 0.0);
        norms(isa, &s.trunk, width, &mut s.scales);
        let rows = Rows::every(width, &s.trunk, count);
        let places = Places::Every(inner);
        block.inward.run(rows, Some(&s.scales), Finish::Silu, &mut s.inner, places);
        let mut at = 0;
        for hop in hops.iter_mut() {
            let end = at + hop.features.len() / self.spec.input.frame_len() * inner;
            let last = hop.state.0.len() - 1;
            let (past, seen) = hop.state.0.split_at_mut(last);
            let ring = &mut past[block.ring..block.ring + block.context * inner];
            let seen = seen[0].to_bits() as usize;
            block.mix(isa, ring, seen, &s.inner[at..end], &mut s.mixed[at..end]);
            at = end;
        }
        let rows = Rows::every(inner, &s.mixed, count);
        block.outward.run(rows, None, Finish::Add, &mut s.trunk, Places::Every(width));
    }
}
