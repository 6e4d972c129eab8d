//! What receivers of webhooks are sent: the document's `webhooks`, made from the list of what there
//! is to be told of. The tests hold every delivery that they get against it.

use events::webhook::{Notice, TEST};
use serde_json::{Map, Value, json};

use super::schema::{count, id, one_of, or_null, reference, row, text, time};

/// When a webhook is tried out.
const TRIED: &str = "Somebody tries the webhook out";

/// The document's `webhooks`, by what they tell.
pub(super) fn webhooks() -> Map<String, Value> {
    let notices = Notice::ALL.map(|notice| (notice.as_str(), about(notice)));
    let all = notices.into_iter().chain([(TEST, TRIED)]);
    all.map(|(kind, told)| (kind.to_owned(), webhook(kind, told))).collect()
}

/// The bodies of deliveries.
pub(super) fn schemas() -> Vec<(String, Value)> {
    let notices = Notice::ALL.map(|notice| (notice.as_str(), about(notice), data(notice)));
    let test = json!({ "type": "object", "required": ["webhook_id"], "properties": { "webhook_id": id() } });
    let all = notices.into_iter().chain([(TEST, TRIED, test)]);
    all.map(|(kind, told, data)| (name(kind), body(kind, told, data))).collect()
}

/// `participant.join_aborted` becomes `ParticipantJoinAbortedDelivery`.
fn name(kind: &str) -> String {
    let words = kind.split(['.', '_']);
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    words.map(capital).collect::<String>() + "Delivery"
}

fn webhook(kind: &str, told: &str) -> Value {
    let header = |name: &str, told: &str| {
        json!({ "name": name, "in": "header", "required": true, "description": told,
                "schema": text() })
    };
    json!({ "post": {
        "operationId": format!("told_{}", kind.replace('.', "_")),
        "tags": ["Webhooks"],
        "summary": told,
        "description": "Sent to the address of a webhook, at least once, in the order of each room.",
        "security": [],
        "parameters": [
            header("webhook-id", "The same each time it is tried: what was taken before is skipped."),
            header("webhook-timestamp", "When it is tried, in seconds since 1970."),
            header(
                "webhook-signature",
                "`v1,` and HMAC-SHA-256 in base 64 over id, time and body, joined by full stops; \
                 one for each secret, with a space between, while two are good.",
            ),
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": reference(&name(kind)) } },
        },
        "responses": {
            "2XX": { "description": "Taken." },
            "410": { "description": "Not wanted any more: the webhook is disabled." },
            "default": { "description": "Not taken: it is tried again for an hour and a half." },
        },
    }})
}

fn about(notice: Notice) -> &'static str {
    match notice {
        Notice::RoomCreated => "A room was made",
        Notice::RoomClosed => "A call is over",
        Notice::RoomDeleted => "A room is gone with everything in it",
        Notice::ParticipantWaiting => "Somebody waits in the lobby",
        Notice::ParticipantJoined => "Somebody is in the room",
        Notice::ParticipantLeft => "Somebody who was in the room is not any more",
        Notice::JoinAborted => "Somebody who waited in the lobby went, or was refused",
        Notice::MessageSent => "A chat message was sent",
        Notice::MessageEdited => "A chat message has another text",
        Notice::MessageDeleted => "A chat message was taken back",
        Notice::TranscriptFinal => "A caption is final, or was typed",
    }
}

fn body(kind: &str, told: &str, data: Value) -> Value {
    row(told, [("type", one_of(&[kind])), ("timestamp", time()), ("data", data)])
}

/// What every delivery tells, and what this one adds.
fn data(notice: Notice) -> Value {
    let mut fields = vec![("room_id", id()), ("room_code", text()), ("username", or_null(&text()))];
    let mut optional = Vec::new();
    match notice {
        Notice::RoomCreated => fields.push(("user_id", id())),
        Notice::RoomClosed | Notice::RoomDeleted => {}
        Notice::ParticipantWaiting | Notice::ParticipantJoined => {
            fields.extend([("user_id", id()), ("participants", count())]);
            optional.push(("display_name", or_null(&text())));
        }
        Notice::ParticipantLeft | Notice::JoinAborted => {
            let reason = one_of(&["left", "removed", "sent_back", "account_deleted"]);
            fields.extend([("user_id", id()), ("participants", count()), ("reason", reason)]);
        }
        Notice::MessageSent | Notice::MessageEdited => {
            fields.extend([("user_id", id()), ("id", id()), ("revision", count())]);
            fields.push(("msg_content", or_null(&text())));
        }
        Notice::MessageDeleted => {
            fields.push(("id", id()));
            optional.push(("user_id", id()));
        }
        Notice::TranscriptFinal => fields.extend([
            ("user_id", id()),
            ("id", id()),
            ("ts_content", or_null(&text())),
            ("segment_id", text()),
            ("start_ms", count()),
            ("end_ms", count()),
            ("confidence", or_null(&json!({ "type": "number", "minimum": 0, "maximum": 1 }))),
            ("kind", one_of(&["gloss", "fingerspelling", "typed"])),
            ("model", or_null(&text())),
        ]),
    }
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let all = fields.iter().chain(&optional);
    let properties: Map<String, Value> =
        all.map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}
