//! The words of a schema, and the bodies that are asked with.

use events::room::command::create::{CAPACITY_MAX, RETENTION_DAYS_MAX};
use events::text::{DISPLAY_NAME, EMAIL, Limits, MESSAGE, REASON, TAG, USERNAME};
use serde_json::{Map, Value, json};

use super::{messages, models, outside, rows, told};
use crate::password::{LENGTH_MAX, LENGTH_MIN};

/// A reference to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A whole number.
pub(super) fn whole(min: u64, max: u64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

/// A whole number from 0 that needs no limit.
pub(super) fn count() -> Value {
    whole(0, (1 << 53) - 1)
}

/// An id.
pub(super) fn id() -> Value {
    reference("Id")
}

/// Any text.
pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

/// Yes or no.
pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A time.
pub(super) fn time() -> Value {
    reference("Time")
}

/// One of these.
pub(super) fn one_of(values: &[&str]) -> Value {
    json!({ "type": "string", "enum": values })
}

/// Or null.
pub(super) fn or_null(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// A list of these.
pub(super) fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A text within limits, with something to be seen in it.
fn written(limits: Limits) -> Value {
    json!({ "type": "string", "minLength": limits.min, "maxLength": limits.max })
}

fn password() -> Value {
    json!({ "type": "string", "format": "password", "minLength": LENGTH_MIN, "maxLength": LENGTH_MAX })
}

fn any_password() -> Value {
    json!({ "type": "string", "format": "password" })
}

fn tag() -> Value {
    json!({ "type": "string", "minLength": TAG.min, "maxLength": TAG.max,
        "pattern": "^[A-Za-z0-9_.:/@-]+$" })
}

/// An answer: every field is there.
pub(super) fn row<const N: usize>(told: &str, fields: [(&str, Value); N]) -> Value {
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let mut row = json!({ "type": "object", "description": told, "required": required });
    let fields = fields.into_iter().map(|(name, schema)| (name.to_owned(), schema));
    row["properties"] = Value::Object(fields.collect());
    row
}

/// A body that is asked with: nothing else may be in it.
pub(super) fn asked(told: &str, required: &[(&str, Value)], optional: &[(&str, Value)]) -> Value {
    let names: Vec<_> = required.iter().map(|(name, _)| *name).collect();
    let mut all = properties(required);
    all.extend(properties(optional));
    json!({
        "type": "object",
        "description": told,
        "required": names,
        "properties": all,
        "additionalProperties": false,
    })
}

fn properties(fields: &[(&str, Value)]) -> Map<String, Value> {
    fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect()
}

/// All schemas, by name.
pub(super) fn all() -> Map<String, Value> {
    let mut all = Map::new();
    let groups = [
        accounts(),
        rooms(),
        rows::all(),
        outside::schemas(),
        models::schemas(),
        messages::schemas(),
    ];
    for (name, schema) in groups.into_iter().flatten() {
        all.insert(name.to_owned(), schema);
    }
    all.extend(told::schemas());
    all
}

fn accounts() -> Vec<(&'static str, Value)> {
    let names = [("username", written(USERNAME)), ("email", written(EMAIL))];
    let optional_names = names.clone().map(|(name, schema)| (name, or_null(&schema)));
    let new = [&names[..], &[("password", password())]].concat();
    let secret = ("secret", text());
    let credentials = [("username", text()), ("password", any_password())];
    vec![
        ("NewUser", asked("Somebody who registers.", &new, &[])),
        ("FirstAdmin", asked("The first administrator.", &[&[secret], &new[..]].concat(), &[])),
        ("Credentials", asked("A name and its password.", &credentials, &[])),
        ("NewNames", asked("What is left out stays.", &[], &optional_names)),
        (
            "NewPassword",
            asked("Every log-in ends.", &[("current", any_password()), ("new", password())], &[]),
        ),
        (
            "Goodbye",
            asked(
                "The end of an account; with `erase_content` its texts go too.",
                &[("password", any_password())],
                &[("erase_content", flag())],
            ),
        ),
        ("Address", asked("Where the link is wanted.", &[("email", text())], &[])),
        ("ResetPassword", asked("The new password.", &[("new", password())], &[])),
        ("BlockReason", asked("Why.", &[("reason", written(REASON))], &[])),
        ("Erasure", asked("Whether the texts go too.", &[], &[("erase_content", flag())])),
        ("Nothing", asked("No fields.", &[], &[])),
    ]
}

fn rooms() -> Vec<(&'static str, Value)> {
    let days = whole(1, u64::from(RETENTION_DAYS_MAX));
    let settings = [
        ("locked", or_null(&flag())),
        ("lobby", or_null(&flag())),
        ("guests", or_null(&flag())),
        ("guest_history", or_null(&flag())),
        ("capacity", or_null(&whole(2, u64::from(CAPACITY_MAX)))),
        ("retention_days", or_null(&days)),
        ("model", or_null(&tag())),
        ("language", or_null(&tag())),
    ];
    let changes = [&settings[..], &[("owner_id", or_null(&id()))]].concat();
    let captions = [("keep", flag()), ("language", or_null(&tag())), ("model", or_null(&tag()))];
    vec![
        ("NewRoom", asked("How a room starts.", &[], &settings)),
        (
            "RoomChanges",
            asked(
                "What is left out stays; null for `retention_days` keeps texts for ever, null for \
                 `model` and `language` means any.",
                &[],
                &changes,
            ),
        ),
        (
            "GuestName",
            asked(
                "What a guest wants to be called, and may when coming back; users send nothing.",
                &[],
                &[("display_name", or_null(&written(DISPLAY_NAME)))],
            ),
        ),
        ("Admittance", asked("In from the lobby, or away.", &[("admit", flag())], &[])),
        (
            "Captions",
            asked(
                "Consent to captions of one's own signing; `keep` also to keeping the landmarks.",
                &[("consent", flag())],
                &captions,
            ),
        ),
        ("MessageText", asked("A chat message.", &[("msg_content", written(MESSAGE))], &[])),
        ("CaptionText", asked("A caption.", &[("ts_content", written(MESSAGE))], &[])),
    ]
}
