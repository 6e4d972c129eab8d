//! A sign is taught over HTTP from ten real clips, and read by the new model in a call, while the
//! models that were there say what they said before.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};
use streams::testing::skip;

use crate::client::Client;
use crate::harness::{Setup, World};

/// A gesture that people made up for typing; the shipped model has not learned it.
const SIGN: &str = "space";
const PATH: &str = "/models/asl-basic/signs";
/// A moment on a busy machine.
const WITHIN: Duration = Duration::from_secs(30);

/// Whole `.pose` files.
type Clips = Vec<Vec<u8>>;

/// Clips of the sign by one person: those to teach with, and those to try it on. `None` and a note
/// where there are none.
fn clips(test: &str) -> Option<(Clips, Clips)> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("SIGNCALL_DATA").map_or(beside, PathBuf::from);
    let folder = data.join("asl_letters").join(SIGN);
    if !folder.is_dir() {
        skip(test, &format!("no clips at {}", folder.display()));
        return None;
    }
    let clip = |number: usize| std::fs::read(folder.join(format!("S1-{number:03}.pose"))).unwrap();
    Some(((9..19).map(clip).collect(), (19..22).map(clip).collect()))
}

fn lesson(clips: &[Vec<u8>]) -> Value {
    let clips: Vec<String> = clips.iter().map(|clip| STANDARD.encode(clip)).collect();
    json!({ "label": SIGN, "keep_consent": true, "clips": clips })
}

async fn admin(world: &World) -> Client {
    let issued = world.offline(&["admin", "bootstrap"]);
    let secret = String::from_utf8(issued.stdout).unwrap();
    let mut client = Client::anonymous(&world.url);
    let body = json!({
        "secret": secret.trim(),
        "username": "root",
        "email": "root@example.org",
        "password": "violet tandem quarry 19",
    });
    let (status, answer) = client.post("/admin/bootstrap", body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    answer["token"].as_str().unwrap().clone_into(&mut client.token);
    client
}

async fn names(who: &Client) -> Vec<String> {
    let (status, models) = who.get("/models").await;
    assert_eq!(status, StatusCode::OK, "{models}");
    let all = models["data"].as_array().unwrap();
    all.iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_is_taught_and_read_by_the_new_model_alone() {
    let test = "teaching::a_sign_is_taught_and_read_by_the_new_model_alone";
    let Some((taught_with, tried)) = clips(test) else { return };
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let root = admin(&world).await;
    let (status, taught) = root.post(PATH, lesson(&taught_with)).await;
    assert_eq!(status, StatusCode::CREATED, "{taught}");
    let model = taught["model"].as_str().unwrap().to_owned();
    assert_eq!(model, format!("asl-basic-{SIGN}"));
    let figure = |name: &str| taught[name].as_u64().unwrap();
    assert_eq!(figure("clips"), 10);
    assert!(figure("recognized") >= 8, "{taught}");
    assert!(figure("mistaken") * 20 <= figure("others"), "{taught}");
    // It is there, it is not the default, and what was there is as before.
    let (_, models) = root.get("/models").await;
    let of = |name: &str| {
        models["data"].as_array().unwrap().iter().find(|model| model["name"] == name).unwrap()
    };
    assert_eq!(
        (of(&model)["default"].clone(), of(&model)["teachable"].clone()),
        (json!(false), json!(true))
    );
    assert_eq!(of("asl-basic")["default"], true);
    assert_eq!(of("asl-digits")["teachable"], false);
    let knows = |name: &str| of(name)["words"].as_array().unwrap().contains(&json!(SIGN));
    assert!(knows(&model) && !knows("asl-basic"), "{models}");

    let sam = Client::register(&world.url, "sam").await;
    let (_, room) = sam.post("/rooms", json!({})).await;
    let code = room["room_code"].as_str().unwrap();
    let chosen = sam.request(reqwest::Method::PATCH, &format!("/rooms/{code}"));
    let (status, answer) = sam.send(chosen.json(&json!({ "model": model }))).await;
    assert!(status.is_success(), "{answer}");
    let consent = json!({ "consent": true });
    let (status, answer) = sam.put(&format!("/rooms/{code}/captions/me"), consent).await;
    assert!(status.is_success(), "{answer}");
    served(&world, &model).await;
    read_in(&sam, code, &tried, &format!("{model} ")).await;

    // The same clips once more: another model, since none is ever replaced.
    let (status, second) = root.post(PATH, lesson(&taught_with)).await;
    assert_eq!(status, StatusCode::CREATED, "{second}");
    assert_eq!(second["model"], format!("{model}-2"));
    refusals(&root, &taught_with, &model).await;
    world.stop();
}

/// Waits until the recognizer has taken the new model, as it says itself.
async fn served(world: &World, model: &str) {
    let until = Instant::now() + WITHIN;
    let told = |line: &str| line.contains("served now") && line.contains(&format!("{model:?}"));
    while !world.processes[0].errors().lines().any(told) {
        assert!(Instant::now() < until, "{model} is not served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The clips are read as the sign, by that model.
async fn read_in(who: &Client, code: &str, clips: &[Vec<u8>], model: &str) {
    let path = format!("/rooms/{code}/transcripts");
    for (index, clip) in clips.iter().enumerate() {
        let sent = format!("/rooms/{code}/frames");
        let until = Instant::now() + WITHIN;
        let (status, answer) = who.post_bytes(&sent, "application/x-pose", clip.clone()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        loop {
            let rows = who.list(&path).await;
            if rows.len() > index {
                assert_eq!(rows[index]["ts_content"], SIGN, "{rows:?}");
                assert!(rows[index]["model"].as_str().unwrap().starts_with(model), "{rows:?}");
                break;
            }
            assert!(Instant::now() < until, "clip {index} is not read: {rows:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What the model itself finds wrong, told as a problem; no model comes of it.
async fn refusals(root: &Client, clips: &[Vec<u8>], taken: &str) {
    let before = names(root).await;
    let but = |field: &str, value: Value| {
        let mut lesson = lesson(clips);
        lesson[field] = value;
        lesson
    };
    let cases = [
        (PATH, but("label", json!("coffee")), 422, "invalid", "knows \"coffee\" already"),
        (PATH, but("name", json!("../x")), 422, "invalid", "\"../x\" should be 1 to 64"),
        (PATH, but("name", json!("asl-digits")), 409, "model_exists", "asl-digits"),
        (PATH, but("name", json!(taken)), 409, "model_exists", taken),
        ("/models/asl-digits/signs", lesson(clips), 409, "not_teachable", "looks at pictures"),
        ("/models/nobody/signs", lesson(clips), 404, "not_found", ""),
        ("/models/..%2Fmodels/signs", lesson(clips), 404, "not_found", ""),
    ];
    for (path, body, status, code, reason) in cases {
        let (found, answer) = root.post(path, body).await;
        assert_eq!((found.as_u16(), answer["code"].as_str()), (status, Some(code)), "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(reason), "{answer}");
    }
    assert_eq!(names(root).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_recognizer_says_so() {
    let test = "teaching::a_process_without_a_recognizer_says_so";
    let Some((clips, _)) = clips(test) else { return };
    let Some(mut world) = World::start(test, Setup::ThreeOnNats).await else { return };
    let root = admin(&world).await;
    let (status, answer) = root.post(PATH, lesson(&clips)).await;
    assert_eq!((status, answer["code"].as_str()), (StatusCode::CONFLICT, Some("no_recognizer")));
    assert!(answer["detail"].as_str().unwrap().contains("signcall model teach"), "{answer}");
    world.stop();
}
