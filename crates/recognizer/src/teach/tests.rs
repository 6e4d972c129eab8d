//! A sign that a model does not have is taught from synthetic clips and then read; what the model
//! knew it says as before. (On real clips: `tests/it/teach.rs`.)

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::Tensor;
use clips::pose;

use super::*;
use crate::evaluate::Player;
use crate::model::{load, store};
use crate::synthetic;

const LABEL: &str = "water";

/// The shipped model without one of its words: its row is taken out of the last layer.
fn without(label: &str) -> Files {
    let [json, weights] = store::files("asl-basic").unwrap();
    let mut spec: ModelSpec = serde_json::from_slice(json).unwrap();
    let index = spec.vocabulary.iter().position(|known| known.text == label).unwrap();
    spec.vocabulary.remove(index);
    let weights = candle_core::safetensors::load_buffer(weights, &candle_core::Device::Cpu);
    let mut weights: HashMap<String, Tensor> = weights.unwrap();
    for (name, dim) in [("head.weight", 1), ("head.bias", 0)] {
        let old = &weights[name];
        let rest = old.dim(dim).unwrap() - index - 2;
        let parts = [old.narrow(dim, 0, index + 1), old.narrow(dim, index + 2, rest)];
        let parts = parts.map(Result::unwrap);
        let cut = Tensor::cat(&parts, dim).unwrap();
        weights.insert(name.to_owned(), cut);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    candle_core::safetensors::save(&weights, &file).unwrap();
    let weights = std::fs::read(file).unwrap().into();
    Files { json: serde_json::to_vec(&spec).unwrap().into(), weights }
}

/// The movements of everything but that label.
fn movements_without(label: &str) -> Vec<u8> {
    let known = synthetic::of_built_in("asl-basic").unwrap();
    let all = candle_core::safetensors::load_buffer(known, &candle_core::Device::Cpu).unwrap();
    let rest: HashMap<String, Tensor> = all.into_iter().filter(|(l, _)| l != label).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("movements.safetensors");
    candle_core::safetensors::save(&rest, &file).unwrap();
    std::fs::read(file).unwrap()
}

fn clips_of(label: &str, folder: &Path) -> Vec<Sample> {
    let write = |seed: u64| {
        let frames = synthetic::sentence(&[label], 1_000 + seed).unwrap();
        let clip = pose::Clip { width: 640, height: 480, fps: 15.0, frames };
        let name = folder.join(format!("{seed}.pose"));
        Sample { name, bytes: pose::write(&clip, pose::Version::V0_2) }
    };
    (0..10).map(write).collect()
}

fn options(folder: &Path) -> TeachOptions {
    TeachOptions {
        base: without(LABEL),
        movements: Some(movements_without(LABEL)),
        label: LABEL.to_owned(),
        kind: Kind::Word,
        clips: clips_of(LABEL, folder),
        beside: Vec::new(),
        name: "taught".to_owned(),
        out: folder.join("taught"),
        seed: 1,
    }
}

#[test]
fn a_sign_is_taught_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let report = run(&options).unwrap();
    assert!(report.recognized >= 9 && report.mistaken == 0, "{report:?}");
    let missed: usize = report.read_as.iter().map(|count| count.clips).sum();
    assert_eq!(missed, report.clips - report.recognized, "{report:?}");
    assert!(report.mistaken_in.is_empty(), "{report:?}");
    let mut taught = load(&options.out).unwrap();
    let mut read = |labels: &[&str], seed| {
        let mut player = Player::new(taught.as_mut(), 2);
        for frame in synthetic::sentence(labels, seed).unwrap() {
            player.push(frame).unwrap();
        }
        player.finish().unwrap().text()
    };
    for (seed, labels) in [(7, vec![LABEL]), (8, vec!["hello", "coffee"]), (9, vec!["no", LABEL])] {
        assert_eq!(read(&labels, seed), labels.join(" "), "seed {seed}");
    }
    let weights = |files: &Files| -> BTreeMap<String, Vec<u8>> {
        let (_, weights) = files.parse().unwrap();
        let bytes =
            |t: &Tensor| format!("{:?}", t.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        weights.iter().map(|(name, t)| (name.clone(), bytes(t).into_bytes())).collect()
    };
    let (before, after) = (weights(&options.base), weights(&Files::read(&options.out).unwrap()));
    let changed: Vec<&String> = before
        .iter()
        .filter(|(name, value)| after.get(*name) != Some(value))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(changed, ["head.bias", "head.weight"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = options(folder.path());
    let refused = |options: TeachOptions| run(&options).unwrap_err().to_string();
    let few = TeachOptions { clips: good.clips[..2].to_vec(), ..good.clone() };
    assert!(refused(few).contains("2 clips were given"));
    let known = TeachOptions { label: "coffee".to_owned(), ..good.clone() };
    assert!(refused(known).contains("knows \"coffee\" already"));
    for label in ["", " tea", "a\u{0}", &"x".repeat(65)] {
        let bad = TeachOptions { label: label.to_owned(), ..good.clone() };
        assert!(refused(bad).contains("should be 1 to 64 characters"), "{label:?}");
    }
    let path = TeachOptions { name: "../taught".to_owned(), ..good.clone() };
    assert!(refused(path).contains("\"../taught\" should be 1 to 64 of"));
    let alone = TeachOptions { movements: None, ..good.clone() };
    assert!(refused(alone).contains("synthetic.safetensors"));
    let [json, weights] = store::files("asl-digits").unwrap();
    let base = Files { json: json.into(), weights: weights.into() };
    assert!(refused(TeachOptions { base, ..good }).contains("pictures"));
}

/// Clips of a word by a signer, real ones, each `step`-th.
fn real(folder: &Path, word: &str, signer: &str, step: usize) -> Vec<PathBuf> {
    let rows = data::rows(folder).unwrap();
    let fits = |row: &&data::Row| row.label == word && row.signer == signer && row.flag.is_empty();
    rows.iter().filter(fits).step_by(step).map(|row| row.path.clone()).collect()
}

/// The shipped model loses a word, learns it again from ten clips of one person, and reads it of
/// that person and of another; the other words are read as before. (The net saw the word when it was
/// trained: `signcall train --skip-label water` and `signcall model teach` show the whole.)
#[test]
fn a_sign_is_taught_from_ten_real_clips_and_read_of_another_person() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("SIGNCALL_DATA").map_or(beside, PathBuf::from);
    let words = root.join("asl_words");
    if !words.join("clips.csv").is_file() {
        eprintln!("SKIPPED: a_sign_is_taught_from_ten_real_clips: no clips at {}", words.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clips: Vec<PathBuf> = real(&words, LABEL, "S1", 6).into_iter().take(10).collect();
    let samples = clips.iter().map(|path| Sample::read(path).unwrap()).collect();
    let options = TeachOptions { clips: samples, ..options(folder.path()) };
    let report = run(&options).unwrap();
    assert!(report.recognized >= 9 && report.mistaken == 0, "{report:?}");
    let read = |model: &mut dyn crate::model::Model, path: &Path| {
        let mut player = Player::new(model, 2);
        for frame in pose::parse(&std::fs::read(path).unwrap()).unwrap().frames {
            player.push(frame).unwrap();
        }
        player.finish().unwrap().text()
    };
    let mut taught = load(&options.out).unwrap();
    for signer in ["S1", "S2"] {
        let unseen = real(&words, LABEL, signer, 3);
        let unseen: Vec<&PathBuf> = unseen.iter().filter(|path| !clips.contains(path)).collect();
        let right = unseen.iter().filter(|path| read(taught.as_mut(), path) == LABEL).count();
        assert!(right * 10 >= unseen.len() * 9, "{signer}: {right} of {}", unseen.len());
    }
    let mut before = options.base.open().unwrap();
    let (mut other, mut changed) = (0, 0);
    for word in ["coffee", "tea", "hello", "no", "please", "thank-you", "small", "large"] {
        for path in ["S1", "S2"].into_iter().flat_map(|signer| real(&words, word, signer, 20)) {
            other += 1;
            let same = read(before.as_mut(), &path) == read(taught.as_mut(), &path);
            changed += usize::from(!same);
        }
    }
    assert!(changed * 50 <= other, "{changed} of {other} clips are read otherwise than before");
}
