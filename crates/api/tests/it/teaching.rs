//! Teaching a sign: who may, what is refused and why, one at a time, and what a retry gets. The models
//! here only pretend to learn; that they really do is shown by `signcall::it::teaching`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::{Lesson, ModelInfo, Models, NotTaught, Taught};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clips::landmarks::{Frame, HAND_POINTS, Point};
use clips::pose;
use serde_json::{Value, json};

use crate::server::{Server, until};

const PATH: &str = "/models/asl-basic/signs";
/// What [`Pupils`] take long for.
const SLOW: &str = "slow";
/// What breaks them.
const BROKEN: &str = "broken";

/// Models that pretend to learn.
pub(crate) struct Pupils;

/// Lessons that went on when nobody waited any more, and were given up.
static GIVEN_UP: AtomicUsize = AtomicUsize::new(0);

impl Models for Pupils {
    fn names(&self) -> Vec<String> {
        vec!["asl-basic".to_owned()]
    }

    fn describe(&self) -> Vec<ModelInfo> {
        vec![ModelInfo {
            name: "asl-basic".to_owned(),
            version: "1".to_owned(),
            default: true,
            teachable: true,
            words: vec!["coffee".to_owned()],
            letters: vec!["a".to_owned()],
        }]
    }

    fn teach(&self, lesson: Lesson) -> Result<Taught, NotTaught> {
        if lesson.model != "asl-basic" {
            return Err(NotTaught::NoModel);
        }
        match lesson.label.as_str() {
            "coffee" => return Err(NotTaught::Label("asl-basic knows \"coffee\" already".into())),
            BROKEN => panic!("a test's own"),
            SLOW => {
                while !lesson.unwanted.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(2));
                }
                GIVEN_UP.fetch_add(1, Ordering::SeqCst);
                return Err(NotTaught::Unwanted);
            }
            _ => {}
        }
        let model = lesson.name.unwrap_or_else(|| "asl-basic-water".to_owned());
        if model == "asl-basic" {
            return Err(NotTaught::Exists(model));
        }
        Ok(Taught {
            model,
            version: "1".to_owned(),
            base: lesson.model,
            label: lesson.label,
            clips: lesson.clips.len(),
            recognized: lesson.clips.len(),
            read_as: vec![],
            others: 7,
            mistaken: 1,
            mistaken_in: vec![api::Alike { text: "coffee".to_owned(), clips: 1 }],
            changed: 1,
            seconds: 0.5,
        })
    }
}

/// A clip as a body has it; a hand is seen in so many of its frames.
fn clip(frames: usize, hands: usize) -> String {
    let point = Point { x: 320.0, y: 240.0, z: 0.0, confidence: 1.0 };
    let frame = |index| Frame {
        right: (index < hands).then_some([point; HAND_POINTS]),
        ..Frame::empty(pose::time_us(index, 15.0), 640.0, 480.0)
    };
    let frames = (0..frames).map(frame).collect();
    let clip = pose::Clip { width: 640, height: 480, fps: 15.0, frames };
    STANDARD.encode(pose::write(&clip, pose::Version::V0_2))
}

fn clips(count: usize) -> Value {
    json!(vec![clip(20, 20); count])
}

/// A sign that can be taught.
pub(crate) fn sign() -> Value {
    json!({ "label": "water", "keep_consent": true, "clips": clips(10) })
}

/// The same with something else in it.
fn but(field: &str, value: Value) -> Value {
    let mut sign = sign();
    sign[field] = value;
    sign
}

#[tokio::test]
async fn a_sign_is_taught_and_a_retry_gets_the_first_answer() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let models = admin.get("/models").await.expect(200);
    assert_eq!(models["data"][0]["words"], json!(["coffee"]));
    let keyed = admin.header("idempotency-key", "lesson-1");
    let taught = keyed.post(PATH, &but("label", json!("  water "))).await.expect(201);
    assert_eq!((&taught["label"], &taught["clips"]), (&json!("water"), &json!(10)));
    assert_eq!(taught["mistaken_in"], json!([{ "text": "coffee", "clips": 1 }]));
    let again = keyed.post(PATH, &but("label", json!("  water "))).await.expect(201);
    assert_eq!(again, taught);
    keyed.post(PATH, &sign()).await.refused(422, "idempotency_key_reused");
    let named = admin.post(PATH, &but("name", json!("mine"))).await.expect(201);
    assert_eq!(named["model"], "mine");
    let trail = admin.get("/events").await.expect(200);
    let rows = trail["data"].as_array().unwrap().iter();
    let noted: Vec<&Value> = rows.filter(|row| row["type"] == "user.model_taught").collect();
    let models: Vec<&Value> = noted.iter().map(|row| &row["data"]["model"]).collect();
    assert_eq!(models, ["mine", "asl-basic-water"], "each lesson once, newest first");
    assert_eq!(noted[0]["data"]["base"], "asl-basic");
    assert_eq!(
        (&noted[0]["data"]["clips"], &noted[0]["actor_id"]),
        (&json!(10), &json!(admin.id().await))
    );
}

