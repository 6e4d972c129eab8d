//! What readers of a room's live stream are sent, over server-sent events and WebSockets alike. The
//! tests hold every message that they get against it.

use serde_json::{Value, json};

use super::schema::{count, flag, id, list, one_of, or_null, reference, row, text, time};

/// One message, and what it is made of.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let mut kinds = vec![
        ("LiveMessageEntry", entry(&MESSAGES, gone_or("Message", "A message that is gone."))),
        (
            "LiveTranscriptEntry",
            entry(&TRANSCRIPTS, gone_or("Transcript", "A caption that is gone.")),
        ),
        ("LiveParticipantEntry", entry(&PARTICIPANTS, participant())),
        ("LiveRoomEntry", entry(&["room_changed", "room_closed"], reference("Room"))),
        ("LiveTextsErased", entry(&["texts_erased"], erased())),
        ("LiveTextsExpired", entry(&["texts_expired"], expired())),
    ];
    kinds.extend(ephemerals());
    let any: Vec<Value> = kinds.iter().map(|(name, _)| reference(name)).collect();
    let told = "What has a `seq` belongs to the room's sequence, which has no gap; what is `ephemeral` \
                does not. Names that a reader does not know are to be passed over.";
    kinds.push(("LiveMessage", json!({ "description": told, "anyOf": any })));
    kinds
}

const MESSAGES: [&str; 3] = ["message", "message_edited", "message_deleted"];
const TRANSCRIPTS: [&str; 2] = ["transcript", "transcript_revised"];
const PARTICIPANTS: [&str; 6] = [
    "participant_joined",
    "participant_admitted",
    "participant_left",
    "participant_removed",
    "participant_sent_back",
    "consent_changed",
];

/// An entry of the sequence.
fn entry(types: &[&str], data: Value) -> Value {
    let fields = [("seq", count()), ("type", one_of(types)), ("data", data)];
    row("An entry of the room's sequence.", fields)
}

/// The row as it is now, or its ids.
fn gone_or(row_name: &str, told: &str) -> Value {
    json!({ "anyOf": [reference(row_name), row(told, [("id", id()), ("room_id", id())])] })
}

/// The row in `room_participant` and the name, or the ids.
fn participant() -> Value {
    let there = [
        ("id", id()),
        ("rp_user_id", id()),
        ("rp_room_id", id()),
        ("joined_at", time()),
        ("consent", one_of(&["none", "captions", "captions_and_keeping"])),
        ("admission", one_of(&["admitted", "waiting"])),
        ("language", or_null(&text())),
        ("model", or_null(&text())),
        ("username", or_null(&text())),
    ];
    let mut there = row("Somebody in the room, or waiting for it.", there);
    there["properties"]["display_name"] = or_null(&text());
    let gone = [("id", or_null(&id())), ("rp_user_id", id()), ("rp_room_id", id())];
    json!({ "anyOf": [there, row("Somebody who is not there any more.", gone)] })
}

fn erased() -> Value {
    row(
        "This user's texts are gone, in chat and transcript; forget them too.",
        [("room_id", id()), ("user_id", id())],
    )
}

fn expired() -> Value {
    let before = json!({ "type": "string", "format": "date" });
    row(
        "The texts of what was created before this day (UTC) are gone; forget them too.",
        [("room_id", id()), ("kind", one_of(&["message", "transcript"])), ("before", before)],
    )
}

/// A message that is not part of the sequence.
fn ephemeral(kind: &str, told: &str, data: Value) -> Value {
    let yes = json!({ "type": "boolean", "enum": [true] });
    row(told, [("type", one_of(&[kind])), ("ephemeral", yes), ("data", data)])
}

fn ephemerals() -> Vec<(&'static str, Value)> {
    let mut all = steering();
    all.extend(passing());
    all.extend(answers());
    all
}

/// Where the sequence stands, and its end.
fn steering() -> Vec<(&'static str, Value)> {
    let snapshot = [
        ("seq", count()),
        ("room", reference("Room")),
        ("participants", list(&reference("Participant"))),
        ("messages", list(&reference("Message"))),
        ("transcripts", list(&reference("Transcript"))),
    ];
    let snapshot = row("The newest 50 of each, and where the sequence stands.", snapshot);
    let close = [("code", count()), ("reason", text()), ("reconnect", flag())];
    let close = row("Why, and whether coming back can help.", close);
    let seq = row("Where the sequence stands.", [("seq", count())]);
    let ready = "Everything up to here was sent; what follows is live.";
    let reset = "What was missed can't be sent any more: begin anew from here.";
    vec![
        ("LiveReady", ephemeral("ready", ready, seq)),
        ("LiveReset", ephemeral("reset", reset, snapshot)),
        ("LiveClose", ephemeral("close", "The last words of an event stream.", close)),
    ]
}

/// What passes and is stored nowhere.
fn passing() -> Vec<(&'static str, Value)> {
    let user = || ("user_id", id());
    let partial = "A caption that may still change, as its recognizer tells it.";
    let signing = row("Who.", [user(), ("active", flag())]);
    let done = row("Of which stream.", [user(), ("stream", text()), ("done_seq", count())]);
    let degraded = row("Whose, and why.", [user(), ("reason", text())]);
    let signal = row("From whom; the payload is theirs.", [user(), ("payload", json!({}))]);
    vec![
        ("LivePartial", ephemeral("partial", partial, json!({ "type": "object" }))),
        ("LiveSigning", ephemeral("signing", "Somebody begins or stops to sign.", signing)),
        (
            "LiveFramesDone",
            ephemeral("frames.done", "One's own frames are read up to there.", done),
        ),
        ("LiveDegraded", ephemeral("degraded", "Frames of one's own were left out.", degraded)),
        ("LiveTyping", ephemeral("typing", "Somebody types.", row("Who.", [user()]))),
        ("LiveSignal", ephemeral("signal", "WebRTC signalling of another participant.", signal)),
    ]
}

/// Answers to what was sent over a socket.
fn answers() -> Vec<(&'static str, Value)> {
    let mut pong = ephemeral("pong", "The answer to a ping.", Value::Null);
    pong["required"] = json!(["type", "ephemeral"]);
    if let Some(properties) = pong["properties"].as_object_mut() {
        properties.remove("data");
    }
    let taken = "What became of frames that came over the socket.";
    let wrong = "What was wrong with something that came over the socket.";
    vec![
        ("LivePong", pong),
        ("LiveFrames", ephemeral("frames", taken, reference("FramesTaken"))),
        ("LiveError", ephemeral("error", wrong, reference("Problem"))),
    ]
}
