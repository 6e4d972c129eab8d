//! Every code that a problem can have, its status, and what it means.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Code, status, meaning.
pub(super) const CODES: &[(&str, u16, &str)] = &[
    ("broken_body", 400, "the body ended before it was whole"),
    ("malformed_json", 400, "the body is not JSON"),
    ("invalid_header", 400, "a header can't be read"),
    ("unauthorized", 401, "no credentials came with the request"),
    ("invalid_token", 401, "the token is unknown or has ended"),
    ("token_expired", 401, "the token has expired"),
    ("logged_out", 401, "the log-in ended while the request was on its way"),
    ("invalid_credentials", 401, "the name or the password is wrong, or could not be read"),
    ("wrong_secret", 401, "the bootstrap secret is wrong, was used, or is too old"),
    ("wrong_password", 403, "the current password is wrong"),
    ("cross_origin", 403, "a cookie came from a foreign page"),
    ("forbidden", 403, "the caller may not do this"),
    ("blocked", 403, "an administrator blocked the account"),
    ("room_locked", 403, "the room takes nobody in"),
    ("removed", 403, "the room sent this user away"),
    ("not_admitted", 403, "the caller waits in the lobby"),
    ("not_found", 404, "it does not exist, or the caller may not know that it does"),
    ("slow_body", 408, "the body took too long"),
    ("username_taken", 409, "another user has this name"),
    ("email_taken", 409, "another user has this address"),
    ("room_code_taken", 409, "the drawn room codes were in use; ask again"),
    ("room_closed", 409, "the call is over"),
    ("room_full", 409, "the room's capacity is reached"),
    ("no_consent", 409, "captions are off for this participant"),
    ("last_admin", 409, "there would be no administrator left"),
    ("no_recognizer", 409, "this process serves no models, so it can't teach one"),
    ("not_teachable", 409, "a model of this kind can't be taught"),
    ("model_exists", 409, "a model has this name; none is replaced"),
    ("models_full", 409, "there are as many models as there may be"),
    ("gone", 410, "it was there once"),
    ("stale", 412, "If-Match names another revision than the newest"),
    ("too_large", 413, "the body or the file in it is too large"),
    ("unsupported_media_type", 415, "the content type is none that this route reads"),
    ("invalid", 422, "fields are not as they should be; `errors` names them"),
    ("idempotency_key_reused", 422, "the key was used with another body"),
    ("out_of_order", 422, "another frame comes next; `expected_seq` says which"),
    ("invalid_frames", 422, "the frames can't be read; `errors` says where"),
    ("upgrade_required", 426, "the route answers to WebSocket upgrades alone"),
    ("throttled", 429, "too many of this kind; Retry-After says when to come back"),
    ("too_many_sockets", 429, "too many sockets are open"),
    ("frames_full", 429, "too much waits; `credit` says how many frames may be sent"),
    ("too_many_uploads", 429, "too many uploads wait"),
    ("too_many_streams", 429, "too many streams are open"),
    ("internal", 500, "something broke inside the server"),
    ("overloaded", 503, "too many commands wait"),
    ("decider_unavailable", 503, "nobody decides right now"),
    ("log_unreachable", 503, "the log can't be reached, so nothing can be checked"),
    ("frames_unavailable", 503, "frames can't be passed on right now"),
    ("tables_unavailable", 503, "the tables can't be read right now"),
    ("vault_unavailable", 503, "personal fields can't be opened right now"),
    ("teaching_busy", 503, "another sign is being taught"),
    ("passwords_busy", 503, "too many log-ins wait"),
    ("projection_behind", 503, "the tables have not caught up yet"),
    ("timeout", 503, "the request took too long"),
    ("stopping", 503, "the server is stopping"),
    ("disk_full", 507, "the log's disk is full; reads go on"),
];

/// The status and the meaning of a code.
fn meaning(code: &str) -> (u16, &'static str) {
    let found = CODES.iter().find(|(known, ..)| *known == code);
    found.map_or((500, ""), |(_, status, meaning)| (*status, *meaning))
}

/// The answers that these codes come as: by status, each with its codes.
pub(super) fn answers<'a>(codes: impl Iterator<Item = &'a str>) -> BTreeMap<u16, Value> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes {
        by_status.entry(meaning(code).0).or_default().push(code);
    }
    let answer = |(status, codes): (u16, Vec<&str>)| {
        let told: Vec<_> =
            codes.iter().map(|code| format!("`{code}`: {}", meaning(code).1)).collect();
        let mut answer = response();
        answer["description"] = told.join("; ").into();
        answer["x-problem-codes"] = json!(codes);
        let headers = match status {
            401 => Some(("WWW-Authenticate", "How to log in.")),
            429 | 503 => Some(("Retry-After", "Seconds to wait.")),
            _ => None,
        };
        if let Some((name, told)) = headers {
            answer["headers"][name] =
                json!({ "description": told, "schema": { "type": "string" } });
        }
        if codes.contains(&"throttled") {
            let rate = json!({ "description": "The limit, what is left, and when it is whole again.",
                "schema": { "type": "string" } });
            answer["headers"]["RateLimit"] = rate;
        }
        (status, answer)
    };
    by_status.into_iter().map(answer).collect()
}

/// A problem, whichever.
pub(super) fn response() -> Value {
    json!({
        "description": "A problem (RFC 9457).",
        "headers": { "X-Request-Id": {
            "description": "Names the request in the server's log.",
            "schema": { "type": "string" },
        } },
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
        } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_there_once() {
        let names: std::collections::BTreeSet<_> = CODES.iter().map(|(code, ..)| code).collect();
        assert_eq!(names.len(), CODES.len());
    }
}
