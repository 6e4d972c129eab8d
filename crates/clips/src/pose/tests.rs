//! `.pose`: round trips, every way a file can lie about itself, and arbitrary bytes.

use super::*;
use crate::landmarks::Part;
use proptest::prelude::*;

pub(crate) fn clip(frames: usize, fps: f32) -> Clip {
    let frames = (0..frames).map(|f| {
        let point = |i: usize| Point {
            x: (f * 3 + i) as f32 / 32.0,
            y: 5.5 - i as f32,
            z: -0.25 * f as f32,
            confidence: if i == 4 { 0.0 } else { 0.75 },
        };
        let point = |i| if i == 4 { Point::MISSING } else { point(i) };
        let mut frame = Frame::empty(time_us(f, fps), 640.0, 480.0);
        frame.right = Some(std::array::from_fn(point));
        frame.body = (f % 2 == 0).then(|| std::array::from_fn(point));
        frame
    });
    Clip { width: 640, height: 480, fps, frames: frames.collect() }
}

#[test]
fn every_version_comes_back_as_written() {
    for version in Version::ALL {
        let clip = clip(5, 15.0);
        assert_eq!(parse(&write(&clip, version)), Ok(clip), "{version:?}");
    }
    let fractional = clip(3, 29.97);
    assert_eq!(parse(&write(&fractional, Version::V0_2)), Ok(fractional));
}

#[test]
fn every_cut_is_refused_with_its_place() {
    for version in Version::ALL {
        let whole = write(&clip(2, 15.0), version);
        for cut in 0..whole.len() {
            let Err(error) = parse(&whole[..cut]) else { panic!("{version:?} cut at {cut}") };
            assert!(error.place.offset <= cut, "{version:?} cut at {cut}: {error}");
        }
    }
}

