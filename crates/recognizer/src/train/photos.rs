//! Training sequences from photographs: one is held up, then another or nothing, with other light,
//! another camera, another place in the picture each time. What is not in the photographs has to be
//! made up: empty walls, hands too near or half outside, one fading into the next.

use std::f32::consts::PI;

use super::Variety;
use super::data::Clip;
use super::material::Source;
use super::random::Dice;
use super::splice::Sequence;
use crate::features::Senses;
use crate::features::TICK_US;
use crate::features::picture::{EDGE, Gray, Picture};
use crate::model::{BLANK, Input};

/// Frames of a sequence.
const FRAMES: usize = 8;
/// Frames that one photograph fades into the next, at most.
const FADE: usize = 2;
/// Places sampled for each pixel, along each axis: a photograph has more pixels than the model sees.
const SAMPLES: usize = 2;

/// Photographs to draw from.
pub struct Photos {
    clips: Vec<Clip<Gray>>,
    classes: Vec<u32>,
    /// The photographs of each class.
    by_class: Vec<Vec<usize>>,
}

impl Source<Gray> for Photos {
    fn new(clips: Vec<Clip<Gray>>, class: &dyn Fn(&str) -> u32, _: Variety) -> Self {
        let classes: Vec<u32> = clips.iter().map(|clip| class(&clip.label)).collect();
        let last = classes.iter().max().copied().unwrap_or(BLANK as u32);
        let of = |class: u32| (0..clips.len()).filter(|&i| classes[i] == class).collect();
        let by_class: Vec<Vec<usize>> =
            (0..=last).map(of).filter(|all: &Vec<usize>| !all.is_empty()).collect();
        Self { clips, classes, by_class }
    }

    fn clips(&self) -> &[Clip<Gray>] {
        &self.clips
    }

    fn sequence(&self, dice: &mut Dice) -> Sequence {
        let (first, second) = (self.scene(dice), self.scene(dice));
        // Often the first one stays to the end.
        let change = if dice.chance(0.4) { FRAMES } else { 1 + dice.below(FRAMES - 1) };
        let fade = dice.below(FADE + 1);
        let mut senses = Senses::new(Input::Images);
        let (mut features, mut allowed) = (Vec::new(), Vec::new());
        for index in 0..FRAMES {
            let shown = |scene: &Scene, dice: &mut Dice| scene.show(&self.clips, dice);
            let (grays, set) = if index < change {
                (shown(&first, dice), vec![first.class])
            } else if index < change + fade {
                let share = (index - change + 1) as f32 / (fade + 1) as f32;
                let (a, b) = (shown(&first, dice), shown(&second, dice));
                let mixed = a.iter().zip(&b).map(|(a, b)| a + (b - a) * share).collect();
                (mixed, sorted(vec![BLANK as u32, first.class, second.class]))
            } else if index == change + fade {
                (shown(&second, dice), sorted(vec![BLANK as u32, first.class, second.class]))
            } else {
                (shown(&second, dice), vec![second.class])
            };
            let pixels = grays.iter().map(|gray| gray.clamp(0.0, 255.0).round() as u8).collect();
            let picture = Picture::new(index as u64 * TICK_US, pixels);
            let Some(picture) = picture else { continue };
            let (_, numbers) = senses.push(&picture.into());
            features.extend_from_slice(numbers.unwrap_or_default());
            allowed.push(set);
        }
        let mut signs = vec![first.class];
        if change < FRAMES && second.class != first.class {
            signs.push(second.class);
        }
        signs.retain(|&class| class != BLANK as u32);
        Sequence { features, allowed, signs }
    }
}

fn sorted(mut classes: Vec<u32>) -> Vec<u32> {
    classes.sort_unstable();
    classes.dedup();
    classes
}

impl Photos {
    /// Something to hold up: mostly a photograph of any class, sometimes nothing that says anything.
    fn scene(&self, dice: &mut Dice) -> Scene {
        let class = &self.by_class[dice.below(self.by_class.len())];
        let photo = class[dice.below(class.len())];
        let kind = dice.even(0.0, 1.0);
        let mut view = View::random(dice);
        let mut class = self.classes[photo];
        let mut photo = Some(photo);
        if kind < 0.05 {
            photo = None;
            class = BLANK as u32;
        } else if kind < 0.11 {
            view.nothing_to_see(dice);
            class = BLANK as u32;
        }
        Scene { photo, class, view, light: Light::random(dice) }
    }
}

/// What is held up, and how it is filmed.
struct Scene {
    /// None: an empty wall.
    photo: Option<usize>,
    class: u32,
    view: View,
    light: Light,
}

