//! The decoder on scripted speakers: what is said, when it is final, and what is never said.

use super::*;
use crate::model::{Kind, Label};
use proptest::prelude::*;

const COFFEE: usize = 1;
const TEA: usize = 2;
const A: usize = 3;
const L: usize = 4;
const CLASSES: usize = 5;

fn decoder() -> Decoder {
    decoder_of(&EmissionSettings::default())
}

fn decoder_of(settings: &EmissionSettings) -> Decoder {
    let label = |text: &str, kind| Label { text: text.into(), kind };
    let vocabulary = vec![
        label("coffee", Kind::Word),
        label("tea", Kind::Word),
        label("a", Kind::Letter),
        label("l", Kind::Letter),
    ];
    Decoder::of(&vocabulary, settings)
}

/// What the model says of a frame: this class with probability 0.9.
fn says(class: usize) -> Vec<f32> {
    let rest = 0.1f32 / (CLASSES - 1) as f32;
    (0..CLASSES).map(|c| if c == class { 0.9f32.ln() } else { rest.ln() }).collect()
}

/// Plays (class, ms) stretches at a frame rate, the hands moving all the time.
fn play(script: &[(usize, u64)], fps: u64) -> Vec<(u64, Caption)> {
    play_to(decoder(), script, fps)
}

fn play_to(mut decoder: Decoder, script: &[(usize, u64)], fps: u64) -> Vec<(u64, Caption)> {
    let (mut out, mut now, mut told) = (Vec::new(), 0, Vec::new());
    let mut until = 0;
    for (class, ms) in script {
        until += ms * 1_000;
        while now < until {
            decoder.push(now, &says(*class), true, &mut out);
            told.extend(out.drain(..).map(|caption| (now / 1_000, caption)));
            now += 1_000_000 / fps;
        }
    }
    told
}

fn finals(told: &[(u64, Caption)]) -> Vec<String> {
    told.iter().filter(|(_, c)| c.is_final).map(|(_, c)| c.text.clone()).collect()
}

#[test]
fn a_word_is_told_as_it_grows_and_final_after_200_ms_of_blank() {
    let told = play(&[(0, 600), (COFFEE, 800), (0, 600)], 15);
    assert_eq!(finals(&told), ["coffee"]);
    let (first, open) = &told[0];
    assert!(!open.is_final && open.text == "coffee" && *first < 1_000, "{told:?}");
    let (when, last) = told.last().unwrap();
    assert_eq!((last.ordinal, last.kind), (0, CaptionKind::Gloss));
    let token = &last.tokens[0];
    assert!(token.stable && (token.confidence - 0.9).abs() < 0.01);
    assert!((590..=680).contains(&token.start_ms), "{token:?}");
    assert!((1_330..=1_400).contains(&token.end_ms), "{token:?}");
    assert!((200..280).contains(&(when - token.end_ms)), "final at {when}: {token:?}");
}

#[test]
fn another_word_ends_a_word_too() {
    let told = play(&[(COFFEE, 800), (TEA, 800), (COFFEE, 800), (0, 300)], 15);
    assert_eq!(finals(&told), ["coffee", "tea", "coffee"]);
    let ordinals: Vec<u32> =
        told.iter().filter(|(_, c)| c.is_final).map(|(_, c)| c.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2]);
}

#[test]
fn flicker_is_bridged_and_blips_say_nothing() {
    let flicker = [(COFFEE, 400), (0, 70), (COFFEE, 200), (TEA, 70), (COFFEE, 400), (0, 600)];
    assert_eq!(finals(&play(&flicker, 15)), ["coffee"]);
    let blips = [(0, 500), (COFFEE, 130), (0, 500), (TEA, 130), (0, 500)];
    assert_eq!(play(&blips, 15), []);
    let same_again = [(COFFEE, 800), (0, 400), (COFFEE, 400), (0, 600), (COFFEE, 800), (0, 300)];
    assert_eq!(finals(&play(&same_again, 15)), ["coffee", "coffee"]);
}

