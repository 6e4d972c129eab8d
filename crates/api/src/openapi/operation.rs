//! One operation: what its author says of it, and what follows from the route.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::{Value, json};

use super::problems;
use super::schema::{reference, whole};
use crate::router::{Route, Who};

/// What can be wrong with any request at all.
const ALWAYS: [&str; 3] = ["internal", "timeout", "log_unreachable"];
/// With who asks.
const LOGGED_IN: [&str; 6] =
    ["unauthorized", "invalid_token", "token_expired", "blocked", "cross_origin", "logged_out"];
/// With a body of JSON.
const JSON: [&str; 6] = [
    "broken_body",
    "malformed_json",
    "slow_body",
    "too_large",
    "unsupported_media_type",
    "invalid",
];
/// With what the decider is asked.
const COMMAND: [&str; 3] = ["overloaded", "decider_unavailable", "disk_full"];
/// With a room that the caller may not be in.
const ROOM: [&str; 4] = ["not_found", "not_admitted", "throttled", "vault_unavailable"];
/// With reading the tables.
const TABLES: [&str; 4] =
    ["projection_behind", "tables_unavailable", "vault_unavailable", "invalid_header"];

/// One documented operation.
pub(crate) struct Operation {
    method: Method,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    basic: bool,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    problems: BTreeSet<&'static str>,
}

macro_rules! begin {
    ($($name:ident $method:ident;)*) => {$(
        #[doc = concat!("An operation of ", stringify!($method), ".")]
        pub(super) fn $name(path: &'static str, tag: &'static str, summary: &'static str) -> Self {
            Self::new(Method::$method, path, tag, summary)
        }
    )*};
}

impl Operation {
    begin! { get GET; post POST; put PUT; patch PATCH; delete DELETE; }

    fn new(method: Method, path: &'static str, tag: &'static str, summary: &'static str) -> Self {
        let parameters = path.split('/').filter_map(path_parameter).collect();
        let mut problems = BTreeSet::from(ALWAYS);
        if method != Method::GET {
            problems.extend(COMMAND);
            problems.extend(JSON);
        }
        let (body, answers, basic) = (None, BTreeMap::new(), false);
        Self { method, path, tag, summary, basic, parameters, body, answers, problems }
    }

    /// Also by HTTP Basic.
    pub(super) fn or_basic(mut self) -> Self {
        self.basic = true;
        self
    }

    /// Takes a body of JSON; without `required`, none means an empty object.
    pub(super) fn json(mut self, schema: &str, required: bool) -> Self {
        self.body = Some(json!({
            "required": required,
            "content": { "application/json": { "schema": reference(schema) } },
        }));
        self
    }

    /// Takes a body of bytes of one of these types.
    pub(super) fn bytes(mut self, types: &[(&str, &str)]) -> Self {
        let content = types.iter().map(|(media_type, told)| {
            let schema = json!({ "type": "string", "format": "binary", "description": told });
            ((*media_type).to_owned(), json!({ "schema": schema }))
        });
        let content: serde_json::Map<String, Value> = content.collect();
        self.body = Some(json!({ "required": true, "content": content }));
        self
    }

    /// Takes something after the question mark, or in a header.
    pub(super) fn takes(mut self, place: &str, name: &str, told: &str, schema: Value) -> Self {
        let mut parameter =
            json!({ "name": name, "in": place, "required": false, "description": told });
        parameter["schema"] = schema;
        self.parameters.push(parameter);
        self
    }

    /// Answers with JSON of this schema.
    pub(super) fn answers(self, status: u16, told: &str, schema: Value) -> Self {
        let mut content = json!({ "application/json": {} });
        content["application/json"]["schema"] = schema;
        self.answers_with(status, told, content)
    }

    /// Answers with other content.
    pub(super) fn answers_with(mut self, status: u16, told: &str, content: Value) -> Self {
        let mut answer = json!({ "description": told });
        answer["content"] = content;
        self.answers.insert(status, answer);
        self
    }

    /// Answers with nothing.
    pub(super) fn empty(mut self, status: u16, told: &str) -> Self {
        self.answers.insert(status, json!({ "description": told }));
        self
    }

    /// Answers with a page of these.
    pub(super) fn list(mut self, told: &str, row: &str) -> Self {
        let cursor = json!({ "type": ["string", "null"] });
        let page = json!({
            "type": "object",
            "required": ["data", "next_cursor", "prev_cursor"],
            "properties": {
                "data": { "type": "array", "items": reference(row) },
                "next_cursor": cursor,
                "prev_cursor": cursor,
            },
        });
        self.problems.insert("invalid");
        let text = json!({ "type": "string" });
        let listed = self
            .takes("query", "limit", "Rows of the page, 50 unless said.", whole(1, 100))
            .takes("query", "after", "The cursor of the page before.", text.clone())
            .takes("query", "before", "The cursor to walk back from; empty: the end.", text.clone())
            .answers(200, told, page);
        listed.answer_header("Link", "The pages beside this one (RFC 8288).")
    }

