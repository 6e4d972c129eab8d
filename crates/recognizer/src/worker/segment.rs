//! A caption with everything its readers need: ids that are the same whoever recognizes it, times
//! in the call, the model.

use crate::decode::{Caption, CaptionKind, Token};
use events::command::{Actor, SystemRole};
use events::room::TranscriptKind;
use events::room::command::transcript::RecordTranscript;
use events::sealed::Clear;
use events::{Command, CommandId, Envelope, RoomId, SegmentId, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use streams::frames::StreamKey;
use uuid::Uuid;

/// Parent of the command ids that are derived from segment ids.
const COMMANDS: Uuid = Uuid::from_u128(0x5167_6e63_616c_6c2e_7365_676d_656e_7473);
/// Confidences are told to four places.
const CONFIDENCE_STEP: f32 = 1e4;
/// Ids count milliseconds from 2020-01-01, in their upper bits.
const ID_EPOCH_MS: i64 = 1_577_836_800_000;
const ID_COUNTER_BITS: u32 = 12;

/// A sign or a letter of a [`Segment`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentToken {
    /// The label.
    pub text: String,
    /// First frame, ms in the call.
    pub start_ms: u64,
    /// Last frame, ms in the call.
    pub end_ms: u64,
    /// 0 to 1.
    pub confidence: f32,
    /// Whether it will not change any more.
    pub stable: bool,
}

/// What was recognized, as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// The same for every reading of these frames.
    pub segment_id: SegmentId,
    /// 0 while it may change, 1 when it is final; people's corrections count on from there.
    pub revision: u32,
    /// Whether the recognizer will not change it any more.
    pub is_final: bool,
    /// What was signed; empty where an open segment is withdrawn.
    pub text: String,
    /// Its signs or letters.
    pub tokens: Vec<SegmentToken>,
    /// Mean over the tokens, 0 to 1.
    pub confidence: f32,
    /// A sign, or a spelled word.
    pub kind: TranscriptKind,
    /// First frame, ms in the call.
    pub start_ms: u64,
    /// Last frame, ms in the call.
    pub end_ms: u64,
    /// Name and version.
    pub model: String,
    /// From the arrival of its last frame to now, ms.
    pub latency_ms: u64,
}

/// How a stream's capture times lie in the world and in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// What to add to a capture time for the time since 1970, µs.
    pub(super) offset_us: i64,
}

impl Times {
    /// The point in time of a capture time in ms.
    fn at(self, capture_ms: u64) -> Timestamp {
        let capture_us = i64::try_from(capture_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Timestamp::from_micros(capture_us.saturating_add(self.offset_us))
    }

    /// Milliseconds in the call; the room's id says when it began.
    fn in_call(self, room: RoomId, capture_ms: u64) -> u64 {
        let begun_ms = (room.get() >> ID_COUNTER_BITS) as i64 + ID_EPOCH_MS;
        u64::try_from(self.at(capture_ms).micros() / 1_000 - begun_ms).unwrap_or(0)
    }
}

/// Who said what, under which name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) key: &'a StreamKey,
    pub(super) model: &'a str,
    pub(super) times: Times,
    pub(super) utterance_seq: u64,
}

impl Source<'_> {
    /// The segment's name: a digest of room, user, stream, first frame of the utterance, ordinal.
    fn segment_id(&self, ordinal: u32) -> SegmentId {
        let StreamKey { room, user, stream } = self.key;
        let place = format!("{room}/{user}/{}/{}/{ordinal}", stream.as_str(), self.utterance_seq);
        let digest = Sha256::digest(place.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        SegmentId::from_bytes(bytes)
    }

    /// The caption as clients see it while it grows.
    pub(super) fn segment(&self, caption: &Caption, latency_us: u64) -> Segment {
        let in_call = |capture_ms| self.times.in_call(self.key.room, capture_ms);
        let token = |token: &Token| SegmentToken {
            text: token.text.clone(),
            start_ms: in_call(token.start_ms),
            end_ms: in_call(token.end_ms),
            confidence: rounded(token.confidence),
            stable: token.stable,
        };
        Segment {
            segment_id: self.segment_id(caption.ordinal),
            revision: u32::from(caption.is_final),
            is_final: caption.is_final,
            text: caption.text.clone(),
            tokens: caption.tokens.iter().map(token).collect(),
            confidence: rounded(caption.confidence()),
            kind: kind(caption.kind),
            start_ms: in_call(caption.start_ms()),
            end_ms: in_call(caption.end_ms()),
            model: self.model.to_owned(),
            latency_ms: latency_us / 1_000,
        }
    }

    /// The command that writes a final down; the same caption is always the same command.
    pub(super) fn command(&self, caption: &Caption) -> Envelope {
        let segment = self.segment_id(caption.ordinal);
        let record = RecordTranscript {
            room: self.key.room,
            user: self.key.user,
            segment,
            kind: kind(caption.kind),
            text: Clear::new(caption.text.clone()),
            start: self.times.at(caption.start_ms()),
            end: self.times.at(caption.end_ms()),
            confidence: rounded(caption.confidence()),
            model: self.model.to_owned(),
        };
        Envelope {
            id: CommandId::derived(COMMANDS, &segment.to_string()),
            actor: Actor::System(SystemRole::Recognizer),
            correlation: Some(segment.to_string()),
            causation: None,
            body: None,
            command: Command::Room(events::room::RoomCommand::RecordTranscript(record)),
        }
    }
}

fn kind(kind: CaptionKind) -> TranscriptKind {
    match kind {
        CaptionKind::Gloss => TranscriptKind::Gloss,
        CaptionKind::Fingerspelling => TranscriptKind::Fingerspelling,
    }
}

fn rounded(confidence: f32) -> f32 {
    (confidence.clamp(0.0, 1.0) * CONFIDENCE_STEP).round() / CONFIDENCE_STEP
}