#[test]
fn a_glimpse_on_the_way_into_a_sign_is_not_said() {
    let strict = Rule { evidence: 13.0, min_ms: 200, min_confidence: 0.4 };
    let settings = EmissionSettings { word: strict, ..EmissionSettings::default() };
    let said = |script: &[_]| finals(&play_to(decoder_of(&settings), script, 15));
    let apart = [(0, 300), (TEA, 267), (0, 300), (COFFEE, 800), (0, 400)];
    assert_eq!(said(&apart), ["tea", "coffee"]);
    let at_once = [(0, 300), (TEA, 267), (COFFEE, 800), (0, 400)];
    assert_eq!(said(&at_once), ["coffee"]);
}

#[test]
fn letters_join_until_400_ms_of_blank_or_a_word() {
    let spelled = [(A, 700), (L, 500), (0, 200), (L, 500), (0, 800), (A, 700), (COFFEE, 800)];
    let told = play(&[&spelled[..], &[(0, 400)]].concat(), 15);
    assert_eq!(finals(&told), ["all", "a", "coffee"]);
    let all = told.iter().find(|(_, c)| c.is_final).map(|(_, c)| c).unwrap();
    assert_eq!(all.kind, CaptionKind::Fingerspelling);
    assert_eq!(all.tokens.len(), 3);
    assert!(all.tokens.windows(2).all(|t| t[0].end_ms < t[1].start_ms));
    assert!(told.iter().any(|(_, c)| !c.is_final && c.text == "al"));
}

#[test]
fn the_frame_rate_changes_nothing() {
    let script = [(0, 500), (COFFEE, 900), (0, 500), (A, 700), (L, 600), (0, 700), (TEA, 900)];
    let script = [&script[..], &[(0, 500)]].concat();
    for fps in [10, 12, 15, 24, 30, 60] {
        assert_eq!(finals(&play(&script, fps)), ["coffee", "al", "tea"], "{fps} frames/s");
    }
}

/// What the model says of a frame: this class, but blank is nearly as likely.
fn mumbles(class: usize) -> Vec<f32> {
    let odds = |c: usize| {
        if c == class {
            0.75f32
        } else if c == 0 {
            0.16
        } else {
            0.03
        }
    };
    (0..CLASSES).map(|c| odds(c).ln()).collect()
}