    /// Answers with all of these at once.
    pub(super) fn all(self, told: &str, row: &str) -> Self {
        let data = json!({ "type": "array", "items": reference(row) });
        let schema = json!({
            "type": "object", "required": ["data"], "properties": { "data": data },
        });
        self.answers(200, told, schema)
    }

    /// Its good answers also have this header.
    fn answer_header(mut self, name: &str, told: &str) -> Self {
        for answer in self.answers.values_mut() {
            answer["headers"][name] =
                json!({ "description": told, "schema": { "type": "string" } });
        }
        self
    }

    /// What it answers with has an `ETag`.
    pub(super) fn tagged(self) -> Self {
        self.answer_header("ETag", "The revision, for If-Match.")
    }

    /// Takes `If-Match`.
    pub(super) fn guarded(mut self) -> Self {
        self.problems.insert("stale");
        let text = json!({ "type": "string" });
        self.takes("header", "If-Match", "The ETag of what was read; 412 when it is old.", text)
    }

    /// Reads the tables, as far as they are told to have come.
    pub(super) fn reads(mut self) -> Self {
        self.problems.extend(TABLES);
        let told = "Waits up to 2 s until the tables have come to this Log-Position.";
        self.takes("header", "Min-Position", told, whole(0, (1 << 53) - 1))
    }

    /// Waits for the tables to show what was just written.
    pub(super) fn shows(mut self) -> Self {
        self.problems.extend(["projection_behind", "tables_unavailable", "vault_unavailable"]);
        self
    }

    /// Can also be refused with these codes.
    pub(super) fn refuses(mut self, codes: &[&'static str]) -> Self {
        self.problems.extend(codes);
        self
    }

    /// Method and path.
    #[cfg(test)]
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it is this route's.
    pub(super) fn is_of(&self, route: &Route) -> bool {
        self.method == route.method && self.path == route.path
    }

    /// As the document has it.
    pub(super) fn describe(mut self, who: Who) -> Value {
        let text = json!({ "type": "string", "minLength": 1, "maxLength": 200 });
        let logged_in = who != Who::Anyone;
        if logged_in {
            self.problems.extend(LOGGED_IN);
            self = self.answer_header("Token-Expires-At", "When the token that was used expires.");
        }
        if logged_in && self.method != Method::GET {
            self.problems.extend(["invalid_header", "idempotency_key_reused"]);
            let told = "A retry under the same key gets the first answer, for 24 hours; another body \
                        under it is refused. Ignored where the answer hands out a secret.";
            self = self.takes("header", "Idempotency-Key", told, text);
        }
        if self.method != Method::GET {
            self = self.answer_header("Log-Position", "Where the commit lies, for Min-Position.");
        }
        if who == Who::Admin {
            self.problems.insert("forbidden");
        }
        if self.path.starts_with("/rooms/{code}") {
            self.problems.extend(ROOM);
        }
        if self.path.contains('{') {
            self.problems.insert("not_found");
        }
        let operation_id = format!("{} {}", self.method.as_str().to_lowercase(), self.path);
        let operation_id: String =
            operation_id.replace(|c: char| !c.is_ascii_alphanumeric(), "_").replace("__", "_");
        let mut answers = self.answers;
        answers.extend(problems::answers(self.problems.iter().copied()));
        let answers: BTreeMap<String, Value> =
            answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        let mut described = json!({
            "operationId": operation_id.trim_matches('_'),
            "tags": [self.tag],
            "summary": self.summary,
            "description": format!("For: {}.", may(who)),
            "parameters": self.parameters,
            "responses": answers,
        });
        if let Some(body) = self.body {
            described["requestBody"] = body;
        }
        if logged_in {
            described["security"] = json!([{ "bearer": [] }, { "session": [] }]);
        } else if self.basic {
            described["security"] = json!([{ "basic": [] }, {}]);
        } else {
            described["security"] = json!([]);
        }
        described
    }
}

/// In words.
fn may(who: Who) -> &'static str {
    match who {
        Who::Anyone => "everybody",
        Who::User => "everybody who is logged in",
        Who::Reader => "those who are in the room, and those who watch over it",
        Who::Participant => "those who are in the room",
        Who::Owner => "the room's owner, and administrators",
        Who::Admin => "administrators",
    }
}

/// The parameter that a piece of a path stands for.
fn path_parameter(piece: &str) -> Option<Value> {
    let name = piece.strip_prefix('{')?.strip_suffix('}')?;
    let (told, schema) = match name {
        "code" => ("The room's code.", json!({ "type": "string", "minLength": 1 })),
        "model" => ("The model's name.", json!({ "type": "string", "minLength": 1 })),
        "secret" => ("What the link ends in.", json!({ "type": "string", "minLength": 1 })),
        _ => ("Which one.", reference("Id")),
    };
    Some(json!({
        "name": name, "in": "path", "required": true, "description": told, "schema": schema,
    }))
}
