//! Cameras differ: frame rates, picture sizes, depth that is missing or in other units, mirrored
//! pictures, hands alone. What is said must not.

use clips::Frame;
use clips::landmarks::Point;
use recognizer::evaluate::Player;
use recognizer::model::{Model, built_in};
use recognizer::synthetic;

const SENTENCES: [&[&str]; 4] = [
    &["hello", "i", "get", "coffee", "please", "thank-you"],
    &["hello", "small", "tea", "please"],
    &["can", "i", "get", "large", "coffee"],
    &["no", "water", "thank-you"],
];

fn said(model: &mut dyn Model, frames: &[Frame]) -> String {
    let hop = model.spec().hop_frames;
    let mut player = Player::new(model, hop);
    for frame in frames {
        player.push(frame).unwrap();
    }
    player.finish().unwrap().text()
}

/// The same movement, filmed `fps` times a second.
fn filmed(frames: &[Frame], fps: u64) -> Vec<Frame> {
    let last = frames.last().unwrap().time_us;
    (0..=last * fps / 1_000_000).map(|i| at(frames, i * 1_000_000 / fps)).collect()
}

/// Between two frames, points move on straight lines.
fn at(frames: &[Frame], time_us: u64) -> Frame {
    let after = frames.partition_point(|frame| frame.time_us < time_us).min(frames.len() - 1);
    let (a, b) = (&frames[after.saturating_sub(1)], &frames[after]);
    let span = (b.time_us - a.time_us).max(1) as f32;
    let share = time_us.saturating_sub(a.time_us) as f32 / span;
    let nearer = if share < 0.5 { a } else { b };
    let mut frame = Frame { time_us, ..nearer.clone() };
    let mix = |out: &mut [Point], a: &[Point], b: &[Point]| {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            out.x = a.x + (b.x - a.x) * share;
            out.y = a.y + (b.y - a.y) * share;
            out.z = a.z + (b.z - a.z) * share;
        }
    };
    if let (Some(out), Some(a), Some(b)) = (&mut frame.left, &a.left, &b.left) {
        mix(out, a, b);
    }
    if let (Some(out), Some(a), Some(b)) = (&mut frame.right, &a.right, &b.right) {
        mix(out, a, b);
    }
    if let (Some(out), Some(a), Some(b)) = (&mut frame.body, &a.body, &b.body) {
        mix(out, a, b);
    }
    frame
}

/// Every point that was found, changed.
fn each(frames: &[Frame], change: impl Fn(&mut Point)) -> Vec<Frame> {
    let mut frames = frames.to_vec();
    for frame in &mut frames {
        let hands = [&mut frame.left, &mut frame.right].into_iter().flatten().flatten();
        let points = hands.chain(frame.body.iter_mut().flatten());
        points.filter(|point| point.is_present()).for_each(&change);
    }
    frames
}

/// How many of the sentences come out word for word when they are filmed so, for several signers.
fn right(film: impl Fn(&[Frame]) -> Vec<Frame>) -> (usize, usize) {
    let mut model = built_in("asl-basic").unwrap().unwrap();
    let (mut right, mut all) = (0, 0);
    for sentence in SENTENCES {
        for seed in 1..=4 {
            let frames = synthetic::sentence(sentence, seed).unwrap();
            let found = said(model.as_mut(), &film(&frames));
            all += sentence.len();
            right += sentence.len() - edits(sentence, &found).min(sentence.len());
            if found != sentence.join(" ") {
                eprintln!("seed {seed}: {} became {found}", sentence.join(" "));
            }
        }
    }
    (right, all)
}

fn edits(sentence: &[&str], found: &str) -> usize {
    let found: Vec<&str> = found.split_whitespace().collect();
    recognizer::evaluate::align(sentence, &found).total
}

#[test]
fn any_frame_rate_says_the_same() {
    for fps in [10, 12, 15, 20, 24, 25, 30, 50, 60] {
        let (right, all) = right(|frames| filmed(frames, fps));
        assert!(right * 100 >= all * 95, "{fps} frames/s: {right} of {all}");
    }
}

/// What another camera does to a point.
type Change = Box<dyn Fn(&mut Point)>;

#[test]
fn any_camera_says_the_same() {
    let (middle, width) = (320.0, 640.0);
    let cases: [(&str, Change); 6] = [
        (
            "four times the pixels",
            Box::new(|p| (p.x, p.y, p.z) = (2.0 * p.x, 2.0 * p.y, 2.0 * p.z)),
        ),
        (
            "far away, in a corner",
            Box::new(|p| (p.x, p.y, p.z) = (p.x / 3.0 + 400.0, p.y / 3.0, p.z / 3.0)),
        ),
        ("wider pixels", Box::new(move |p| p.x = middle + (p.x - middle) * 1.2)),
        ("narrower pixels", Box::new(move |p| p.x = middle + (p.x - middle) * 0.83)),
        ("no depth", Box::new(|p| p.z = 0.0)),
        ("depth in parts of the width", Box::new(move |p| p.z /= width)),
    ];
    for (name, change) in cases {
        let (right, all) = right(|frames| each(frames, &change));
        assert!(right * 100 >= all * 90, "{name}: {right} of {all}");
    }
}

/// As a mirror shows it: left is right, also in the names of hands and points.
fn mirrored(frames: &[Frame]) -> Vec<Frame> {
    let mut frames = each(frames, |point| point.x = 640.0 - point.x);
    for frame in &mut frames {
        std::mem::swap(&mut frame.left, &mut frame.right);
        if let Some(body) = &mut frame.body {
            for (a, b) in [(1, 4), (2, 5), (3, 6), (7, 8), (9, 10)] {
                body.swap(a, b);
            }
            for left in (11..33).step_by(2) {
                body.swap(left, left + 1);
            }
        }
    }
    frames
}

#[test]
fn a_mirrored_camera_and_a_left_handed_signer_say_the_same() {
    let (right, all) = right(mirrored);
    assert!(right * 100 >= all * 90, "{right} of {all}");
}
