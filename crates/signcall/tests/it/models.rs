//! Models from the command line: listed, trained on a handful of clips, measured.

use std::fmt::Write as _;
use std::path::Path;

use clips::pose;
use serde_json::Value;

use crate::harness::{Setup, World, run};
use crate::path::{meet, play};
use crate::signing::Signing;

/// Signers and clips of each sign: enough to train on and to validate with.
const SIGNERS: [&str; 2] = ["S1", "S2"];
const CLIPS: u64 = 6;
const SIGNS: [&str; 2] = ["hello", "coffee"];

/// Synthetic clips in a folder with a `clips.csv`, as a user has it.
fn clips(folder: &Path) {
    some_clips(folder, CLIPS, |_, sign| sign);
}

/// `each` clips of each sign by each signer; `label` says by number and sign what the table calls it.
fn some_clips(folder: &Path, each: u64, label: impl Fn(u64, &'static str) -> &'static str) {
    let mut table = "path,label,signer,frames,flag\n".to_owned();
    for (sign, signer, seed) in SIGNS
        .iter()
        .flat_map(|sign| SIGNERS.iter().map(move |signer| (sign, signer)))
        .flat_map(|(sign, signer)| (1..=each).map(move |seed| (sign, signer, seed)))
    {
        let frames = recognizer::synthetic::sentence(&[sign], seed).unwrap();
        let path = format!("{sign}/{signer}-{seed:03}.pose");
        let label = label(seed, sign);
        writeln!(table, "{path},{label},{signer},{},", frames.len()).unwrap();
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

/// A model like the shipped one, brought in a folder, as another version.
pub(crate) fn brought(folder: &Path, name: &str) {
    let [description, weights] = recognizer::model::files("asl-basic").unwrap();
    let mut description: Value = serde_json::from_slice(description).unwrap();
    description["name"] = Value::from(name);
    description["version"] = Value::from("7");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.json"), description.to_string()).unwrap();
    std::fs::write(folder.join("weights.safetensors"), weights).unwrap();
}

#[test]
fn a_faulty_model_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let [data, from] = ["data", "from"].map(|name| folder.path().join(name));
    let (data, shown) = (data.display().to_string(), from.display().to_string());
    brought(&from, "mine");
    assert!(run(&["model", "check", &shown, "--data", &data]).status.success());
    std::fs::write(from.join("weights.safetensors"), b"no weights").unwrap();
    for command in ["check", "install"] {
        let refused = run(&["model", command, &shown, "--data", &data]);
        assert!(!refused.status.success());
        let errors = String::from_utf8_lossy(&refused.stderr);
        assert!(errors.contains("error:"), "{errors}");
    }
    let listed = run(&["model", "list", "--data", &data]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("mine"));
}

/// Another model is brought and chosen while somebody signs: the stream goes on, and its captions
/// name the one model before and the other one after.
#[tokio::test(flavor = "multi_thread")]
async fn the_served_model_changes_under_a_stream() {
    let test = "models::the_served_model_changes_under_a_stream";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let signing = Signing::get(test, world.folder());
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    let path = format!("/rooms/{code}/transcripts");
    let playing = play(&world.url, &sam, code, &signing);
    let changing = async {
        while rita.list(&path).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let from = world.folder().join("from");
        brought(&from, "mine");
        let data = world.data().display().to_string();
        let from = from.display().to_string();
        for command in [vec!["install", from.as_str()], vec!["default", "mine"]] {
            let mut all = vec!["model"];
            all.extend(command);
            all.extend(["--data", data.as_str()]);
            let done = run(&all);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    };
    tokio::join!(playing, changing);
    // Once more, by whatever is served by now.
    play(&world.url, &sam, code, &signing).await;
    let rows = rita.list(&path).await;
    let texts: Vec<&str> = rows.iter().filter_map(|row| row["ts_content"].as_str()).collect();
    assert_eq!(texts, [&signing.words[..], &signing.words[..]].concat());
    let model = |row: &Value| row["model"].as_str().unwrap().to_owned();
    assert_eq!(model(&rows[0]), "asl-basic 2");
    assert_eq!(model(&rows[rows.len() - 1]), "mine 7");
    let choose = |model: &str| serde_json::json!({ "model": model });
    for (name, fits) in [("mine", true), ("nobody", false)] {
        let request = sam.request(reqwest::Method::PATCH, &format!("/rooms/{code}"));
        let (status, answer) = sam.send(request.json(&choose(name))).await;
        assert_eq!(status.is_success(), fits, "{name}: {status} {answer}");
    }
    world.stop();
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

/// Every third clip is called what it is not: a model that is sure of each promises too much, until
/// it is calibrated.
#[test]
fn confidence_is_calibrated_on_clips_the_model_never_saw() {
    let folder = tempfile::tempdir().unwrap();
    let [mine, many, few] = ["mine", "many", "few"].map(|name| folder.path().join(name));
    brought(&mine, "mine");
    let other = |sign| if sign == SIGNS[0] { SIGNS[1] } else { SIGNS[0] };
    some_clips(&many, 30, |n, sign| if n % 3 == 0 { other(sign) } else { sign });
    some_clips(&few, 2, |_, sign| sign);
    let [mine, many, few] = [mine, many, few].map(|path| path.display().to_string());
    let error = || {
        let measured = run(&["evaluate", "--model", &mine, "--clips", &many, "--json"]);
        let measures: Value = serde_json::from_slice(&measured.stdout).unwrap();
        (measures["ece"].as_f64().unwrap(), measures["stream_exact"].clone())
    };
    let (before, exact) = error();
    let refused = run(&["model", "calibrate", &mine, "--clips", &few]);
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && errors.contains("8 signs and letters"), "{errors}");
    let done = run(&["model", "calibrate", &mine, "--clips", &many]);
    let out = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{out}{}", String::from_utf8_lossy(&done.stderr));
    assert!(out.contains("120 signs and letters were told"), "{out}");
    let (after, still) = error();
    assert!(before > 0.2 && after < 0.05, "off by {before} before, by {after} after");
    assert_eq!(exact, still, "calibration changes no text");
    let shown = run(&["model", "show", &mine]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("log-odds times"), "{shown}");
    let built_in = run(&["model", "calibrate", "asl-basic", "--clips", &few]);
    assert!(!built_in.status.success());
}
