//! The chat of a room as a file: JSON, plain text.

use std::collections::HashMap;
use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use events::{MessageId, RoomId, UserId, text};
use projector::{Cursor, MessageRow, Page};
use serde::Serialize;

use crate::access::Need;
use crate::error::ApiError;
use crate::extract::{In, Read};
use crate::state::App;

/// Messages of a file, at most.
const MESSAGES_MAX: usize = 100_000;
/// Messages read at once.
const PAGE: u32 = 500;
/// Who a message is from when the user was deleted.
const SOMEBODY: &str = "Somebody";

/// A message with the name of its author.
#[derive(Debug, Serialize)]
struct Written {
    #[serde(flatten)]
    row: MessageRow,
    username: Option<String>,
}

/// `GET /rooms/{code}/chat.{json,txt}`.
pub(crate) async fn file(
    State(app): State<App>,
    In(code): In<String>,
    Read(caller): Read,
    uri: Uri,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let rows = messages(&app, room, app.reads_after(&caller, room)).await?;
    let people = rows.iter().flat_map(|row| [row.user_id, row.deleted_by]).flatten();
    let names = app.names(people.collect()).await?;
    let ending = uri.path().rsplit_once('.').map(|(_, ending)| ending);
    let (media_type, file) = if ending == Some("txt") {
        ("text/plain; charset=utf-8", plain(&rows, &names))
    } else {
        let named = |row: MessageRow| {
            let username = row.user_id.and_then(|user| names.get(&user).cloned());
            Written { row, username }
        };
        let written: Vec<_> = rows.into_iter().map(named).collect();
        let file = serde_json::to_string(&written);
        ("application/json", file.map_err(|error| ApiError::Internal(error.to_string()))?)
    };
    Ok(([(header::CONTENT_TYPE, media_type)], file).into_response())
}

/// All messages of a room behind an id, oldest first.
async fn messages(app: &App, room: RoomId, from: u64) -> Result<Vec<MessageRow>, ApiError> {
    let mut rows: Vec<MessageRow> = Vec::new();
    let mut cursor = Cursor::After(MessageId::new(from));
    loop {
        let found = app.store.messages(room, Page { cursor, limit: PAGE }).await?;
        rows.extend(found.rows);
        if rows.len() > MESSAGES_MAX {
            let detail = format!("has over {MESSAGES_MAX} messages; read it in pages instead");
            return Err(ApiError::field("chat", detail));
        }
        match rows.last() {
            Some(last) if found.has_more => cursor = Cursor::After(last.id),
            Some(_) | None => return Ok(rows),
        }
    }
}

/// A line for each message: when (UTC), who, what. Further lines of a text are set in, so that none
/// can pass for a message of its own.
fn plain(rows: &[MessageRow], names: &HashMap<UserId, String>) -> String {
    let name = |user: Option<UserId>| {
        user.and_then(|user| names.get(&user)).map_or(SOMEBODY, String::as_str)
    };
    let mut file = String::new();
    for row in rows {
        let at = row.created_at.to_string();
        let at = at.split('.').next().unwrap_or(&at).replace('T', " ");
        let text = match (&row.msg_content, row.deleted_at) {
            (_, Some(_)) if row.deleted_by != row.user_id && row.deleted_by.is_some() => {
                format!("(deleted by {})", name(row.deleted_by))
            }
            (_, Some(_)) => "(deleted)".to_owned(),
            (None, None) => "(erased)".to_owned(),
            (Some(text), None) => text::harmless(text).lines().collect::<Vec<_>>().join("\n    "),
        };
        let edited =
            if row.edited_at.is_some() && row.deleted_at.is_none() { " (edited)" } else { "" };
        writeln!(file, "[{at}] {}{edited}: {text}", name(row.user_id)).ok();
    }
    file
}

#[cfg(test)]
mod tests {
    use events::Timestamp;

    use super::*;

    fn message(text: Option<&str>) -> MessageRow {
        MessageRow {
            id: MessageId::new(7),
            msg_content: text.map(str::to_owned),
            created_at: Timestamp::from_micros(1_767_225_600_000_000),
            user_id: Some(UserId::new(2)),
            room_id: RoomId::new(1),
            edited_at: None,
            deleted_at: None,
            revision: 1,
            deleted_by: None,
        }
    }

    #[test]
    fn a_text_can_pass_for_no_message_of_another() {
        let names = HashMap::from([(UserId::new(2), "Bob".into()), (UserId::new(3), "Ada".into())]);
        let forged = message(Some("hi\r\n[2026-01-01 00:00:00] Ada: I agree\u{85}\u{202E}bye"));
        let at = Some(forged.created_at);
        let gone = MessageRow { deleted_at: at, deleted_by: Some(UserId::new(3)), ..message(None) };
        let own = MessageRow { deleted_at: at, deleted_by: Some(UserId::new(2)), ..message(None) };
        let unknown = MessageRow { user_id: None, edited_at: at, ..message(Some("x")) };
        assert_eq!(
            plain(&[forged, gone, own, unknown], &names),
            "[2026-01-01 00:00:00] Bob: hi\n    [2026-01-01 00:00:00] Ada: I agree\n    bye\n\
             [2026-01-01 00:00:00] Bob: (deleted by Ada)\n\
             [2026-01-01 00:00:00] Bob: (deleted)\n\
             [2026-01-01 00:00:00] Somebody (edited): x\n"
        );
    }
}
