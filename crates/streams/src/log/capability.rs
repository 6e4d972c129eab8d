//! What a NATS server must be and what its stream must look like to hold the log. Older servers
//! accept settings that they do not know and ignore them, so everything is read back.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::account::Limits;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, PersistenceMode, Republish, RetentionPolicy, StorageType,
};
use events::LogId;
use uuid::Uuid;

use crate::nats::Nats;

/// 2.10.20 to 2.10.22 can lose a whole stream when the server is killed; before 2.10 there is no
/// `sync_interval` and no metadata.
const SERVER_MIN: [u32; 3] = [2, 10, 23];
/// The server must take a block of the default size and its headers.
const PAYLOAD_MIN: usize = events::block::BLOCK_BYTES_MAX + HEADERS_MAX;
/// Bytes of a block's headers.
pub(super) const HEADERS_MAX: usize = 1024;
/// How long the server recognizes a message that is sent twice.
const DUPLICATES: Duration = Duration::from_mins(2);
/// The log's stream and those of the frames.
const STREAMS_NEEDED: i64 = 4;
/// Where the stream's metadata has the log's id.
const ID_KEY: &str = "signcall_log";

/// What is wrong with the server, if anything.
pub(super) fn check_server(nats: &Nats) -> Result<(), String> {
    let info = nats.client.server_info();
    let [major, minor, patch] = SERVER_MIN;
    match version(&info.version) {
        Some(found) if found >= SERVER_MIN => {}
        Some(_) | None => {
            return Err(format!(
                "it runs nats-server {}, which can lose what it acknowledged; \
                 use {major}.{minor}.{patch} or newer",
                info.version
            ));
        }
    }
    if !info.jetstream {
        return Err("JetStream is off; start nats-server with `jetstream {}`".to_owned());
    }
    if info.max_payload < PAYLOAD_MIN {
        let max = info.max_payload;
        return Err(format!("max_payload is {max} bytes; set it to {PAYLOAD_MIN} or more"));
    }
    Ok(())
}

/// What is wrong with what the account may have, if anything.
pub(super) fn check_account(limits: &Limits) -> Result<(), String> {
    if let Some(max @ 1..STREAMS_NEEDED) = limits.max_streams {
        return Err(format!("its account may have {max} streams; allow {STREAMS_NEEDED} or more"));
    }
    if limits.max_bytes_required {
        return Err("its account demands a limit of bytes on every stream; the log has none: \
             take max_bytes_required away"
            .to_owned());
    }
    Ok(())
}

/// The first three numbers of a version such as `2.11.0-beta.1`.
fn version(text: &str) -> Option<[u32; 3]> {
    let mut numbers = text.split(['.', '-', '+']).map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// The stream as it has to be.
pub(super) fn stream_config(nats: &Nats, id: LogId) -> Config {
    let subject = nats.subjects.log();
    Config {
        name: nats.subjects.log_stream(),
        description: Some("Signcall's log: blocks of commits, chained by hash".to_owned()),
        subjects: vec![subject.clone()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: nats.replicas,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        duplicate_window: DUPLICATES,
        republish: Some(Republish {
            source: subject,
            destination: nats.subjects.log_appended(),
            headers_only: true,
        }),
        metadata: HashMap::from([(ID_KEY.to_owned(), id.to_string())]),
        ..Default::default()
    }
}

/// The log's id, if the stream is as it has to be; else what is wrong with it.
pub(super) fn check_stream(found: &Config, wanted: &Config) -> Result<LogId, String> {
    let unlimited = |limit: i64| limit <= 0;
    let Config { name, .. } = found;
    let demands = [
        (found.subjects == wanted.subjects, "has subjects other than its own"),
        (found.retention == RetentionPolicy::Limits, "does not keep messages by limits"),
        (found.storage == StorageType::File, "is not kept in files"),
        (found.discard == DiscardPolicy::New, "discards old messages"),
        (found.deny_delete, "lets messages be deleted (deny_delete is off)"),
        (found.deny_purge, "lets messages be purged (deny_purge is off)"),
        (!found.allow_rollup, "lets messages be rolled up"),
        (unlimited(found.max_bytes), "has a limit of bytes"),
        (unlimited(found.max_messages), "has a limit of messages"),
        (unlimited(found.max_messages_per_subject), "has a limit of messages per subject"),
        (found.max_message_size <= 0, "has a limit of a message's size"),
        (found.max_age.is_zero(), "forgets messages by age"),
        (!found.no_ack && !found.sealed, "does not acknowledge messages, or is sealed"),
        (found.mirror.is_none() && found.sources.is_none(), "is filled from other streams"),
        (found.subject_transform.is_none(), "changes subjects"),
        (found.republish == wanted.republish, "does not tell of new messages (republish)"),
        (found.persist_mode != Some(PersistenceMode::Async), "acknowledges before it writes"),
        (found.num_replicas >= wanted.num_replicas, "has fewer replicas than configured"),
    ];
    if let Some((_, fault)) = demands.iter().find(|(fulfilled, _)| !fulfilled) {
        return Err(format!("its stream {name} {fault}; correct it, or use another prefix"));
    }
    let id = found.metadata.get(ID_KEY).and_then(|text| Uuid::parse_str(text).ok());
    id.map(LogId::from_uuid).ok_or_else(|| {
        format!("its stream {name} does not say which log it holds (metadata {ID_KEY})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_numbers() {
        assert_eq!(version("2.11.0-beta.1"), Some([2, 11, 0]));
        assert_eq!(version("nightly"), None);
        assert!(version("2.9.10") < Some(SERVER_MIN));
        assert!(version("2.10.26") > Some(SERVER_MIN));
    }
}
