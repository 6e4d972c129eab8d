//! Models that are brought: what is wrong with one is said before it is installed, and what is
//! installed is served under its name.

use std::path::Path;

use recognizer::model::library::{Library, trial};
use recognizer::model::{files, load};
use serde_json::{Value, json};

/// The shipped model in a folder, under another name, its description changed.
fn brought(folder: &Path, change: impl FnOnce(&mut Value)) {
    let [description, weights] = files("asl-digits").unwrap();
    let mut description: Value = serde_json::from_slice(description).unwrap();
    description["name"] = json!("mine");
    change(&mut description);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.json"), description.to_string()).unwrap();
    std::fs::write(folder.join("weights.safetensors"), weights).unwrap();
}

/// The reason that is told, and the change that calls for it.
type Fault<'a> = (&'a str, &'a dyn Fn(&mut Value));

#[test]
fn a_model_is_installed_chosen_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (from, library) = (folder.path().join("from"), folder.path().join("models"));
    let library = Library::new(library);
    assert_eq!(library.names(), ["asl-basic", "asl-digits"]);
    brought(&from, |_| {});
    let before = library.stamp(Path::new("asl-basic"));
    assert_eq!(library.install(&from).unwrap().name, "mine");
    assert_ne!(library.stamp(Path::new("asl-basic")), before);
    assert_eq!(library.names(), ["asl-basic", "asl-digits", "mine"]);
    assert_eq!(library.default(), None);
    library.set_default("mine").unwrap();
    assert_eq!(library.default().as_deref(), Some("mine"));
    let first = library.look("mine").unwrap();
    brought(&from, |description| description["version"] = json!("2"));
    library.install(&from).unwrap();
    let second = library.look("mine").unwrap();
    assert!(second.spec.version == "2" && second.digest != first.digest && !second.built_in);
    trial(library.open("mine").unwrap().model.as_mut()).unwrap();
    let refused = library.add(&from).unwrap_err().to_string();
    assert!(refused.contains("there is a model mine already"), "{refused}");
    assert_eq!(library.look("mine").unwrap().digest, second.digest, "it is as it was");
    brought(&from, |description| description["name"] = json!("ours"));
    assert_eq!(library.add(&from).unwrap().name, "ours");
    assert_eq!(library.describe("ours").unwrap(), library.look("ours").unwrap().spec);
    for name in ["nobody", "../from", ""] {
        assert!(library.set_default(name).is_err(), "{name}");
    }
    assert_eq!(library.default().as_deref(), Some("mine"));
}

#[test]
fn a_faulty_model_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let library = Library::new(folder.path().join("models"));
    let label = |text: &str| json!({ "text": text, "kind": "letter" });
    let faults: [Fault<'_>; 12] = [
        ("its name \"../mine\"", &|d| d["name"] = json!("../mine")),
        ("asl-basic is built in", &|d| d["name"] = json!("asl-basic")),
        ("hop is 0", &|d| d["hop_frames"] = json!(0)),
        ("width is 1048576", &|d| d["architecture"]["width"] = json!(1 << 20)),
        ("number of taps is 0", &|d| d["architecture"]["kernel"] = json!(0)),
        ("temperature is 0", &|d| d["temperature"] = json!(0.0)),
        ("trained on 0 features", &|d| d["input"] = json!("landmarks")),
        ("label \"0\" twice", &|d| d["vocabulary"][1] = d["vocabulary"][0].clone()),
        ("1 to 64 characters", &|d| d["vocabulary"][1] = label("a\u{0}")),
        ("head.weight should have the shape", &|d| {
            d["vocabulary"].as_array_mut().unwrap().push(label("x"));
        }),
        ("an utterance can't end", &|d| d["emission"]["idle_ms"] = json!(0)),
        ("model.json is not a model description", &|d| d["architecture"] = json!("big")),
    ];
    for (reason, change) in faults {
        brought(&from, change);
        let error = library.install(&from).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    assert_eq!(library.names().len(), 2, "nothing was installed");
    brought(&from, |_| {});
    std::fs::write(from.join("weights.safetensors"), b"not weights at all").unwrap();
    assert!(load(&from).is_err());
    std::fs::remove_file(from.join("weights.safetensors")).unwrap();
    let error = library.install(&from).unwrap_err().to_string();
    assert!(error.contains("weights.safetensors"), "{error}");
}
