//! The catalogue of everything the log can hold, `docs/events.md`, written from the types themselves.
//! A test fails when it is not up to date; `SIGNCALL_BLESS=1 cargo test -p events the_document` writes it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::block::{BlockHeader, commit_schema};
use crate::id::RoomCode;
use crate::sealed::Personal;
use crate::stored::StoredEvent;
use crate::subject::Subject;
use crate::time::Timestamp;

/// Shapes of types that read and write themselves.
macro_rules! texts {
    ($($type:ty, $name:literal, { $($schema:tt)* };)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", $($schema)* })
            }
        }
    )*};
}

texts! {
    Personal, "Personal", {
        "contentEncoding": "base64",
        "description": "Sealed under a key that lies in the vault: nonce and ciphertext. Empty once erased."
    };
    Timestamp, "Timestamp", { "format": "date-time", "description": "UTC, whole microseconds" };
    Subject, "Subject", { "pattern": "^(users|user\\.[0-9a-f]+|room\\.[0-9a-f]+)$" };
    RoomCode, "RoomCode", { "pattern": "^[0-9A-HJKMNP-TV-Z]{9}$" };
}

/// One event in a commit.
#[derive(JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct AnyEvent {
    /// Its tag: what happened, and the version of its shape.
    #[expect(dead_code, reason = "only its shape counts")]
    r#type: String,
    /// As the tag's own schema says.
    #[expect(dead_code, reason = "only its shape counts")]
    data: serde_json::Map<String, Value>,
}

const INTRODUCTION: &str = "\
# Events

Everything that the log can hold. Written from the code by `SIGNCALL_BLESS=1 cargo test -p events the_document`; a test
fails when it is not up to date. Shapes never change once they were shipped: a new one gets a new tag (`.v2`), and the
old one is read for ever. The examples are the files in `crates/events/golden/`.

## Blocks

The log is a chain of blocks, the same bytes on every backend: a line of JSON for the header, then one line for each
commit. The next header carries this block's SHA-256.

";

const COMMITS: &str = "\
## Commits

A commit is one decision: all its events happened, or none. Its names are those of CloudEvents where those have one. Each
event of it reads as a CloudEvent like this:

| CloudEvents | in the log |
|---|---|
| `specversion` | `1.0` |
| `id` | UUID version 5 of the commit's `id` (the command's id) and the event's place in the commit, from 0 |
| `source` | `urn:uuid:` and the header's `log` |
| `type`, `data` | the event's `type` and `data` |
| `subject`, `time` | the commit's |
| `dataschema` | the schema below |
| `correlationid`, `causationid` | the commit's, where it has them |
| `actor`, `body` | the commit's; extensions |
| `sequence` | the commit's position: the header's `first`, plus one for each line before it |

";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn golden(tag: &str) -> Value {
    let aggregate = tag.split('.').next().unwrap().trim_end_matches('s');
    let file = root().join("crates/events/golden").join(aggregate).join(format!("{tag}.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The first words of a type in a table.
fn kind(schema: &Value, definitions: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let found = &definitions[name];
        let plain = kind(found, definitions);
        return if plain == "object" || plain == "choice" {
            name.to_owned()
        } else {
            format!("{name} ({plain})")
        };
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = choices.iter().map(|choice| kind(choice, definitions)).collect();
        return kinds.join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or("?")))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if schema["oneOf"].is_array() {
        return "choice".to_owned();
    }
    match &schema["type"] {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        Value::String(name) if name == "array" => {
            format!("list of {}", kind(&schema["items"], definitions))
        }
        Value::String(name) => name.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "any".to_owned(),
    }
}

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace('\n', " ")
}

fn write_shape(into: &mut String, schema: &Schema) {
    let schema = schema.as_value();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    into.push_str("| field | type | meaning |\n|---|---|---|\n");
    for (name, field) in schema["properties"].as_object().unwrap() {
        let optional = if required.contains(&name.as_str()) { "" } else { ", may be absent" };
        let kind = kind(field, &schema["$defs"]);
        writeln!(into, "| `{name}` | {kind}{optional} | {} |", one_line(&field["description"]))
            .unwrap();
    }
    let text = serde_json::to_string(schema).unwrap();
    writeln!(
        into,
        "\n<details><summary>JSON Schema</summary>\n\n```json\n{text}\n```\n\n</details>\n"
    )
    .unwrap();
}

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    write_shape(&mut text, &schemars::schema_for!(BlockHeader));
    text.push_str(COMMITS);
    write_shape(&mut text, &commit_schema());
    for (tag, schema) in StoredEvent::schemas() {
        writeln!(text, "## {tag}\n\n{}\n", one_line(&schema.as_value()["description"])).unwrap();
        write_shape(&mut text, &schema);
        writeln!(text, "```json\n{}\n```\n", golden(tag)).unwrap();
    }
    text
}

#[test]
fn the_document_is_the_catalogue() {
    let (place, text) = (root().join("docs/events.md"), document());
    if std::env::var_os("SIGNCALL_BLESS").is_some() {
        std::fs::write(&place, &text).unwrap();
    }
    let written = std::fs::read_to_string(place).unwrap();
    assert!(written == text, "docs/events.md is not up to date: SIGNCALL_BLESS=1 writes it anew");
}

#[test]
fn what_was_shipped_is_as_its_schema_says() {
    for (tag, schema) in StoredEvent::schemas() {
        let data = &golden(tag)["data"];
        let fields = schema.as_value()["properties"].as_object().unwrap();
        for (name, _) in data.as_object().unwrap() {
            assert!(fields.contains_key(name), "{tag}: {name} is not in the schema");
        }
        for name in schema.as_value()["required"].as_array().unwrap() {
            assert!(data.get(name.as_str().unwrap()).is_some(), "{tag}: {name} is missing");
        }
        assert_eq!(schema.as_value()["additionalProperties"], false, "{tag}");
    }
}
