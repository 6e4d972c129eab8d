//! Every tag that was ever shipped has one file, which reads and is written again byte for byte.

use std::collections::BTreeSet;
use std::path::PathBuf;

use events::stored::{StoredError, StoredEvent};
use events::{Commit, Event};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn files() -> Vec<PathBuf> {
    let listed = |part| std::fs::read_dir(folder().join(part)).unwrap();
    ["user", "room", "webhook"]
        .into_iter()
        .flat_map(listed)
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn every_tag_has_its_file_and_every_file_its_tag() {
    let named: BTreeSet<String> =
        files().iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let tags: BTreeSet<String> = StoredEvent::TAGS.iter().map(|tag| (*tag).to_owned()).collect();
    assert_eq!(tags.len(), StoredEvent::TAGS.len(), "a tag is there twice");
    assert_eq!(named, tags);
}

#[test]
fn shipped_history_reads_and_is_written_as_it_was() {
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let stored: StoredEvent = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} can't be read any more: {error}", path.display()));
        assert_eq!(stored.tag(), path.file_stem().unwrap().to_str().unwrap());
        let written = serde_json::to_string_pretty(&stored).unwrap() + "\n";
        assert_eq!(written, text, "{}: a shipped shape was changed", path.display());
        // What it is today has a tag of today.
        let today = StoredEvent::from(Event::from(stored));
        assert!(StoredEvent::TAGS.contains(&today.tag()));
    }
}

#[test]
fn a_tag_from_the_future_is_named() {
    let line = r#"{"id":"00000000-0000-0000-0000-000000000001","time":"2026-01-01T00:00:00Z",
        "actor":"anonymous","subject":"user.1",
        "events":[{"type":"user.promoted.v7","data":{"user_id":1}}]}"#;
    let error = Commit::decode(line).unwrap_err();
    assert!(matches!(&error, StoredError::UnknownTag { tag } if tag == "user.promoted.v7"));
    assert!(error.to_string().contains("newer version"));
}

#[test]
fn unknown_fields_in_history_are_not_skipped_over() {
    let line = r#"{"type":"user.unblocked.v1","data":{"user_id":1,"by":2}}"#;
    assert!(serde_json::from_str::<StoredEvent>(line).is_err());
}
