//! Features do not depend on what they should not depend on.

use clips::landmarks::{Frame, Point};

use super::{BODY_PRESENT, Extractor, FEATURES, HAND, HAND_PRESENT, TICK_US};

const TOLERANCE: f32 = 1e-3;

fn point(seed: usize, x: f32, y: f32) -> Point {
    let spread = |salt: usize| ((seed * 37 + salt * 101) % 97) as f32 / 97.0 - 0.5;
    let (dx, dy) = (40.0 * spread(1), 40.0 * spread(2));
    Point { x: x + dx, y: y + dy, z: 20.0 * spread(3), confidence: 1.0 }
}

/// Somebody waving the right hand in front of a body, at `time_us`.
fn waving(time_us: u64) -> Frame {
    let swing = 60.0 * (time_us as f32 / 1e6 * 3.0).sin();
    let mut body = std::array::from_fn(|i| point(i, 320.0, 200.0));
    body[11] = Point { x: 400.0, y: 220.0, z: 0.0, confidence: 1.0 };
    body[12] = Point { x: 240.0, y: 220.0, z: 0.0, confidence: 1.0 };
    Frame {
        time_us,
        width: 640.0,
        height: 480.0,
        left: None,
        right: Some(std::array::from_fn(|i| point(i + 50, 200.0 + swing, 180.0 - swing))),
        body: Some(body),
    }
}

fn last(frames: impl Iterator<Item = Frame>) -> Vec<f32> {
    let mut extractor = Extractor::new();
    let mut last = Vec::new();
    for frame in frames {
        if let Some(features) = extractor.push(&frame) {
            last = features.to_vec();
        }
    }
    last
}

fn near(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), FEATURES);
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() < tolerance, "feature {index}: {a} and {b}");
    }
}

#[test]
fn the_place_and_size_of_the_picture_do_not_matter() {
    let plain = last((0..12).map(|i| waving(i * TICK_US)));
    let moved = last((0..12).map(|i| {
        let mut frame = waving(i * TICK_US);
        let points = frame.right.iter_mut().flatten().chain(frame.body.iter_mut().flatten());
        for point in points {
            (point.x, point.y, point.z) =
                (2.0 * point.x + 30.0, 2.0 * point.y - 50.0, 2.0 * point.z);
        }
        frame
    }));
    near(&plain, &moved, TOLERANCE);
}

#[test]
fn a_mirrored_left_hand_is_a_right_hand() {
    let right = last((0..12).map(|i| waving(i * TICK_US)));
    let left = last((0..12).map(|i| {
        let mut frame = waving(i * TICK_US);
        crate::train::augment::mirror(&mut frame);
        frame
    }));
    near(
        &[&right[..HAND], &vec![0.0; FEATURES - HAND]].concat(),
        &[&left[HAND..2 * HAND], &vec![0.0; FEATURES - HAND]].concat(),
        TOLERANCE,
    );
    assert!((left[HAND_PRESENT], left[HAND + HAND_PRESENT]) == (0.0, 1.0));
}

#[test]
fn twice_the_frame_rate_gives_the_same_frames() {
    let mut slow = Extractor::new();
    let mut fast = Extractor::new();
    for i in 0..30u64 {
        let expected = slow.push(&waving(i * TICK_US)).unwrap().to_vec();
        let got = fast.push(&waving(i * TICK_US)).unwrap();
        near(&expected, got, 1e-6);
        assert!(fast.push(&waving(i * TICK_US + TICK_US / 2)).is_none());
    }
}

#[test]
fn other_frame_rates_see_the_same_movement() {
    let steady = last((0..=30).map(|i| waving(i * 66_667)));
    let slower = last((0..=20).map(|i| waving(i * 100_000)));
    near(&steady, &slower, 0.15);
}

#[test]
fn absence_is_silence() {
    let mut frame = waving(0);
    (frame.right, frame.body) = (None, None);
    assert!(Extractor::new().push(&frame).unwrap().iter().all(|&value| value == 0.0));
    let body_only = last(std::iter::once(Frame { right: None, ..waving(0) }));
    assert!(body_only[2 * HAND + BODY_PRESENT] > 0.5);
    assert!(body_only[..2 * HAND].iter().all(|&value| value == 0.0));
}

#[test]
fn wild_numbers_stay_bounded() {
    let mut frame = waving(0);
    for point in frame.right.iter_mut().flatten().step_by(3) {
        (point.x, point.y, point.z) = (f32::NAN, f32::INFINITY, -1e30);
    }
    let features = last(std::iter::once(frame));
    assert!(features.iter().all(|value| value.is_finite() && value.abs() <= super::LIMIT));
}
