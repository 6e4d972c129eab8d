//! The live wire: every format comes back, every lie is refused with its place.

use super::*;
use proptest::prelude::*;

fn frame(time_us: u64) -> Frame {
    let point = |i: usize| Point {
        x: i as f32 * 8.0,
        y: 4.0 * i as f32 + 0.5,
        z: -0.5 * i as f32,
        confidence: if i == 3 { 0.0 } else { 0.6 },
    };
    let point = |i| if i == 3 { Point::MISSING } else { point(i) };
    let mut frame = Frame::empty(time_us, 640.0, 480.0);
    frame.left = Some(std::array::from_fn(point));
    frame.body = Some(std::array::from_fn(point));
    frame
}

fn landmarks(batch: Batch) -> Vec<Frame> {
    match batch.frames {
        Frames::Landmarks(frames) => frames,
        Frames::Images(_) => panic!("images"),
    }
}

#[test]
fn lossless_loses_nothing() {
    let frames = vec![frame(10), frame(10), Frame::empty(76_667, 640.0, 480.0)];
    let bytes = encode(&frames, 41);
    assert_eq!(bytes.len(), 24 - 2 + 3 * (9 + 75 * 16));
    let batch = parse(&bytes).expect("own batch");
    assert_eq!(batch.seq_first, 41);
    assert_eq!(batch.frames.times_us(), Some((10, 76_667)));
    assert_eq!(landmarks(batch), frames);
}

#[test]
fn every_format_comes_back_within_its_precision() {
    for schema in [Schema::Compact, Schema::Holistic] {
        for number in [Number::F32, Number::F16, Number::U16] {
            for confidence in [Confidence::None, Confidence::Byte, Confidence::F32] {
                for (depth, space, mirrored) in [
                    (true, Space::Pixels, false),
                    (false, Space::Unit, true),
                    (false, Space::Unit, false),
                ] {
                    if number == Number::U16 && depth {
                        continue;
                    }
                    let format = Format { schema, depth, number, space, confidence, mirrored };
                    let sent = frame(5);
                    let seen = if mirrored { sent.mirrored() } else { sent.clone() };
                    let batch = parse(&encode_as(&[seen], 0, format)).expect("own batch");
                    let read = landmarks(batch).remove(0);
                    let (sent, read) = (sent.left.unwrap(), read.left.unwrap());
                    for i in (0..21).filter(|i| *i != 3) {
                        assert!((sent[i].x - read[i].x).abs() < 0.5, "{format:?} {i}");
                        assert!((sent[i].y - read[i].y).abs() < 0.5, "{format:?} {i}");
                    }
                    assert_eq!(read[3].is_present(), confidence == Confidence::None);
                }
            }
        }
    }
}

#[test]
fn a_point_that_was_found_stays_found() {
    let mut faint = frame(0);
    faint.left.as_mut().unwrap()[0].confidence = 0.0001;
    let read = landmarks(parse(&encode_as(&[faint], 0, Format::COMPACT)).expect("own batch"));
    assert!(read[0].left.unwrap()[0].is_present());
}

#[test]
fn the_compact_schema_is_the_documented_one() {
    let slots = Schema::Compact.slots();
    assert_eq!(slots.len(), 86);
    let names: Vec<_> = slots[42..54].iter().map(|slot| slot.name()).collect();
    assert_eq!(names[0], "POSE_LANDMARKS NOSE");
    assert_eq!(names[3], "POSE_LANDMARKS MOUTH_LEFT");
    assert_eq!(names[10], "POSE_LANDMARKS RIGHT_WRIST");
    assert_eq!(names[11], "POSE_LANDMARKS MID_SHOULDER");
    assert_eq!(slots[54], Slot::Face(61));
}

/// The error for a good batch of two frames with `bytes` put over it at `at`.
fn spoiled(at: usize, bytes: &[u8]) -> ClipError {
    let mut batch = encode(&[frame(1_000), frame(2_000)], 0);
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    parse(&batch).expect_err("a spoiled batch")
}

const HEADER: usize = 22;
const FRAME: usize = 9 + 75 * 16;

