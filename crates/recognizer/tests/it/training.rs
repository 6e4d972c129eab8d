//! A whole training on a few synthetic clips: files, reports, repeatability, resuming.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use recognizer::model::load;
use recognizer::synthetic;
use recognizer::train::{Loss, Progress, TrainOptions, TrainReport, run};

/// Copies the checkpoint away after so many updates.
struct Thief {
    updates: usize,
    from: PathBuf,
    to: PathBuf,
}

impl Progress for Thief {
    fn begin(&mut self, _: &str, _: usize) {}

    fn advance(&mut self, note: &str) {
        assert!(!note.contains("loss 0.000"), "{note}");
        self.updates += 1;
        if self.updates == 3 {
            std::fs::create_dir_all(&self.to).unwrap();
            for name in ["checkpoint.safetensors", "best.safetensors"] {
                std::fs::copy(self.from.join(name), self.to.join(name)).unwrap();
            }
        }
    }
}

/// Clips of two signs and of nothing, by two signers.
fn clips(folder: &Path) {
    let mut list = vec!["path,label,signer,frames,flag".to_owned()];
    for (number, label) in ["hello", "coffee", ""].into_iter().cycle().take(36).enumerate() {
        let sign = if label.is_empty() { "hello" } else { label };
        let mut frames = synthetic::sentence(&[sign], number as u64).unwrap();
        if label.is_empty() {
            for frame in &mut frames {
                (frame.left, frame.right) = (None, None);
            }
        }
        let clip = clips::pose::Clip { width: 640, height: 480, fps: 15.0, frames };
        let bytes = clips::pose::write(&clip, clips::pose::Version::V0_2);
        let signer = ["A", "B"][number / 27];
        std::fs::write(folder.join(format!("{number}.pose")), bytes).unwrap();
        list.push(format!("{number}.pose,{label},{signer},{},", clip.frames.len()));
    }
    std::fs::write(folder.join("clips.csv"), list.join("\n")).unwrap();
}

fn options(clips: &Path, out: &Path) -> TrainOptions {
    TrainOptions {
        hold_out: BTreeSet::from(["B".to_owned()]),
        steps: 4,
        batch: 2,
        seed: 3,
        ..TrainOptions::new(vec![clips.to_owned()], out.to_owned())
    }
}

/// The same with the other loss; its card tells the figures of `cross` too.
fn train_ctc(clips: &Path, out: &Path, cross: &Path) -> TrainReport {
    let cross = vec![cross.to_owned()];
    let options = TrainOptions { loss: Loss::Ctc, cross, ..options(clips, out) };
    let mut thief = Thief { updates: 9, from: out.to_owned(), to: out.to_owned() };
    run(&options, &mut thief).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_weights_even_when_resumed() {
    let folder = tempfile::tempdir().unwrap();
    clips(folder.path());
    let out = |name: &str| folder.path().join(name);
    let weights = |name: &str| std::fs::read(out(name).join("weights.safetensors")).unwrap();
    let train = |name: &str, resume: bool| {
        let mut thief = Thief { updates: 0, from: out(name), to: out("resumed") };
        run(&TrainOptions { resume, ..options(folder.path(), &out(name)) }, &mut thief).unwrap()
    };
    let report = train("once", false);
    train("again", false);
    assert!(weights("once") == weights("again"), "the same seed, other weights");
    train("resumed", true);
    assert!(weights("once") == weights("resumed"), "resumed, other weights");
    let of_b = &report.held_out[0];
    assert_eq!((of_b.signer.as_str(), of_b.measured.streamed_differs), ("B", 0));
    let measured = std::fs::read_to_string(out("once").join("held_out.json")).unwrap();
    assert!(measured.contains("false_emissions_per_min"), "{measured}");
    let told = train_ctc(folder.path(), &out("ordered"), &out("once"));
    let card = std::fs::read_to_string(out("ordered").join("MODEL_CARD.md")).unwrap();
    let other = &told.held_out[1];
    assert_eq!((&other.signer, other.measured.clips), (&of_b.signer, of_b.measured.clips));
    assert!(card.contains("connectionist") && card.matches("| B |").count() == 2, "{card}");
    assert!(report.clips > 0 && report.validation_clips > 0);

    let model = load(&out("once")).unwrap();
    assert_eq!(model.spec().vocabulary.len(), 2);
    for file in ["MODEL_CARD.md", "learning_curve.svg", "confusion.svg", "synthetic.safetensors"] {
        assert!(out("once").join(file).metadata().unwrap().len() > 0, "{file} is empty");
    }
    let other = TrainOptions { resume: true, seed: 4, ..options(folder.path(), &out("resumed")) };
    let mut thief = Thief { updates: 9, from: out("once"), to: out("unused") };
    let message = run(&other, &mut thief).unwrap_err().to_string();
    assert!(message.contains("seed 4"), "{message}");
}

#[test]
fn teachers_are_learned_from_and_a_lesson_that_was_broken_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    clips(folder.path());
    let out = |name: &str| folder.path().join(name);
    let weights = |name: &str| std::fs::read(out(name).join("weights.safetensors")).unwrap();
    let train = |name: &str, teachers: usize, resume: bool| {
        // Broken off in the middle of the teacher, so that the net has no checkpoint yet.
        let (from, to) = (out(name).join("teachers/1"), out("resumed/teachers/1"));
        let mut thief = Thief { updates: if teachers == 1 { 0 } else { 9 }, from, to };
        let options = TrainOptions { teachers, resume, ..options(folder.path(), &out(name)) };
        run(&options, &mut thief).unwrap();
    };
    train("alone", 0, false);
    train("taught", 1, false);
    assert!(weights("alone") != weights("taught"), "the teacher changed nothing");
    train("resumed", 1, true);
    assert!(weights("taught") == weights("resumed"), "resumed, other weights");
    let card = std::fs::read_to_string(out("taught").join("MODEL_CARD.md")).unwrap();
    assert!(card.contains("trained before (1, with"), "{card}");

    let refused = |options: TrainOptions| {
        let mut thief = Thief { updates: 9, from: out("unused"), to: out("unused") };
        run(&options, &mut thief).unwrap_err().to_string()
    };
    let taught = |name: &str| TrainOptions { teachers: 1, ..options(folder.path(), &out(name)) };
    let message = refused(TrainOptions { resume: true, ..taught("nothing") });
    assert!(message.contains("can't resume"), "{message}");
    let message = refused(TrainOptions { loss: Loss::Ctc, ..taught("ordered") });
    assert!(message.contains("framewise"), "{message}");
}

#[test]
fn a_faulty_list_of_clips_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("clips.csv");
    for (text, place) in [
        ("path,label\n", "line 1"),
        ("path,label,signer,frames,flag\na.pose,x,S1\n", "line 2"),
        ("path,label,signer,frames,flag\nmissing.pose,x,S1,20,\n", "missing.pose"),
    ] {
        std::fs::write(&list, text).unwrap();
        let mut thief = Thief { updates: 9, from: list.clone(), to: list.clone() };
        let out = folder.path().join("out");
        let message = run(&options(folder.path(), &out), &mut thief).unwrap_err().to_string();
        assert!(message.contains(place), "{message}");
    }
}
