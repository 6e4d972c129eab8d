//! Signing on its way in, and the call as it happens.

use serde_json::{Value, json};

use super::operation::Operation as Op;
use super::schema::{count, reference, text};

const SIGNING: &str = "Signing";
const LIVE: &str = "Live";

pub(super) fn operations() -> Vec<Op> {
    let mut all = signing();
    all.extend(live());
    all.push(Op::get("/openapi.json", "Documentation", "Read this document").answers(
        200,
        "OpenAPI 3.1.",
        json!({ "type": "object" }),
    ));
    all
}

fn stream_name() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })
}

fn signing() -> Vec<Op> {
    let told = "Which of the sender's streams; one per log-in unless said.";
    let refused = ["no_consent", "room_closed", "frames_unavailable"];
    vec![
        Op::put("/rooms/{code}/captions/me", SIGNING, "Switch captions of one's signing on or off")
            .json("Captions", true)
            .empty(204, "Done; all in the room see it.")
            .refuses(&["room_closed"]),
        Op::post("/rooms/{code}/frames", SIGNING, "Send frames of one's signing")
            .takes("query", "stream", told, stream_name())
            .bytes(&[
                ("application/vnd.signcall.landmarks", "Landmarks on the live wire."),
                ("application/vnd.signcall.images", "JPEG frames on the live wire."),
                ("application/x-pose", "A whole .pose file: a stream of its own."),
            ])
            .answers(202, "Buffered, not kept: done_seq says what is.", reference("FramesTaken"))
            .refuses(&refused)
            .refuses(&["invalid_frames", "out_of_order", "frames_full", "too_many_uploads"])
            .refuses(&["too_many_streams"]),
        Op::post("/rooms/{code}/frames/end", SIGNING, "Finish what is open in a stream")
            .takes("query", "stream", told, stream_name())
            .json("Nothing", false)
            .answers(202, "It will be finished.", reference("FramesTaken"))
            .refuses(&refused)
            .refuses(&["frames_full"]),
    ]
}

fn live() -> Vec<Op> {
    let after = "The last sequence that was seen; without it, from now on.";
    let ticket = "Stands for the log-in, once (POST /live-tickets).";
    let refused = ["too_many_sockets", "tables_unavailable", "stopping"];
    let data = json!({
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": reference("LiveMessage"),
    });
    let events = json!({ "text/event-stream": { "schema": data } });
    vec![
        Op::get("/rooms/{code}/events", LIVE, "Follow the room by server-sent events")
            .takes("query", "after", after, count())
            .takes("query", "ticket", ticket, text())
            .takes("query", "stream", "Of no use here.", text())
            .takes("header", "Last-Event-ID", after, count())
            .answers_with(200, "The room's sequence, as it happens; each event's data is a `LiveMessage`, and its id where to go on from.", events)
            .refuses(&refused)
            .refuses(&["invalid", "invalid_header"]),
        Op::get("/rooms/{code}/live", LIVE, "Follow the room by WebSocket, and speak in it")
            .takes("query", "after", after, count())
            .takes("query", "ticket", ticket, text())
            .takes("query", "stream", "The stream of what frames are sent.", stream_name())
            .empty(
                101,
                "The same messages as the event stream's (`LiveMessage`); also takes frames, typing, signals.",
            )
            .refuses(&refused)
            .refuses(&["invalid", "upgrade_required"]),
    ]
}
