//! What answers are made of.

use serde_json::{Value, json};

use super::schema::{count, flag, id, list, one_of, or_null, reference, row, text, time, whole};

/// All of them, by name.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let mut all = basics();
    all.extend(accounts());
    all.extend(export());
    all.extend(rooms());
    all.extend(texts());
    all
}

fn basics() -> Vec<(&'static str, Value)> {
    let field = row("A field that is wrong.", [("field", text()), ("detail", text())]);
    let mut problem = row(
        "What went wrong.",
        [
            ("type", text()),
            ("title", text()),
            ("status", whole(400, 599)),
            ("code", text()),
            ("detail", text()),
            ("request_id", text()),
            ("errors", list(&field)),
        ],
    );
    problem["properties"]["credit"] = count();
    problem["properties"]["expected_seq"] = count();
    vec![
        ("Id", json!({ "type": "integer", "minimum": 1, "maximum": (1_u64 << 53) - 1 })),
        ("Time", json!({ "type": "string", "format": "date-time" })),
        ("Problem", problem),
    ]
}

fn accounts() -> Vec<(&'static str, Value)> {
    let user = row(
        "A user.",
        [
            ("id", id()),
            ("username", text()),
            ("email", text()),
            ("last_seen", time()),
            ("is_admin", flag()),
            ("is_blocked", flag()),
            ("failed_login_attempts", count()),
            ("created_at", time()),
            ("token_expiration", or_null(&time())),
            ("login_locked_until", or_null(&time())),
            ("is_guest", flag()),
            ("block_reason", or_null(&text())),
        ],
    );
    let token = row(
        "A log-in, without its secret.",
        [
            ("id", id()),
            ("kind", one_of(&["api", "session", "guest"])),
            ("created_at", time()),
            ("token_expiration", time()),
            ("renewable_until", time()),
            ("current", flag()),
        ],
    );
    let hand_out = [("user", reference("User")), ("token", secret()), ("token_expiration", time())];
    vec![
        ("User", user),
        ("Token", token),
        ("TokenHandedOut", row("A token, told once.", hand_out)),
        ("Renewed", row("When the token expires now.", [("token_expiration", time())])),
        ("Ticket", row("Good once, for 30 s.", [("ticket", text()), ("expires_at", time())])),
        (
            "ResetLink",
            row(
                "A link, told once; the page shows it at `path`.",
                [("secret", secret()), ("path", text()), ("expires_at", time())],
            ),
        ),
    ]
}

/// Everything about oneself, and what is in no other answer.
fn export() -> Vec<(&'static str, Value)> {
    vec![
        (
            "KeptLandmarks",
            row(
                "Frames that the user allowed to be kept, as they were sent.",
                [
                    ("room_id", id()),
                    ("stream", text()),
                    ("first_seq", count()),
                    ("received_at", time()),
                    ("kept_until", or_null(&json!({ "type": "string", "format": "date" }))),
                    ("media_type", text()),
                    ("data", json!({ "type": "string", "contentEncoding": "base64" })),
                ],
            ),
        ),
        (
            "Export",
            row(
                "Everything that is stored about oneself.",
                [
                    ("user", reference("User")),
                    ("tokens", list(&reference("Token"))),
                    ("rooms", list(&reference("Room"))),
                    ("participations", list(&reference("Participant"))),
                    ("messages", list(&reference("Message"))),
                    ("message_revisions", list(&reference("MessageRevision"))),
                    ("transcripts", list(&reference("Transcript"))),
                    ("transcript_revisions", list(&reference("TranscriptRevision"))),
                    ("corrections", list(&reference("Transcript"))),
                    ("former_corrections", list(&reference("TranscriptRevision"))),
                    ("kept_landmarks", list(&reference("KeptLandmarks"))),
                    ("webhooks", list(&reference("Webhook"))),
                    ("events", list(&reference("Event"))),
                ],
            ),
        ),
    ]
}

fn secret() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
}

fn rooms() -> Vec<(&'static str, Value)> {
    let room = row(
        "A room.",
        [
            ("id", id()),
            ("room_code", json!({ "type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{9}$" })),
            ("created_at", time()),
            ("owner_id", id()),
            ("state", one_of(&["open", "locked", "closed"])),
            ("lobby", flag()),
            ("guests", flag()),
            ("guest_history", flag()),
            ("capacity", count()),
            ("retention_days", or_null(&count())),
            ("model", or_null(&text())),
            ("language", or_null(&text())),
            ("version", count()),
        ],
    );
    let participant = row(
        "Somebody in a room, or waiting for it.",
        [
            ("id", id()),
            ("rp_user_id", id()),
            ("rp_room_id", id()),
            ("joined_at", time()),
            ("consent", one_of(&["none", "captions", "captions_and_keeping"])),
            ("admission", one_of(&["admitted", "waiting"])),
            ("language", or_null(&text())),
            ("model", or_null(&text())),
            ("username", or_null(&text())),
            ("display_name", or_null(&text())),
        ],
    );
    let guest = [
        ("participant", reference("Participant")),
        ("token", secret()),
        ("token_expiration", time()),
    ];
    vec![
        ("Room", room),
        ("Participant", participant),
        ("GuestPlace", row("A guest's place, and the token for it.", guest)),
        (
            "Presence",
            row(
                "Whether somebody has a socket or an event stream open.",
                [("user_id", id()), ("online", flag())],
            ),
        ),
    ]
}

fn texts() -> Vec<(&'static str, Value)> {
    let message = [
        ("id", id()),
        ("msg_content", or_null(&text())),
        ("created_at", time()),
        ("user_id", or_null(&id())),
        ("room_id", id()),
        ("edited_at", or_null(&time())),
        ("deleted_at", or_null(&time())),
        ("revision", count()),
        ("deleted_by", or_null(&id())),
    ];
    let mut written = row("A message with the name of its author.", message.clone());
    written["properties"]["username"] = or_null(&text());
    let old_message = [
        ("message_id", id()),
        ("revision", count()),
        ("msg_content", or_null(&text())),
        ("created_at", time()),
    ];
    let transcript = [
        ("id", id()),
        ("ts_content", or_null(&text())),
        ("created_at", time()),
        ("room_id", id()),
        ("user_id", or_null(&id())),
        ("segment_id", text()),
        ("revision", count()),
        ("start_ms", count()),
        ("end_ms", count()),
        ("confidence", or_null(&json!({ "type": "number", "minimum": 0, "maximum": 1 }))),
        ("kind", one_of(&["gloss", "fingerspelling", "typed"])),
        ("model", or_null(&text())),
        ("revised_at", or_null(&time())),
        ("editor_id", or_null(&id())),
    ];
    let mut spoken = row("A segment with the name of its speaker.", transcript.clone());
    spoken["properties"]["username"] = or_null(&text());
    let old_transcript = [
        ("transcript_id", id()),
        ("revision", count()),
        ("ts_content", or_null(&text())),
        ("created_at", time()),
        ("editor_id", or_null(&id())),
        ("model", or_null(&text())),
    ];
    let frames = [
        ("stream", text()),
        ("accepted", count()),
        ("first_seq", count()),
        ("last_seq", count()),
        ("done_seq", count()),
        ("credit", count()),
    ];
    vec![
        ("Message", row("A chat message.", message)),
        ("Written", written),
        ("MessageRevision", row("A text that the message has had.", old_message)),
        ("Transcript", row("What was signed or typed.", transcript)),
        ("Spoken", spoken),
        ("TranscriptRevision", row("A text that the segment has had.", old_transcript)),
        ("FramesTaken", row("What became of a batch: buffered, not kept.", frames)),
    ]
}
