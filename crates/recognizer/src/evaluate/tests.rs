//! The arithmetic of the measures, on cases done by hand.

use super::measures::{percentiles, share};
use super::{Edits, align, edit_distance, forced_scores, sentences};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn edits_are_told_apart() {
    let edits = |reference, found| align(&words(reference), &words(found));
    assert_eq!(edits("i get coffee", "i get coffee"), Edits::default());
    let expected = Edits { total: 3, substitutions: 1, deletions: 1, insertions: 1 };
    assert_eq!(edits("i get a tea", "small i get coffee"), expected);
    assert_eq!(edits("", "a b"), Edits { total: 2, insertions: 2, ..Edits::default() });
    assert_eq!(edits("a b", ""), Edits { total: 2, deletions: 2, ..Edits::default() });
    assert_eq!(edit_distance("kitten", "sitting"), 3);
}

#[test]
fn the_forced_choice_is_never_blank() {
    let frames = [[0.7f32, 0.1, 0.2], [0.8, 0.15, 0.05], [0.5, 0.1, 0.4]];
    let logs: Vec<Vec<f32>> = frames.iter().map(|f| f.iter().map(|p| p.ln()).collect()).collect();
    let best = forced_scores(logs.iter().map(Vec::as_slice));
    assert_eq!(best.iter().map(|&(class, _)| class).collect::<Vec<_>>(), [2, 1]);
    assert!(forced_scores(std::iter::empty()).is_empty());
}

#[test]
fn percentiles_are_nearest_rank() {
    let p = percentiles((1..=100).map(f64::from).collect()).unwrap();
    assert_eq!((p.p50, p.p95, p.p99), (50.0, 95.0, 99.0));
    assert!(percentiles(Vec::new()).is_none());
    assert_eq!((share(1, 4), share(0, 0)), (Some(0.25), None));
}

#[test]
fn confidence_is_compared_with_what_is_right() {
    use super::measures::calibration_error;
    let error = |tokens: &[(f32, bool)]| calibration_error(tokens).map(|e| (e * 1e3).round());
    assert_eq!(error(&[]), None);
    // Half of those said with 0.9 are right, all of those said with 1.
    assert_eq!(error(&[(0.9, true), (0.9, false), (1.0, true), (1.0, true)]), Some(200.0));
    assert_eq!(error(&[(0.5, true), (0.5, false)]), Some(0.0));
}

#[test]
fn sentences_are_read_in_order_and_faults_have_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sentences.csv");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        sentences::read(&path)
    };
    let good = read("sentence_id,position,path\n1,2,b.pose\n1,1,a.pose\n2,1,c.pose\n").unwrap();
    let names: Vec<_> = good["1"].iter().map(|p| p.display().to_string()).collect();
    assert_eq!(names, ["a.pose", "b.pose"]);
    for (text, place) in [
        ("id,position,path\n", "line 1"),
        ("sentence_id,position,path\n1,x,a.pose\n", "line 2"),
        ("sentence_id,position,path\n1,1,a.pose\n1,1,b.pose\n", "line 3"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(place), "{message}");
    }
}
