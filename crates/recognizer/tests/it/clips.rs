//! The shipped model on real clips, where they are; and on synthetic signing, everywhere.

use std::path::{Path, PathBuf};

use recognizer::cuda::Place;
use recognizer::evaluate::{EvaluateOptions, Player, run};
use recognizer::model::{Model, built_in};
use recognizer::synthetic;

/// The clips folder, or a line that says that the test was skipped.
fn clips(test: &str, folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("SIGNCALL_DATA").map_or(beside, PathBuf::from);
    let found = root.join(folder);
    if found.join("clips.csv").is_file() {
        return Some(found);
    }
    eprintln!("SKIPPED: {test}: no clips at {}", found.display());
    None
}

/// A list of only those lines that `keep` takes (by number and text), so that a test stays short.
fn thinned(folder: &Path, keep: impl Fn(usize, &str) -> bool) -> tempfile::TempDir {
    let text = std::fs::read_to_string(folder.join("clips.csv")).unwrap();
    let mut lines = text.lines();
    let mut thin = vec![lines.next().unwrap().to_owned()];
    for (_, line) in lines.enumerate().filter(|(index, line)| keep(*index, line)) {
        // An absolute path stays as it is when it is joined to the folder of the list.
        thin.push(folder.canonicalize().unwrap().join(line).display().to_string());
    }
    let copy = tempfile::tempdir().unwrap();
    std::fs::write(copy.path().join("clips.csv"), thin.join("\n")).unwrap();
    copy
}

fn options(folder: &Path) -> EvaluateOptions {
    EvaluateOptions {
        model: "asl-basic".to_owned(),
        device: Place::Cpu,
        clips: vec![folder.to_owned()],
        sentences: None,
        signers: Vec::new(),
        skip_flags: Vec::new(),
        real_pace: false,
        threads: 1,
    }
}

fn model() -> Box<dyn Model> {
    built_in("asl-basic").unwrap().unwrap()
}

#[test]
fn the_shipped_model_reads_real_words_and_letters() {
    for folder in ["asl_words", "asl_letters"] {
        let Some(folder) = clips("the_shipped_model_reads_real_words_and_letters", folder) else {
            return;
        };
        let thin = thinned(&folder, |index, line| index % 25 == 0 && !line.contains(",space,"));
        let measured = run(&options(thin.path())).unwrap();
        assert_eq!(measured.streamed_differs, 0, "streamed text is offline text");
        assert!(measured.forced_top1.unwrap() > 0.95, "{measured:?}");
        assert!(measured.stream_exact.unwrap() > 0.9, "{measured:?}");
    }
}

#[test]
fn the_shipped_model_reads_real_photographs() {
    let Some(folder) = clips("the_shipped_model_reads_real_photographs", "digits") else { return };
    let thin = thinned(&folder, |index, _| index % 9 == 0);
    let asked = EvaluateOptions { model: "asl-digits".to_owned(), ..options(thin.path()) };
    let measured = run(&asked).unwrap();
    assert_eq!(measured.streamed_differs, 0, "streamed text is offline text");
    assert!(measured.clips > 150 && measured.unknown_label == 0, "{measured:?}");
    assert!(measured.forced_top1.unwrap() > 0.96, "{measured:?}");
    assert!(measured.stream_exact.unwrap() > 0.94, "{measured:?}");
}

#[test]
fn sentences_are_measured() {
    let Some(folder) = clips("sentences_are_measured", "asl_words") else { return };
    let spoken = ["hello/S1-001.pose", "coffee/S1-002.pose", "thank-you/S2-001.pose"];
    let thin = thinned(&folder, |_, line| spoken.iter().any(|path| line.starts_with(path)));
    let file = thin.path().join("sentences.csv");
    let measure = |paths: &[&str]| {
        let lines = paths.iter().enumerate().map(|(i, path)| format!("1,{i},{path}\n"));
        let text = format!("sentence_id,position,path\n{}", lines.collect::<String>());
        std::fs::write(&file, text).unwrap();
        run(&EvaluateOptions { sentences: Some(file.clone()), ..options(thin.path()) })
    };
    let measured = measure(&spoken).unwrap();
    assert_eq!((measured.wer, measured.clips), (Some(0.0), 3), "{measured:?}");
    let message = measure(&["no/S1-001.pose"]).unwrap_err().to_string();
    assert!(message.contains("no/S1-001.pose"), "{message}");
}

#[test]
fn synthetic_sentences_are_read_as_signed() {
    let mut model = model();
    let hop = model.spec().hop_frames;
    for (seed, sentence) in [
        (1, vec!["hello", "i", "get", "coffee", "please", "thank-you"]),
        (2, vec!["hello", "small", "tea", "please"]),
        (3, vec!["can", "i", "get", "large", "coffee"]),
        (4, vec!["no", "water", "thank-you"]),
    ] {
        let mut player = Player::new(model.as_mut(), hop);
        for frame in synthetic::sentence(&sentence, seed).unwrap() {
            player.push(frame).unwrap();
        }
        let played = player.finish().unwrap();
        assert_eq!(played.text(), sentence.join(" "), "seed {seed}");
    }
}

#[test]
fn an_unknown_label_cannot_be_signed() {
    let message = synthetic::sentence(&["xylophone"], 1).unwrap_err().to_string();
    assert!(message.contains("xylophone") && message.contains("coffee"), "{message}");
}

#[test]
fn hops_and_batches_say_the_same_on_real_clips() {
    let Some(folder) = clips("hops_and_batches_say_the_same_on_real_clips", "asl_words") else {
        return;
    };
    let mut model = model();
    for name in ["coffee/S1-001.pose", "large/S2-010.pose", "please/S1-020.pose"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let frames = clips::pose::parse(&bytes).unwrap().frames;
        let mut said = |hop: usize| {
            let mut player = Player::new(model.as_mut(), hop);
            for frame in &frames {
                player.push(frame).unwrap();
            }
            player.finish().unwrap().text()
        };
        let whole = said(frames.len());
        assert!([1, 2, 3, 7].into_iter().all(|hop| said(hop) == whole), "{name}: {whole}");
    }
}