#[test]
fn an_expected_phrase_is_heard_where_it_is_mumbled_and_only_there() {
    let expecting = |phrases: &[&str]| {
        let phrases = phrases.iter().map(|&phrase| phrase.to_owned()).collect();
        EmissionSettings { phrases, ..EmissionSettings::default() }
    };
    // Clearly an A, then something like an L, then clearly coffee.
    let script = [(A, 10, true), (0, 3, true), (L, 8, false), (0, 9, true), (COFFEE, 10, true)];
    let said = |settings: &EmissionSettings| {
        let (mut decoder, mut out, mut now) = (decoder_of(settings), Vec::new(), 0);
        for (class, frames, clearly) in script {
            for _ in 0..frames {
                let row = if clearly { says(class) } else { mumbles(class) };
                decoder.push(now, &row, true, &mut out);
                now += 66_667;
            }
        }
        decoder.flush(&mut out);
        let finals = out.iter().filter(|caption| caption.is_final);
        finals.map(|caption| caption.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(&expecting(&[])), ["a", "coffee"]);
    assert_eq!(said(&expecting(&["al"])), ["al", "coffee"]);
    assert_eq!(said(&expecting(&["al coffee", "allal"])), ["al", "coffee"]);
    // Phrases in which it has no place, or that can't be spelled, change nothing.
    assert_eq!(said(&expecting(&["la", "tea", "xylophone"])), ["a", "coffee"]);
}

#[test]
fn a_flush_makes_open_captions_final() {
    let (mut decoder, mut out) = (decoder(), Vec::new());
    for i in 0..10 {
        assert!(!decoder.push(i * 66_667, &says(A), true, &mut out));
    }
    out.clear();
    decoder.flush(&mut out);
    assert_eq!((out.len(), out[0].text.as_str(), out[0].is_final), (1, "a", true));
    out.clear();
    decoder.flush(&mut out);
    assert_eq!(out, []);
}

/// Times, in ms, at which utterances end.
fn ends(class: impl Fn(u64) -> usize, active: impl Fn(u64) -> bool, ms: u64) -> Vec<u64> {
    let (mut decoder, mut out) = (decoder(), Vec::new());
    let frames = (0..ms).step_by(50);
    frames
        .filter(|now| decoder.push(now * 1_000, &says(class(*now)), active(*now), &mut out))
        .collect()
}

#[test]
fn an_utterance_ends_after_a_second_with_nobody_signing_or_at_the_cap() {
    assert_eq!(ends(|_| 0, |_| false, 2_500), [1_000, 2_050]);
    assert_eq!(ends(|_| 0, |now| now < 1_500, 3_000), [2_450]);
    let word = |now| if (2_000..3_000).contains(&now) { COFFEE } else { 0 };
    assert_eq!(ends(word, |now| now < 2_000, 5_000), [3_950]);
    assert_eq!(ends(|_| COFFEE, |_| true, 16_000), [15_000]);
    let pause_late = |now| if (13_000..14_000).contains(&now) { 0 } else { COFFEE };
    assert!(matches!(ends(pause_late, |_| true, 16_000)[..], [13_000..14_000]));
}

#[test]
fn unsure_runs_say_nothing() {
    let (mut decoder, mut out) = (decoder(), Vec::new());
    let unsure: Vec<f32> = [0.3f32, 0.38, 0.12, 0.1, 0.1].map(f32::ln).to_vec();
    for i in 0..60 {
        decoder.push(i * 66_667, &unsure, true, &mut out);
    }
    decoder.flush(&mut out);
    assert_eq!(out, []);
}

proptest! {
    /// Whatever the model says, at whatever times: an ordinal is final once and never told again,
    /// finals count up, times never run backwards, and nothing panics.
    #[test]
    fn finals_never_change(
        frames in proptest::collection::vec(
            (0u64..400_000, proptest::collection::vec(-12f32..0.0, CLASSES), any::<bool>()), 0..300,
        ),
    ) {
        let (mut decoder, mut out) = (decoder(), Vec::new());
        let (mut now, mut next, mut last_end) = (0, 0, 0);
        for (gap, scores, active) in frames {
            now += gap;
            let total: f32 = scores.iter().map(|s| s.exp()).sum();
            let log_probs: Vec<f32> = scores.iter().map(|s| s - total.ln()).collect();
            let ended = decoder.push(now, &log_probs, active, &mut out);
            for caption in out.drain(..) {
                prop_assert!(caption.ordinal >= next);
                prop_assert!(caption.start_ms() <= caption.end_ms());
                prop_assert!(caption.end_ms() <= now / 1_000);
                if caption.is_final {
                    prop_assert_eq!(caption.ordinal, next);
                    prop_assert!(!caption.text.is_empty());
                    prop_assert!(caption.start_ms() >= last_end);
                    prop_assert!(caption.tokens.iter().all(|token| token.stable));
                    next += 1;
                    last_end = caption.end_ms();
                }
            }
            if ended {
                next = 0;
            }
        }
    }

    /// Scripted speakers are written down as scripted, however long they take.
    #[test]
    fn what_is_signed_clearly_is_said(
        words in proptest::collection::vec((1usize..3, 500u64..1_500, 700u64..900), 0..8),
    ) {
        let script: Vec<_> =
            words.iter().flat_map(|(class, ms, gap)| [(*class, *ms), (0, *gap)]).collect();
        let expected: Vec<_> =
            words.iter().map(|w| if w.0 == COFFEE { "coffee" } else { "tea" }).collect();
        prop_assert_eq!(finals(&play(&script, 15)), expected);
    }
}
