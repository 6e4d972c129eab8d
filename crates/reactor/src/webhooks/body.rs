//! What a delivery says: built from the log each time it is sent, so that what was erased or
//! deleted in the meantime is not told any more.

use events::room::RoomEvent;
use events::{Commit, Event, KeyScope, Personal, State};
use serde_json::{Map, Value, json};
use vault::{Vault, VaultError};

use super::{Context, NOWHERE};
use crate::outbox::Pending;

/// The JSON of a delivery.
pub(crate) async fn body(
    pending: &Pending,
    mut commit: Commit,
    state: &State,
    vault: &Vault,
) -> Result<Vec<u8>, VaultError> {
    let time = commit.time;
    let mut data = Map::new();
    if pending.room == NOWHERE {
        data.insert("webhook_id".to_owned(), json!(pending.webhook));
        let told = json!({ "type": pending.kind, "timestamp": time, "data": data });
        return Ok(told.to_string().into_bytes());
    }
    data.insert("room_id".to_owned(), json!(pending.room));
    if let Value::Object(context) = json!(pending.context) {
        data.extend(context);
    }
    data.insert("username".to_owned(), username(&pending.context, state, vault).await?.into());
    if let Some(event) = commit.events.get_mut(pending.place as usize) {
        vault.read_fields(event.personal(time)).await?;
        data.extend(fields(event, state));
    }
    let told = json!({ "type": pending.kind, "timestamp": time, "data": data });
    Ok(told.to_string().into_bytes())
}

/// What the person it is about is called now.
async fn username(
    context: &Context,
    state: &State,
    vault: &Vault,
) -> Result<Option<String>, VaultError> {
    let Some(user) = context.user_id else { return Ok(None) };
    let sealed = state.users.get(user).map(|user| user.username.clone());
    let Some(sealed) = sealed else { return Ok(None) };
    let label = events::sealed::label("user.username", user.get());
    Ok(vault.read(KeyScope::User(user), &label, &sealed).await?.into_text())
}

fn text(field: &Personal) -> Value {
    match field {
        Personal::Clear(text) => json!(text),
        Personal::Sealed(_) | Personal::Erased => Value::Null,
    }
}

/// What the event itself adds. A tombstone hides a message's text at once.
fn fields(event: &Event, state: &State) -> Map<String, Value> {
    let hidden = |room, message| {
        state.rooms.get(room).and_then(|room| room.message(message)).is_none_or(|m| m.deleted)
    };
    let said = |room, message, field: &Personal| {
        if hidden(room, message) { Value::Null } else { text(field) }
    };
    let added = match event {
        Event::Room(RoomEvent::MessageSent(e)) => json!({
            "id": e.message_id,
            "msg_content": said(e.room_id, e.message_id, &e.text),
            "revision": 1,
        }),
        Event::Room(RoomEvent::MessageEdited(e)) => json!({
            "id": e.message_id,
            "msg_content": said(e.room_id, e.message_id, &e.text),
            "revision": e.revision,
        }),
        Event::Room(RoomEvent::MessageDeleted(e)) => json!({ "id": e.message_id }),
        Event::Room(RoomEvent::TranscriptRecorded(e)) => json!({
            "id": e.transcript_id,
            "ts_content": text(&e.text),
            "segment_id": e.segment_id,
            "start_ms": e.start_ms,
            "end_ms": e.end_ms,
            "confidence": e.confidence,
            "kind": e.kind,
            "model": e.model,
        }),
        Event::Room(RoomEvent::ParticipantJoined(e)) => {
            json!({ "display_name": e.display_name.as_ref().map(text) })
        }
        Event::Room(_) | Event::User(_) | Event::Webhook(_) => json!({}),
    };
    if let Value::Object(added) = added { added } else { Map::new() }
}
