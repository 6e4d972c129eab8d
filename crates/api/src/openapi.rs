//! What the API is, for programs: OpenAPI 3.1, made from the table of routes. Each route's operation
//! says its bodies and answers; who may use it, which problems follow from that, and where it lies,
//! is taken from the route itself. A route without an operation, or an operation without a route,
//! fails the tests.
//!
//! Written out here, and not derived: the rows belong to crates that know nothing of the API, and the
//! generators know neither problem codes nor who may do what.

mod accounts;
mod administration;
mod live;
mod messages;
mod models;
mod operation;
mod outside;
mod problems;
mod rooms;
mod rows;
mod schema;
mod texts;
mod told;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::router::{BASE, routes};

pub(crate) use operation::Operation;

/// The document, made once.
static DOCUMENT: LazyLock<Value> = LazyLock::new(build);

/// What the document is about.
const ABOUT: &str = "Signed video calls with live captions, on your own server. Errors are \
    application/problem+json with a stable `code`; what each route can answer is listed with it. \
    Times are RFC 3339 in UTC, ids are integers below 2^53, room codes are nine characters of \
    Crockford's base 32 (hyphens, case and look-alikes are forgiven). Lists come in pages: \
    `next_cursor` goes back as `after`, `prev_cursor` as `before`.";

/// The OpenAPI document of this binary.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Every operation, in the order in which it is shown.
fn operations() -> Vec<Operation> {
    let groups = [
        accounts::operations(),
        administration::operations(),
        models::operations(),
        rooms::operations(),
        texts::operations(),
        live::operations(),
        outside::operations(),
    ];
    groups.into_iter().flatten().collect()
}

fn build() -> Value {
    let routes = routes();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in operations() {
        let Some(route) = routes.iter().find(|route| operation.is_of(route)) else { continue };
        let methods = paths.entry(format!("{BASE}{}", route.path)).or_default();
        methods.insert(route.method.as_str().to_lowercase(), operation.describe(route.who));
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "Signcall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "paths": paths,
        "webhooks": told::webhooks(),
        "components": {
            "schemas": schema::all(),
            "responses": { "Problem": problems::response() },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of 32 hexadecimal characters, as POST /tokens gives it.",
                },
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Name and password in UTF-8, for POST /tokens alone.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-session",
                    "description": "The page's session, with an Origin or Sec-Fetch-Site of its own; \
                                    named `session` on localhost without TLS.",
                },
            },
        },
    })
}

/// Routes and operations that lack each other, for the tests.
#[cfg(test)]
fn unpaired() -> (Vec<String>, Vec<String>) {
    let (routes, operations) = (routes(), operations());
    let name = |route: &crate::router::Route| format!("{} {}", route.method, route.path);
    let alone =
        |route: &&crate::router::Route| !operations.iter().any(|operation| operation.is_of(route));
    let undocumented = routes.iter().filter(alone).map(name).collect();
    let unrouted = operations
        .iter()
        .filter(|operation| !routes.iter().any(|route| operation.is_of(route)))
        .map(Operation::name)
        .collect();
    (undocumented, unrouted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_documented_and_every_documented_one_is_routed() {
        let (undocumented, unrouted) = unpaired();
        assert!(undocumented.is_empty(), "add to openapi/: {undocumented:?}");
        assert!(unrouted.is_empty(), "not in the router: {unrouted:?}");
        let operations = operations();
        let names: std::collections::BTreeSet<_> = operations.iter().map(Operation::name).collect();
        assert_eq!(names.len(), operations.len(), "one is there twice");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let text = document().to_string();
        let mut named = std::collections::BTreeSet::new();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document().pointer(pointer).is_some(), "{pointer}");
            named.insert(pointer.rsplit('/').next().unwrap().to_owned());
        }
        for name in document()["components"]["schemas"].as_object().unwrap().keys() {
            assert!(named.contains(name), "{name} is used nowhere");
        }
    }

    #[test]
    fn every_operation_says_its_problems_with_codes() {
        for methods in document()["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.keys().any(|status| status.as_str() < "400"), "{operation}");
                assert!(answers.contains_key("500") && answers.contains_key("503"));
                for answer in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
                    assert!(
                        answer.1["x-problem-codes"].as_array().is_some_and(|all| !all.is_empty())
                    );
                }
            }
        }
    }
}
