//! The models that write captions, and teaching them.

use serde_json::{Value, json};

use super::operation::Operation as Op;
use super::schema::{asked, count, flag, list, or_null, reference, row, text};
use crate::command::teach::{BODY_MAX, CLIP_BYTES_MAX, CLIPS, FRAMES, LABEL};

const TAG: &str = "Models";

pub(super) fn operations() -> Vec<Op> {
    let told = format!(
        "A new model, which nobody uses until it is chosen for a room or made the default. One sign \
         is taught at a time; the body has at most {} MiB.",
        BODY_MAX >> 20
    );
    vec![
        Op::get("/models", TAG, "List the models, and what each can say")
            .all("Built-in ones first.", "Model"),
        Op::post("/models/{model}/signs", TAG, "Teach a sign from clips")
            .json("NewSign", true)
            .answers(201, &told, reference("Taught"))
            .refuses(&["no_recognizer", "not_teachable", "model_exists", "models_full"])
            .refuses(&["teaching_busy", "stopping"]),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let clip = json!({ "type": "string", "contentEncoding": "base64",
        "maxLength": CLIP_BYTES_MAX.div_ceil(3) * 4 });
    let clips = json!({ "type": "array", "items": clip, "minItems": CLIPS.min, "maxItems": CLIPS.max,
        "description": format!("Whole `.pose` files, each of {} to {} frames.", FRAMES.min, FRAMES.max) });
    let written = json!({ "type": "string", "minLength": LABEL.min, "maxLength": LABEL.max });
    let agreed = json!({ "type": "boolean", "const": true });
    let required = [("label", written.clone()), ("keep_consent", agreed), ("clips", clips)];
    let alike = list(&reference("Alike"));
    let taught = [
        ("model", text()),
        ("version", text()),
        ("base", text()),
        ("label", text()),
        ("clips", count()),
        ("recognized", count()),
        ("read_as", alike.clone()),
        ("others", count()),
        ("mistaken", count()),
        ("mistaken_in", alike),
        ("changed", count()),
        ("seconds", json!({ "type": "number" })),
    ];
    let model = [
        ("name", text()),
        ("version", text()),
        ("default", flag()),
        ("teachable", flag()),
        ("words", list(&text())),
        ("letters", list(&text())),
    ];
    let agree = "A sign and clips of it. `keep_consent` says that the person in the clips agrees that \
                 the points of their hands and body teach a model and stay in it, as weights and as \
                 an average movement; the clips themselves are not kept.";
    vec![
        ("NewSign", asked(agree, &required, &[("name", or_null(&written))])),
        ("Model", row("A model. `teachable`: here, a sign can be taught to it.", model)),
        (
            "Alike",
            row(
                "How many clips are read as, or show, the same.",
                [("text", text()), ("clips", count())],
            ),
        ),
        (
            "Taught",
            row(
                "The new model. Of its `clips` so many are `recognized` by what the others taught; \
                 the rest is `read_as` something else. In `mistaken` of `others` the sign is said, \
                 though it is not there; `changed` of them are read otherwise than before.",
                taught,
            ),
        ),
    ]
}
