//! Chat, captions, transcripts and their exports.

use serde_json::json;

use super::operation::Operation as Op;
use super::schema::{id, list, reference, text};

const CHAT: &str = "Chat";
const TRANSCRIPT: &str = "Transcript";

pub(super) fn operations() -> Vec<Op> {
    let mut all = chat();
    all.extend(transcript());
    all.extend(exports());
    all
}

fn chat() -> Vec<Op> {
    let refused = ["room_closed", "throttled"];
    vec![
        Op::post("/rooms/{code}/messages", CHAT, "Send a message")
            .json("MessageText", true)
            .answers(201, "Sent.", reference("Message"))
            .tagged()
            .refuses(&refused),
        Op::get("/rooms/{code}/messages", CHAT, "List messages")
            .list("Oldest first.", "Message")
            .reads(),
        Op::get("/rooms/{code}/messages/{id}", CHAT, "See a message")
            .answers(200, "The message.", reference("Message"))
            .tagged()
            .reads(),
        Op::get("/rooms/{code}/messages/{id}/revisions", CHAT, "See what a message said before")
            .all("Oldest first.", "MessageRevision")
            .reads(),
        Op::patch("/rooms/{code}/messages/{id}", CHAT, "Edit one's message")
            .json("MessageText", true)
            .answers(200, "As it is now.", reference("Message"))
            .tagged()
            .guarded()
            .shows()
            .refuses(&refused)
            .refuses(&["forbidden", "gone"]),
        Op::delete(
            "/rooms/{code}/messages/{id}",
            CHAT,
            "Delete one's message, or as owner anybody's",
        )
        .json("Nothing", false)
        .empty(204, "Deleted; a tombstone stays.")
        .guarded()
        .refuses(&["forbidden", "gone"]),
        Op::get("/rooms/{code}/chat.json", CHAT, "Export the chat as JSON")
            .answers(200, "The whole chat, with its authors.", list(&reference("Written")))
            .refuses(&["invalid"])
            .reads(),
        Op::get("/rooms/{code}/chat.txt", CHAT, "Export the chat as plain text")
            .answers_with(
                200,
                "The whole chat, with its authors.",
                json!({ "text/plain": { "schema": text() } }),
            )
            .refuses(&["invalid"])
            .reads(),
    ]
}

fn transcript() -> Vec<Op> {
    let search = "Up to 8 words; all must be in the text, the last one may be cut off.";
    vec![
        Op::get("/rooms/{code}/transcripts", TRANSCRIPT, "List or search segments")
            .takes("query", "q", search, text())
            .takes("query", "user_id", "Only what this user signed or typed.", id())
            .list("Oldest first.", "Transcript")
            .reads(),
        Op::post("/rooms/{code}/transcripts", TRANSCRIPT, "Type a caption")
            .json("CaptionText", true)
            .answers(201, "Said.", reference("Transcript"))
            .tagged()
            .shows()
            .refuses(&["room_closed"]),
        Op::get("/rooms/{code}/transcripts/{id}", TRANSCRIPT, "See a segment")
            .answers(200, "The segment.", reference("Transcript"))
            .tagged()
            .reads(),
        Op::get("/rooms/{code}/transcripts/{id}/revisions", TRANSCRIPT, "See its earlier texts")
            .all("Oldest first.", "TranscriptRevision")
            .reads(),
        Op::patch("/rooms/{code}/transcripts/{id}", TRANSCRIPT, "Correct a segment")
            .json("CaptionText", true)
            .answers(200, "As it is now.", reference("Transcript"))
            .tagged()
            .guarded()
            .shows()
            .refuses(&["forbidden", "gone"]),
    ]
}

fn exports() -> Vec<Op> {
    let file = |path, summary, media_type: &str| {
        let content = json!({ media_type: { "schema": text() } });
        Op::get(path, TRANSCRIPT, summary)
            .answers_with(200, "The whole call, with speakers.", content)
            .refuses(&["invalid"])
            .reads()
    };
    vec![
        file("/rooms/{code}/transcript.vtt", "Export as WebVTT", "text/vtt"),
        file("/rooms/{code}/transcript.srt", "Export as SubRip", "application/x-subrip"),
        file("/rooms/{code}/transcript.txt", "Export as plain text", "text/plain"),
        Op::get("/rooms/{code}/transcript.json", TRANSCRIPT, "Export as JSON")
            .answers(200, "The whole call, with speakers.", list(&reference("Spoken")))
            .refuses(&["invalid"])
            .reads(),
    ]
}
