//! Models from the command line: listed, trained on a handful of clips, measured.

use std::fmt::Write as _;
use std::path::Path;

use clips::pose;
use serde_json::Value;

use crate::harness::run;

/// Signers and clips of each sign: enough to train on and to validate with.
const SIGNERS: [&str; 2] = ["S1", "S2"];
const CLIPS: u64 = 6;
const SIGNS: [&str; 2] = ["hello", "coffee"];

/// Synthetic clips in a folder with a `clips.csv`, as a user has it.
fn clips(folder: &Path) {
    let mut table = "path,label,signer,frames,flag\n".to_owned();
    for (sign, signer, seed) in SIGNS
        .iter()
        .flat_map(|sign| SIGNERS.iter().map(move |signer| (sign, signer)))
        .flat_map(|(sign, signer)| (1..=CLIPS).map(move |seed| (sign, signer, seed)))
    {
        let frames = recognizer::synthetic::sentence(&[sign], seed).unwrap();
        let path = format!("{sign}/{signer}-{seed:03}.pose");
        writeln!(table, "{path},{sign},{signer},{},", frames.len()).unwrap();
        let clip = pose::Clip { width: 640, height: 480, fps: 15.0, frames };
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, pose::write(&clip, pose::Version::V0_2)).unwrap();
    }
    std::fs::write(folder.join("clips.csv"), table).unwrap();
}

#[test]
fn the_built_in_model_is_listed() {
    let listed = run(&["model", "list"]);
    let out = String::from_utf8_lossy(&listed.stdout);
    assert!(listed.status.success() && out.starts_with("asl-basic "), "{out}");
    assert!(out.contains("coffee"), "{out}");
}

#[test]
fn a_model_is_trained_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    clips(folder.path());
    let [clips, out] = [folder.path().to_owned(), folder.path().join("model")]
        .map(|path| path.into_os_string().into_string().unwrap());
    let trained = run(&["train", "--clips", &clips, "--out", &out, "--steps", "2"]);
    let errors = String::from_utf8_lossy(&trained.stderr);
    assert!(trained.status.success(), "{errors}");
    for name in [out.as_str(), "asl-basic"] {
        let measured = run(&["evaluate", "--model", name, "--clips", &clips, "--json"]);
        let errors = String::from_utf8_lossy(&measured.stderr);
        assert!(measured.status.success(), "{errors}");
        let measures: Value = serde_json::from_slice(&measured.stdout).unwrap();
        let count = SIGNS.len() as u64 * SIGNERS.len() as u64 * CLIPS;
        assert_eq!(measures["clips"], count, "{measures}");
        assert_eq!(measures["streamed_differs"], 0, "{measures}");
        for key in ["forced_top1", "forced_top5", "stream_exact", "per_class", "rtf", "latency_ms"]
        {
            assert!(measures.get(key).is_some(), "{key} is missing in {measures}");
        }
        if name == "asl-basic" {
            assert_eq!(measures["stream_exact"], 1.0, "{measures}");
        }
    }
    let missing = run(&["evaluate", "--model", "nobody", "--clips", &clips]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nobody"));
}