impl Scene {
    /// One frame: `EDGE · EDGE` grays. Hands are never quite still.
    fn show(&self, clips: &[Clip<Gray>], dice: &mut Dice) -> Vec<f32> {
        let shake = [dice.normal(0.006), dice.normal(0.006)];
        let plain = |_: f32, _: f32| 170.0;
        let mut grays = match self.photo {
            Some(photo) => {
                let gray = &clips[photo].frames;
                let edge = gray.width() as f32;
                self.view
                    .film(shake, |x, y| gray.at((x + 0.5) * edge - 0.5, (y + 0.5) * edge - 0.5))
            }
            None => self.view.film(shake, plain),
        };
        self.light.shine(&mut grays, dice);
        grays
    }
}

/// Where in the picture the photograph lies. Both measure from −0.5 to 0.5.
struct View {
    /// From places in the picture to places in the photograph.
    matrix: [f32; 4],
    shift: [f32; 2],
}

impl View {
    fn random(dice: &mut Dice) -> Self {
        let angle = dice.normal(0.16).clamp(-0.45, 0.45);
        let size = dice.even(0.78, 1.2);
        let (wide, high) = (size * dice.even(0.9, 1.1), size * dice.even(0.9, 1.1));
        let shear = dice.even(-0.12, 0.12);
        let mirror = if dice.chance(0.5) { -1.0 } else { 1.0 };
        let (sin, cos) = angle.sin_cos();
        let matrix = [mirror * wide * cos, mirror * (shear - sin) * high, wide * sin, high * cos];
        Self { matrix, shift: [dice.even(-0.1, 0.1), dice.even(-0.1, 0.1)] }
    }

    /// Goes so near, or so far to the side, that no hand can be made out.
    fn nothing_to_see(&mut self, dice: &mut Dice) {
        if dice.chance(0.5) {
            let near = dice.even(0.12, 0.25);
            self.matrix = self.matrix.map(|value| value * near);
            self.shift = [dice.even(-0.4, 0.4), dice.even(-0.45, 0.4)];
        } else {
            let (angle, far) = (dice.even(-PI, PI), dice.even(0.75, 1.1));
            // Downward, an arm would remain.
            self.shift = [far * angle.cos(), -far * angle.sin().abs()];
        }
    }

    fn film(&self, shake: [f32; 2], gray: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let [a, b, c, d] = self.matrix;
        let step = 1.0 / (EDGE * SAMPLES) as f32;
        let place = |index: usize| (index as f32 + 0.5) * step - 0.5;
        let mut out = vec![0.0; EDGE * EDGE];
        for row in 0..EDGE * SAMPLES {
            for column in 0..EDGE * SAMPLES {
                let (x, y) = (place(column) + shake[0], place(row) + shake[1]);
                let (from_x, from_y) =
                    (a * x + b * y + self.shift[0], c * x + d * y + self.shift[1]);
                out[row / SAMPLES * EDGE + column / SAMPLES] += gray(from_x, from_y);
            }
        }
        out.iter().map(|sum| sum / (SAMPLES * SAMPLES) as f32).collect()
    }
}

/// Light, camera, something in the way.
struct Light {
    gamma: f32,
    gain: f32,
    slope: [f32; 2],
    noise: f32,
    /// Left, top, right, bottom (pixels) and gray of something in the way.
    cover: Option<([usize; 4], f32)>,
}

impl Light {
    fn random(dice: &mut Dice) -> Self {
        let cover = dice.chance(0.25).then(|| {
            let size = [4 + dice.below(EDGE / 4), 4 + dice.below(EDGE / 4)];
            let (left, top) = (dice.below(EDGE - size[0]), dice.below(EDGE - size[1]));
            ([left, top, left + size[0], top + size[1]], dice.even(20.0, 230.0))
        });
        Self {
            gamma: dice.normal(0.25).clamp(-0.6, 0.6).exp(),
            gain: dice.even(0.6, 1.15),
            slope: [dice.normal(25.0), dice.normal(25.0)],
            noise: dice.even(0.0, 8.0),
            cover,
        }
    }

    fn shine(&self, grays: &mut [f32], dice: &mut Dice) {
        for (index, gray) in grays.iter_mut().enumerate() {
            let (row, column) = (index / EDGE, index % EDGE);
            let place = |at: usize| at as f32 / EDGE as f32 - 0.5;
            let slope = self.slope[0] * place(column) + self.slope[1] * place(row);
            let covered = |([left, top, right, bottom], _): &&([usize; 4], f32)| {
                (*left..*right).contains(&column) && (*top..*bottom).contains(&row)
            };
            let lit = 255.0 * self.gain * (*gray / 255.0).powf(self.gamma) + slope;
            let lit = self.cover.as_ref().filter(covered).map_or(lit, |(_, gray)| *gray);
            *gray = lit + dice.even(-self.noise, self.noise);
        }
    }
}
