//! What is told to others: the audit trail, webhooks, and ways for browsers to each other.

use events::webhook::{Disabling, Notice};
use serde_json::{Value, json};

use super::operation::Operation as Op;
use super::schema::{asked, count, flag, id, list, one_of, or_null, reference, row, text, time};

const TRAIL: &str = "Administration";
const HOOKS: &str = "Webhooks";

pub(super) fn operations() -> Vec<Op> {
    let who = "A user's id, or anonymous, api, recognizer, reactor or operator.";
    vec![
        Op::get("/events", TRAIL, "Read the audit trail")
            .takes("query", "actor", who, text())
            .takes("query", "room", "A room's id, or its code while it is there.", text())
            .takes("query", "user", "Whom it is about.", id())
            .list(
                "Newest first, read with `after` alone. A page may be short or empty and yet name a \
                 next one: so much of the log was looked through.",
                "Event",
            )
            .refuses(&["vault_unavailable"]),
        Op::get("/ice-servers", "Live", "Find ways for browsers to each other").answers(
            200,
            "As RTCConfiguration has them.",
            reference("IceServers"),
        ),
        Op::post("/webhooks", HOOKS, "Be told of what happens in rooms")
            .json("NewWebhook", true)
            .answers(201, "The webhook, with its secret, shown once.", reference("NewWebhookAnswer"))
            .refuses(&["forbidden", "not_found", "not_admitted", "throttled", "vault_unavailable"]),
        Op::get("/webhooks", HOOKS, "List webhooks")
            .list("One's own, for administrators all; newest first.", "Webhook")
            .refuses(&["vault_unavailable"]),
        Op::get("/webhooks/{id}", HOOKS, "See a webhook")
            .answers(200, "The webhook.", reference("Webhook"))
            .refuses(&["vault_unavailable"]),
        Op::patch("/webhooks/{id}", HOOKS, "Disable a webhook, or enable it again")
            .json("WebhookEnabling", true)
            .answers(
                200,
                "The webhook. What happens while it is disabled is never delivered.",
                reference("Webhook"),
            )
            .refuses(&["vault_unavailable"]),
        Op::post("/webhooks/{id}/rotate-secret", HOOKS, "Sign with another secret")
            .json("Nothing", false)
            .answers(
                200,
                "The webhook, with its new secret, shown once; for a day deliveries are signed with \
                 both.",
                reference("NewWebhookAnswer"),
            )
            .refuses(&["vault_unavailable"]),
        Op::delete("/webhooks/{id}", HOOKS, "End a webhook")
            .json("Nothing", false)
            .empty(204, "Nothing more is delivered."),
        Op::post("/webhooks/{id}/test", HOOKS, "Try a webhook out")
            .json("Nothing", false)
            .empty(204, "A `webhook.test` is delivered; what became of it is among the deliveries.")
            .refuses(&["forbidden"]),
        Op::get("/webhooks/{id}/deliveries", HOOKS, "List deliveries")
            .list("Newest first, read with `after` alone.", "Delivery")
            .reads(),
        Op::post("/webhooks/{id}/deliveries/{n}/retry", HOOKS, "Deliver once more")
            .json("Nothing", false)
            .answers(202, "It is about to be tried.", reference("Delivery"))
            .refuses(&["tables_unavailable", "forbidden"]),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let notice = one_of(&Notice::ALL.map(Notice::as_str));
    let webhook = [
        ("id", id()),
        ("user_id", id()),
        ("url", or_null(&text())),
        ("room_id", or_null(&id())),
        ("room_code", or_null(&text())),
        ("all_rooms", flag()),
        ("events", list(&notice)),
        ("created_at", time()),
        ("disabled_at", or_null(&time())),
        (
            "disabled_reason",
            or_null(&one_of(&[Disabling::Asked, Disabling::Gone].map(Disabling::as_str))),
        ),
        ("former_secret_until", or_null(&time())),
    ];
    let mut with_secret =
        row("A webhook and what its deliveries are signed with.", webhook.clone());
    with_secret["properties"]["secret"] = text();
    let event = [
        ("id", text()),
        ("position", count()),
        ("type", text()),
        ("created_at", time()),
        ("actor", one_of(&["user", "anonymous", "api", "recognizer", "reactor", "operator"])),
        ("actor_id", or_null(&id())),
        ("room_id", or_null(&id())),
        ("user_id", or_null(&id())),
        ("request_id", or_null(&text())),
        ("data", json!({ "type": "object" })),
    ];
    let delivery = [
        ("n", count()),
        ("event_id", text()),
        ("type", text()),
        ("room_id", or_null(&id())),
        ("state", one_of(&["pending", "delivered", "dead"])),
        ("attempts", count()),
        ("created_at", time()),
        ("next_attempt_at", or_null(&time())),
        ("ended_at", or_null(&time())),
        ("status", or_null(&count())),
        ("error", or_null(&text())),
    ];
    let server = json!({ "type": "object", "required": ["urls"], "properties": {
        "urls": list(&text()), "username": text(), "credential": text(),
    }});
    let servers = [("ice_servers", list(&server)), ("expires_at", or_null(&time()))];
    let url = json!({ "type": "string", "format": "uri", "maxLength": 2000 });
    let events = json!({ "type": ["array", "null"], "items": notice, "minItems": 1 });
    let optional = [("events", events), ("room_code", or_null(&text())), ("all_rooms", flag())];
    vec![
        (
            "NewWebhook",
            asked("Whom to tell of what; everything, unless said.", &[("url", url)], &optional),
        ),
        ("WebhookEnabling", asked("Whether it is told anything.", &[("enabled", flag())], &[])),
        ("NewWebhookAnswer", with_secret),
        ("Webhook", row("A webhook, without its secret.", webhook)),
        ("Delivery", row("What became of one delivery.", delivery)),
        ("Event", row("What happened, with its personal fields opened or null.", event)),
        ("IceServers", row("STUN and TURN servers, and until when the password is good.", servers)),
    ]
}
