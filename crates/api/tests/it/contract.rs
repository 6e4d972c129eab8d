//! Every answer that any of these tests gets is held against the OpenAPI document: its status, its
//! problem code, its content type and its body have to be there.

use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Fails when the document does not say that this route can answer so.
#[track_caller]
pub(crate) fn check(
    method: &Method,
    path: &str,
    status: StatusCode,
    media_type: &str,
    body: &Value,
) {
    let Some((template, operation)) = operation(method, path) else { return };
    let place = format!("{method} {template} {status}");
    let status = status.as_str();
    let answer = &operation["responses"][status];
    assert!(answer.is_object(), "{place} is not documented: {body}");
    let media_type = media_type.split(';').next().unwrap_or_default();
    let content = answer["content"].as_object();
    let Some(content) = content else {
        assert!(body.is_null() && media_type.is_empty(), "{place} is documented as empty: {body}");
        return;
    };
    let documented = content.get(media_type);
    let documented =
        documented.unwrap_or_else(|| panic!("{place} is not documented as {media_type}"));
    if media_type.ends_with("json") {
        let schema = &documented["schema"];
        validate(schema, body).unwrap_or_else(|wrong| panic!("{place}: {wrong}: {body}"));
    }
    if media_type == "application/problem+json" {
        let codes = answer["x-problem-codes"].as_array().unwrap();
        assert!(codes.contains(&body["code"]), "{place} is not documented as {}", body["code"]);
    }
}

/// Fails when the document does not say that a room's readers are sent this.
#[track_caller]
pub(crate) fn check_live(message: &Value) {
    let schemas = &api::openapi()["components"]["schemas"];
    validate(&schemas["LiveMessage"], message).unwrap_or_else(|wrong| panic!("{wrong}: {message}"));
}

/// Fails when the document does not say that receivers of webhooks are sent this.
#[track_caller]
pub(crate) fn check_delivery(body: &Value) {
    let webhook = &api::openapi()["webhooks"][body["type"].as_str().unwrap_or_default()];
    let schema = &webhook["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "not documented: {body}");
    validate(schema, body).unwrap_or_else(|wrong| panic!("{wrong}: {body}"));
}

/// The operation of an address, and its path with variable parts; the one with fewest of them.
fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let pieces: Vec<&str> = path.split('/').collect();
    let matches = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == pieces.len()
            && wanted
                .iter()
                .zip(&pieces)
                .all(|(want, piece)| want.starts_with('{') || want == piece)
    };
    let paths = api::openapi()["paths"].as_object()?.iter();
    let found = paths.filter(|(template, _)| matches(template));
    let (template, methods) = found.min_by_key(|(template, _)| template.matches('{').count())?;
    let operation = methods.get(method.as_str().to_lowercase())?;
    Some((template.as_str(), operation))
}

/// As much of JSON Schema as the document uses. Objects with named properties are taken as closed:
/// a field that is told and not documented is a fault.
fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = api::openapi().pointer(reference.trim_start_matches('#')).unwrap();
        return validate(target, value);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let faults: Vec<_> = choices.iter().filter_map(|one| validate(one, value).err()).collect();
        return if faults.len() < choices.len() { Ok(()) } else { Err(faults.join(" and ")) };
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return Err(format!("{value} is none of {values:?}"));
    }
    if !fits(&schema["type"], value) {
        return Err(format!("{value} is not {}", schema["type"]));
    }
    let (min, max) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    let beyond = value.as_f64().is_some_and(|number| {
        min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max)
    });
    if beyond {
        return Err(format!("{value} is out of bounds"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        validate(&schema["items"], item).map_err(|wrong| format!("[{index}] {wrong}"))?;
    }
    let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    else {
        return Ok(());
    };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, field) in fields {
        let schema = properties.get(name).ok_or_else(|| format!("{name} is not documented"))?;
        validate(schema, field).map_err(|wrong| format!("{name}: {wrong}"))?;
    }
    Ok(())
}

fn fits(kind: &Value, value: &Value) -> bool {
    match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| fits(kind, value)),
        Value::String(kind) => match kind.as_str() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("the document has a type {other}"),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}

#[test]
fn the_check_itself_finds_faults() {
    let user = serde_json::json!({ "$ref": "#/components/schemas/Presence" });
    let valid = |value: Value| validate(&user, &value);
    valid(serde_json::json!({ "user_id": 1, "online": true })).unwrap();
    assert!(valid(serde_json::json!({ "user_id": 0, "online": true })).is_err());
    assert!(valid(serde_json::json!({ "user_id": 1 })).is_err());
    assert!(valid(serde_json::json!({ "user_id": 1, "online": true, "age": 3 })).is_err());
    assert_eq!(operation(&Method::GET, "/api/v1/users/me").unwrap().0, "/api/v1/users/me");
    assert_eq!(operation(&Method::GET, "/api/v1/users/7").unwrap().0, "/api/v1/users/{id}");
}
