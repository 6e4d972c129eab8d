//! The transcript of a call as a file: WebVTT, SubRip, plain text, JSON.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use events::{RoomId, TranscriptId, text};
use projector::{Cursor, Page, TranscriptFilter, TranscriptRow};
use serde::Serialize;

use crate::access::Need;
use crate::error::ApiError;
use crate::extract::{In, Read};
use crate::state::App;

/// Segments of a file, at most: a file is sorted as a whole.
const SEGMENTS_MAX: usize = 100_000;
/// Segments read at once.
const PAGE: u32 = 500;
/// A caption is shown this long at least.
const SHOWN_MS: u64 = 500;
/// Who a caption is from when the user was deleted.
const SOMEBODY: &str = "Somebody";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    WebVtt,
    SubRip,
    Text,
    Json,
}

/// A segment with the name of its speaker.
#[derive(Debug, Serialize)]
struct Spoken {
    #[serde(flatten)]
    row: TranscriptRow,
    username: Option<String>,
}

/// `GET /rooms/{code}/transcript.{vtt,srt,txt,json}`.
pub(crate) async fn file(
    State(app): State<App>,
    In(code): In<String>,
    Read(caller): Read,
    uri: Uri,
) -> Result<Response, ApiError> {
    let room = app.room(&caller, &code, Need::Read)?;
    let (format, media_type) = match uri.path().rsplit_once('.').map(|(_, ending)| ending) {
        Some("vtt") => (Format::WebVtt, "text/vtt; charset=utf-8"),
        Some("srt") => (Format::SubRip, "application/x-subrip; charset=utf-8"),
        Some("txt") => (Format::Text, "text/plain; charset=utf-8"),
        Some(_) | None => (Format::Json, "application/json"),
    };
    let spoken = spoken(&app, room, app.reads_after(&caller, room)).await?;
    let text = match format {
        Format::WebVtt => web_vtt(&spoken),
        Format::SubRip => sub_rip(&spoken),
        Format::Text => plain(&spoken),
        Format::Json => {
            serde_json::to_string(&spoken).map_err(|error| ApiError::Internal(error.to_string()))?
        }
    };
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// All segments of a room behind an id, with their speakers, in the order of the call.
async fn spoken(app: &App, room: RoomId, from: u64) -> Result<Vec<Spoken>, ApiError> {
    let mut rows: Vec<TranscriptRow> = Vec::new();
    let mut cursor = Cursor::After(TranscriptId::new(from));
    loop {
        let page = Page { cursor, limit: PAGE };
        let found = app.store.transcripts(room, TranscriptFilter::default(), page).await?;
        rows.extend(found.rows);
        if rows.len() > SEGMENTS_MAX {
            let detail = format!("has over {SEGMENTS_MAX} segments; read it in pages instead");
            return Err(ApiError::field("transcript", detail));
        }
        match rows.last() {
            Some(last) if found.has_more => cursor = Cursor::After(last.id),
            Some(_) | None => break,
        }
    }
    rows.sort_by_key(|row| (row.start_ms, row.id));
    let speakers = rows.iter().filter_map(|row| row.user_id).collect();
    let names = app.names(speakers).await?;
    let named = |row: TranscriptRow| {
        let username = row.user_id.and_then(|user| names.get(&user).cloned());
        Spoken { row, username }
    };
    Ok(rows.into_iter().map(named).collect())
}

impl Spoken {
    fn speaker(&self) -> &str {
        self.username.as_deref().unwrap_or(SOMEBODY)
    }

    /// Start, end, and the text on one line; `None` when it is erased.
    fn cue(&self) -> Option<(u64, u64, String)> {
        let text = text::harmless(self.row.ts_content.as_ref()?);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = self.row.end_ms.max(self.row.start_ms + SHOWN_MS);
        Some((self.row.start_ms, end, line))
    }
}

fn clock(ms: u64, point: char) -> String {
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}{point}{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

fn web_vtt(spoken: &[Spoken]) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut file = "WEBVTT\n".to_owned();
    for segment in spoken {
        let Some((start, end, text)) = segment.cue() else { continue };
        let (start, end) = (clock(start, '.'), clock(end, '.'));
        let (name, text) = (escape(segment.speaker()), escape(&text));
        write!(file, "\n{}\n{start} --> {end}\n<v {name}>{text}</v>\n", segment.row.id).ok();
    }
    file
}

/// SubRip has no escapes: what players would read as a tag, as a style in braces or as an arrow is
/// written with look-alikes.
fn untagged(text: &str) -> String {
    let alike = |c| match c {
        '<' => '‹',
        '>' => '›',
        '{' => '｛',
        '}' => '｝',
        '\\' => '＼',
        _ => c,
    };
    text.chars().map(alike).collect()
}

fn sub_rip(spoken: &[Spoken]) -> String {
    let mut file = String::new();
    let cues = spoken.iter().filter_map(|segment| Some((segment, segment.cue()?)));
    for (index, (segment, (start, end, text))) in cues.enumerate() {
        let (start, end) = (clock(start, ','), clock(end, ','));
        let line = untagged(&format!("{}: {text}", segment.speaker()));
        write!(file, "{}\n{start} --> {end}\n{line}\n\n", index + 1).ok();
    }
    file
}

fn plain(spoken: &[Spoken]) -> String {
    let mut file = String::new();
    for segment in spoken {
        let Some((start, _, text)) = segment.cue() else { continue };
        let at = clock(start, '.');
        writeln!(file, "[{}] {}: {text}", at.split('.').next().unwrap_or(&at), segment.speaker())
            .ok();
    }
    file
}

#[cfg(test)]
mod tests {
    use events::room::TranscriptKind;
    use events::{SegmentId, Timestamp, UserId};

    use super::*;

    fn segment(text: Option<&str>, start_ms: u64, end_ms: u64) -> Spoken {
        let row = TranscriptRow {
            id: TranscriptId::new(7),
            ts_content: text.map(str::to_owned),
            created_at: Timestamp::from_micros(0),
            room_id: RoomId::new(1),
            user_id: Some(UserId::new(2)),
            segment_id: SegmentId::from_bytes([0; 16]),
            revision: 1,
            start_ms,
            end_ms,
            confidence: None,
            kind: TranscriptKind::Typed,
            model: None,
            revised_at: None,
            editor_id: None,
            words: None,
        };
        Spoken { row, username: Some("A<b>".to_owned()) }
    }

    #[test]
    fn text_can_break_out_of_no_format() {
        let spoken = [
            segment(Some("x \u{202E}--> y\r\r\u{1b}<i>&"), 3_723_004, 3_723_004),
            segment(None, 0, 1),
        ];
        assert_eq!(
            web_vtt(&spoken),
            "WEBVTT\n\n7\n01:02:03.004 --> 01:02:03.504\n<v A&lt;b&gt;>x --&gt; y &lt;i&gt;&amp;</v>\n"
        );
        assert_eq!(sub_rip(&spoken), "1\n01:02:03,004 --> 01:02:03,504\nA‹b›: x --› y ‹i›&\n\n");
        assert_eq!(plain(&spoken), "[01:02:03] A<b>: x --> y <i>&\n");
        let styled = [segment(Some("{\\an8}{b}up\u{85}{/b}\\Ndown"), 0, 600)];
        assert_eq!(
            sub_rip(&styled),
            "1\n00:00:00,000 --> 00:00:00,600\nA‹b›: ｛＼an8｝｛b｝up ｛/b｝＼Ndown\n\n"
        );
    }
}