#[test]
fn each_fault_is_refused_with_its_place() {
    let error = spoiled(HEADER + FRAME, &999u64.to_le_bytes());
    assert_eq!(error.fault, ClipFault::TimeBackwards { time_us: 999, previous_us: 1_000 });
    assert_eq!(error.place, Place { offset: HEADER + FRAME, frame: Some(1), point: None });

    let third = HEADER + FRAME + 9 + 2 * 12;
    let error = spoiled(third + 4, &f32::NAN.to_le_bytes());
    assert!(matches!(error.fault, ClipFault::NotANumber { axis: "y", .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "byte {third}, frame 1, LEFT_HAND_LANDMARKS THUMB_MCP: y is NaN; expected a finite number within ±1000000"
        )
    );
    let error = spoiled(third, &f32::INFINITY.to_le_bytes());
    assert!(matches!(error.fault, ClipFault::NotANumber { axis: "x", .. }), "{error}");

    for (at, bytes, what) in [
        (0, &b"SLF2"[..], "magic"),
        (4, &[9, 0], "schema"),
        (6, &[74, 0], "number of points"),
        (8, &[4], "dims, numbers, space"),
        (9, &[2], "dims, numbers, space"),
        (11, &[4], "flags"),
        (11, &[8], "flags"),
        (11, &[16], "flags"),
        (12, &[0, 0], "width"),
        (16, &[255, 255, 255, 255], "first sequence number"),
        (HEADER + 8, &[16], "parts"),
    ] {
        let error = spoiled(at, bytes);
        let ClipFault::Unexpected { what: found, .. } = error.fault else { panic!("{error}") };
        assert_eq!(found, what);
    }
    let error = spoiled(HEADER + 7, &[1]);
    assert!(matches!(error.fault, ClipFault::TooMany { what: "capture time", .. }), "{error}");
    let error = spoiled(20, &[1, 1]);
    assert!(matches!(error.fault, ClipFault::TooMany { value: 257, .. }), "{error}");
    let error = spoiled(20, &[3, 0]);
    assert!(matches!(error.fault, ClipFault::Truncated { what: "frames", .. }), "{error}");
    let error = spoiled(20, &[1, 0]);
    assert_eq!(error.fault, ClipFault::Trailing { bytes: FRAME as u64 });
}

#[test]
fn the_numbers_of_an_absent_part_are_not_looked_at() {
    let mut batch = encode(&[frame(0)], 0);
    batch[HEADER + 8] = 4;
    batch[HEADER + 9..HEADER + 13].copy_from_slice(&f32::NAN.to_le_bytes());
    let read = landmarks(parse(&batch).expect("no left hand"));
    assert!(read[0].left.is_none() && read[0].body.is_some());
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(width, height)
        .write_to(&mut out, image::ImageFormat::Jpeg)
        .expect("a JPEG in memory");
    out.into_inner()
}

#[test]
fn pictures_come_back_and_bad_ones_are_refused() {
    let image = |time, bytes: &[u8]| Image::new(time, false, bytes);
    let good = vec![image(1, &jpeg(100, 80)).unwrap(), image(2, &jpeg(100, 80)).unwrap()];
    let bytes = encode_images(&good, 7);
    assert_eq!(parse(&bytes), Ok(Batch { seq_first: 7, frames: Frames::Images(good.clone()) }));
    for cut in HEADER..bytes.len() {
        parse(&bytes[..cut]).expect_err("a cut batch");
    }
    let wide = image(0, &jpeg(1_921, 8)).expect_err("too wide");
    assert!(matches!(wide, ClipFault::TooMany { value: 1_921, limit: 1_920, .. }), "{wide}");
    let none = image(0, b"GIF89a").expect_err("no JPEG");
    assert!(matches!(none, ClipFault::Picture { .. }), "{none}");
    let long = image(0, &vec![0; MAX_BYTES]).expect_err("too long");
    assert!(matches!(long, ClipFault::TooMany { what: "JPEG length", .. }), "{long}");
    let mut liar = good;
    liar[1].jpeg = vec![0; 10];
    let error = parse(&encode_images(&liar, 0)).expect_err("no JPEG in frame 1");
    assert_eq!(error.place.frame, Some(1));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = parse(&bytes);
        for (i, byte) in MAGIC.into_iter().enumerate().take(bytes.len()) {
            bytes[i] = byte;
        }
        let _ = parse(&bytes);
    }

    #[test]
    fn spoiled_batches_never_panic(
        at in 0usize..HEADER + FRAME, value in any::<u8>(), cut in 0usize..3 * FRAME,
    ) {
        let mut bytes = encode(&[frame(0), frame(1)], 3);
        bytes[at] = value;
        bytes.truncate(cut);
        if let Ok(batch) = parse(&bytes) {
            prop_assert!(batch.frames.len() <= MAX_FRAMES);
        }
    }
}