#[test]
fn counts_that_the_bytes_do_not_bear_out_are_refused() {
    let mut bytes = write(&clip(2, 15.0), Version::V0_2);
    let count = bytes.len() - 2 * 75 * 16 - 2 - 4;
    bytes[count..count + 4].copy_from_slice(&9_000u32.to_le_bytes());
    let error = parse(&bytes).expect_err("9,000 frames announced, 2 sent");
    assert!(matches!(error.fault, ClipFault::Truncated { what: "frames", .. }), "{error}");
    bytes[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = parse(&bytes).expect_err("four billion frames announced");
    assert!(matches!(error.fault, ClipFault::TooMany { limit: 9_000, .. }), "{error}");
    let error = parse(&vec![0; MAX_BYTES + 1]).expect_err("too long");
    assert!(matches!(error.fault, ClipFault::TooMany { what: "file length", .. }), "{error}");
}

#[test]
fn v0_1_is_counted_by_its_bytes() {
    let mut bytes = write(&clip(3, 15.0), Version::V0_1);
    let count = bytes.len() - 3 * 75 * 16 - 2 - 2;
    bytes[count..count + 2].copy_from_slice(&1u16.to_le_bytes());
    assert_eq!(parse(&bytes), Ok(clip(3, 15.0)));
}

#[test]
fn a_number_that_is_none_is_refused_only_in_points_that_are_there() {
    let mut bad = clip(3, 15.0);
    bad.frames[2].right.as_mut().unwrap()[7].y = f32::NAN;
    for version in Version::ALL {
        let error = parse(&write(&bad, version)).expect_err("NaN");
        assert_eq!(error.place.frame, Some(2));
        assert_eq!(
            error.place.point.as_deref(),
            Some("RIGHT_HAND_LANDMARKS INDEX_FINGER_DIP"),
            "{error}"
        );
        let mut hidden = bad.clone();
        hidden.frames[2].right.as_mut().unwrap()[7].confidence = 0.0;
        let read = parse(&write(&hidden, version)).expect("a missing point may be NaN");
        assert_eq!(read.frames[2].right.unwrap()[7], Point::MISSING);
    }
}

/// A file of v0.2 with the given components, two people, one frame; every number is its index.
fn by_hand(components: &[(&str, &str, &[&str])], people: u16) -> Vec<u8> {
    let mut out = 0.2f32.to_le_bytes().to_vec();
    for n in [640u16, 480, 0, components.len() as u16] {
        out.extend(n.to_le_bytes());
    }
    let string = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u16).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let (mut points, mut dims) = (0, 0);
    for (name, format, names) in components {
        string(&mut out, name);
        string(&mut out, format);
        for n in [names.len() as u16, 1, 1] {
            out.extend(n.to_le_bytes());
        }
        names.iter().for_each(|name| string(&mut out, name));
        out.extend([0; 4 + 6]);
        points += names.len();
        dims = dims.max(format.len().saturating_sub(1));
    }
    out.extend(15f32.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend(people.to_le_bytes());
    let total = usize::from(people) * points;
    (0..total * dims).for_each(|i| out.extend((i as f32).to_le_bytes()));
    (0..total).for_each(|_| out.extend(1f32.to_le_bytes()));
    out
}

#[test]
fn reduced_files_map_by_name_and_the_first_person_counts() {
    let face = ("FACE_LANDMARKS", "XYC", &["0", "17"] as &[&str]);
    let body = ("POSE_LANDMARKS", "XYZC", &["RIGHT_WRIST", "NOSE", "NO_SUCH_POINT"] as &[&str]);
    let world = ("POSE_WORLD_LANDMARKS", "XYZC", &["NOSE"] as &[&str]);
    let read = parse(&by_hand(&[face, body, world], 2)).expect("two people");
    let body = read.frames[0].body.expect("a body");
    // Points 0 and 1 are the face's; three coordinates each, since the body has z.
    assert_eq!((body[16].x, body[16].y, body[16].z), (6.0, 7.0, 8.0));
    assert_eq!((body[0].x, body[0].y, body[0].z), (9.0, 10.0, 11.0));
    assert_eq!(body.iter().filter(|p| p.is_present()).count(), 2);
    assert!(read.frames[0].left.is_none() && read.frames[0].right.is_none());
    let nobody = parse(&by_hand(&[("POSE_LANDMARKS", "XYZC", &["NOSE"])], 0)).expect("nobody");
    assert_eq!(nobody.frames, vec![Frame::empty(0, 640.0, 480.0)]);
}

#[test]
fn odd_headers_are_refused() {
    let twice = ("POSE_LANDMARKS", "XYZC", &["NOSE"] as &[&str]);
    for (components, what) in [
        (vec![twice, twice], "component"),
        (vec![("A", "CXY", &["N"] as &[&str])], "point format"),
        (vec![("A", "", &["N"] as &[&str])], "point format"),
    ] {
        let error = parse(&by_hand(&components, 1)).expect_err(what);
        let ClipFault::Unexpected { what: found, .. } = error.fault else { panic!("{error}") };
        assert_eq!(found, what);
    }
    let mut bytes = write(&clip(1, 15.0), Version::V0_2);
    bytes[0..4].copy_from_slice(&0.3f32.to_le_bytes());
    assert!(parse(&bytes).expect_err("v0.3").to_string().contains("expected 0, 0.1 or 0.2"));
}

fn any_part() -> impl Strategy<Value = Vec<(f32, f32, f32, f32)>> {
    let point = (-2e3f32..2e3, -2e3f32..2e3, -2e3f32..2e3, 0.0f32..=1.0);
    proptest::collection::vec(point, 33)
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn spoiled_files_never_panic(
        at in 0usize..4_000, value in any::<u8>(), cut in 0usize..6_000, v in 0usize..3,
    ) {
        let mut bytes = write(&clip(2, 15.0), Version::ALL[v]);
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(cut.max(20));
        if let Ok(read) = parse(&bytes) {
            prop_assert!(read.frames.len() <= MAX_FRAMES);
        }
    }

    #[test]
    fn any_clip_comes_back(
        left in proptest::option::of(any_part()), body in proptest::option::of(any_part()),
        frames in 0usize..4, v in 0usize..3,
    ) {
        let mut clip = clip(frames, 25.0);
        for frame in &mut clip.frames {
            *frame = Frame { right: None, body: None, ..*frame };
            for (part, points) in [(Part::Left, &left), (Part::Body, &body)] {
                for (i, p) in points.iter().flatten().take(part.points().len()).enumerate() {
                    let point = Point { x: p.0, y: p.1, z: p.2, confidence: p.3 };
                    if point.is_present() {
                        frame.set(part, i, point);
                    }
                }
            }
        }
        prop_assert_eq!(parse(&write(&clip, Version::ALL[v])), Ok(clip));
    }
}