#[tokio::test]
async fn only_administrators_teach_and_each_refusal_says_why() {
    let server = Server::start().await;
    let admin = server.admin().await;
    server.user("ada").await.post(PATH, &sign()).await.refused(403, "forbidden");
    admin.post("/models/nobody/signs", &sign()).await.refused(404, "not_found");
    admin.post(PATH, &but("name", json!("asl-basic"))).await.refused(409, "model_exists");
    admin.post(PATH, &but("label", json!(BROKEN))).await.refused(500, "internal");
    let text = "x".repeat(65);
    let cases = [
        ("label", json!("coffee"), "knows \"coffee\" already"),
        ("label", json!(" "), "1 to 64 characters"),
        ("label", json!(text), "1 to 64 characters"),
        ("label", json!("a\u{0}b"), "1 to 64 characters"),
        ("keep_consent", json!(false), "has to agree"),
        ("clips", clips(3), "are 3; it takes 4 to 40"),
        ("clips", clips(41), "are 41; it takes 4 to 40"),
        ("signer", json!("ada"), "unknown field"),
    ];
    for (field, value, reason) in cases {
        let refused = admin.post(PATH, &but(field, value)).await.refused(422, "invalid");
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
        assert!(refused["errors"][0]["detail"].as_str().unwrap().contains(reason), "{refused}");
    }
    let mut unasked = sign();
    unasked.as_object_mut().unwrap().remove("keep_consent");
    let refused = admin.post(PATH, &unasked).await.refused(422, "invalid");
    assert_eq!(refused["errors"][0]["field"], "keep_consent");
}

#[tokio::test]
async fn every_faulty_clip_is_named_with_what_is_wrong() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let mut all = vec![clip(20, 20); 10];
    all[1] = "*".to_owned();
    all[3] = STANDARD.encode(b"no pose file at all");
    all[4] = clip(5, 5);
    all[6] = clip(301, 301);
    all[7] = clip(20, 2);
    all[9] = STANDARD.encode(vec![0; (2 << 20) + 1]);
    let refused = admin.post(PATH, &but("clips", json!(all))).await.refused(422, "invalid");
    let told: Vec<(&str, &str)> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["field"].as_str().unwrap(), error["detail"].as_str().unwrap()))
        .collect();
    let expected = [
        ("clips[1]", "is not base64"),
        ("clips[3]", "is no .pose file: byte 0"),
        ("clips[4]", "has 5 frames; it takes 6 to 300"),
        ("clips[6]", "has 301 frames"),
        ("clips[7]", "shows a hand in 2 of its 20 frames"),
        ("clips[9]", "at most 2097152 are taken"),
    ];
    assert_eq!(told.len(), expected.len(), "{refused}");
    for ((field, detail), (place, reason)) in told.iter().zip(expected) {
        assert_eq!(*field, place);
        assert!(detail.contains(reason), "{field}: {detail}");
    }
    let large = but("clips", json!(vec!["A".repeat(1 << 20); 17]));
    admin.post(PATH, &large).await.refused(413, "too_large");
}

#[tokio::test]
async fn one_sign_is_taught_at_a_time_and_nothing_comes_of_one_that_nobody_waits_for() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let before = GIVEN_UP.load(Ordering::SeqCst);
    let slow = but("label", json!(SLOW));
    let first = {
        let admin = admin.clone();
        tokio::spawn(async move { admin.post(PATH, &slow).await })
    };
    until("the second is refused", async || {
        admin.post(PATH, &sign()).await.body["code"] == "teaching_busy"
    })
    .await;
    // The caller goes away.
    first.abort();
    until("the lesson is given up", async || GIVEN_UP.load(Ordering::SeqCst) > before).await;
    until("the next turn", async || admin.post(PATH, &sign()).await.status == 201).await;
}
