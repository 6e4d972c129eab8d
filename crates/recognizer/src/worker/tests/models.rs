//! Several models in one worker: each stream goes to the one that is named or that fits.

use super::*;
use crate::engine::tests::toy as plain_toy;
use crate::features::picture::EDGE;
use crate::model::{Hop, ModelError, ModelSpec, StreamState};
use clips::Image;

/// Reads whether the left half of a picture is bright (`one`) or the right half (`two`).
struct Halves(ModelSpec);

fn halves() -> Box<dyn Model> {
    let mut spec = plain_toy(2).spec().clone();
    let architecture = crate::model::Architecture::of(crate::model::Input::Images);
    spec.input = architecture.input();
    spec.architecture = architecture;
    spec.name = "halves".to_owned();
    for (label, text) in spec.vocabulary.iter_mut().zip(["one", "two"]) {
        text.clone_into(&mut label.text);
    }
    Box::new(Halves(spec))
}

impl Model for Halves {
    fn spec(&self) -> &ModelSpec {
        &self.0
    }

    fn new_state(&self) -> StreamState {
        StreamState(Vec::new(), None)
    }

    fn step(&mut self, hops: &mut [Hop<'_>]) -> Result<(), ModelError> {
        for hop in hops {
            for frame in hop.features.chunks_exact(self.0.input.frame_len()) {
                let left = frame[0] > 0.0;
                let class = if frame[0] == 0.0 { 0 } else { 1 + usize::from(!left) };
                hop.log_probs.extend((0..3).map(|c| if c == class { -0.1f32 } else { -3.0 }));
            }
        }
        Ok(())
    }
}

/// The toy, under another name and with other words.
fn renamed() -> Box<dyn Model> {
    struct Renamed(ModelSpec, Box<dyn Model>);
    impl Model for Renamed {
        fn spec(&self) -> &ModelSpec {
            &self.0
        }
        fn new_state(&self) -> StreamState {
            self.1.new_state()
        }
        fn step(&mut self, hops: &mut [Hop<'_>]) -> Result<(), ModelError> {
            self.1.step(hops)
        }
    }
    let toy = toy(4);
    let mut spec = toy.spec().clone();
    spec.name = "other".to_owned();
    for (label, text) in spec.vocabulary.iter_mut().zip(["kaffee", "tee"]) {
        text.clone_into(&mut label.text);
    }
    Box::new(Renamed(spec, toy))
}

/// A second of a picture, half of it bright.
fn pictures(user: u64, left: bool) -> FrameBatch {
    let bright = |x: u32| (x < EDGE as u32) == left;
    let pixel = |x, _| image::Luma([if bright(x) { 220u8 } else { 20 }]);
    let picture = image::GrayImage::from_fn(2 * EDGE as u32, 2 * EDGE as u32, pixel);
    let mut jpeg = Vec::new();
    picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new(&mut jpeg)).unwrap();
    let frame = |i: u64| Image::new(i * crate::features::TICK_US, false, &jpeg).unwrap();
    let images: Vec<Image> = (0..15).map(frame).collect();
    FrameBatch {
        format: FrameFormat::Images,
        payload: Bytes::from(live_wire::encode_images(&images, 0)),
        ..batches(user, &[(Shows::Nothing, 15)], 15, true).remove(0)
    }
}

async fn refusal(running: &mut Running) -> String {
    loop {
        let message = running.live.recv().await.expect("a message");
        if let LiveMessage::Degraded { reason, .. } = &*message {
            return reason.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_and_landmarks_go_to_the_models_that_look_at_them() {
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let models = vec![toy(4), toy(4), halves()];
    let running = serve(models, &replay, commands, &Limits::default());
    replay.push(batches(1, &DIALOGUE[2..3], 7, true));
    replay.push([pictures(2, true), pictures(3, false)]);
    until("all is done", || replay.done(1) == 14 && replay.done(2) == 15 && replay.done(3) == 15)
        .await;
    let said = [1, 2, 3].map(|user| texts(&written, user).join(" "));
    assert_eq!(said, ["tea", "one", "two"]);
    running.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_for_a_model_that_is_not_there_or_does_not_look_at_them_are_refused() {
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let mut running = serve(vec![toy(4), halves()], &replay, commands, &Limits::default());
    let named =
        |batch: FrameBatch, name: &str| FrameBatch { model: Some(name.to_owned()), ..batch };
    replay.push([named(pictures(1, true), "toy")]);
    assert!(refusal(&mut running).await.contains("toy looks at landmarks, and pictures were sent"));
    replay.push([named(pictures(2, true), "bsl")]);
    let reason = refusal(&mut running).await;
    assert!(reason.contains("bsl is not served") && reason.contains("toy, halves"), "{reason}");
    until("all is let go", || replay.done(1) == 15 && replay.done(2) == 15).await;
    assert!(written.lock().is_empty());
    running.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_with_another_model_and_loses_nothing() {
    let replay = Replay::default();
    let (commands, written) = decider(accept);
    let running = serve(vec![toy(4), renamed()], &replay, commands, &Limits::default());
    let mut all = batches(1, &DIALOGUE, 7, true);
    // The room changes its mind while the second sign is shown.
    for batch in all.iter_mut().skip(8) {
        batch.model = Some("other".to_owned());
    }
    replay.push(all);
    until("all is done", || replay.done(1) == 80).await;
    assert_eq!(texts(&written, 1), ["coffee", "kaffee", "tea"]);
    running.worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_wait_a_moment_for_a_model_that_may_come_and_are_refused_then() {
    let replay = Replay::default();
    let (commands, _) = decider(accept);
    let mut running = run(&replay, commands, &Limits::default());
    let mut batch = batches(1, &DIALOGUE[..1], 14, true).remove(0);
    batch.model = Some("later".to_owned());
    let left_us = 500_000;
    batch.received_us = wall_us() - crate::worker::intake::MODEL_WAIT_US + left_us;
    let until_us = batch.received_us + crate::worker::intake::MODEL_WAIT_US;
    replay.push([batch]);
    let reason = loop {
        if let LiveMessage::Degraded { reason, .. } =
            &*running.live.recv().await.expect("a message")
        {
            break reason.clone();
        }
    };
    assert!(reason.contains("the model later is not served here"), "{reason}");
    assert!(wall_us() >= until_us, "refused before the model could come");
    running.worker.abort();
}
