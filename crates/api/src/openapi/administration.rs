//! What administrators see and decide.

use super::operation::Operation as Op;
use super::schema::{reference, text};

const TAG: &str = "Administration";

pub(super) fn operations() -> Vec<Op> {
    vec![
        Op::get("/users", TAG, "List users")
            .takes("query", "q", "A part of the name or the address.", text())
            .list("Newest first.", "User")
            .reads(),
        Op::get("/users/{id}", TAG, "See a user")
            .answers(200, "The user.", reference("User"))
            .refuses(&["vault_unavailable"]),
        Op::post("/users/{id}/block", TAG, "Block a user")
            .json("BlockReason", true)
            .empty(204, "Blocked; every log-in and every connection of theirs has ended.")
            .refuses(&["last_admin"]),
        Op::post("/users/{id}/unblock", TAG, "Unblock a user")
            .json("Nothing", false)
            .empty(204, "Unblocked; the log-in lock and the counter are cleared too."),
        Op::put("/users/{id}/admin", TAG, "Make a user an administrator")
            .json("Nothing", false)
            .empty(204, "Granted."),
        Op::delete("/users/{id}/admin", TAG, "Make an administrator a user")
            .json("Nothing", false)
            .empty(204, "Revoked.")
            .refuses(&["last_admin"]),
        Op::delete("/users/{id}", TAG, "Delete a user")
            .json("Erasure", false)
            .empty(204, "Deleted.")
            .refuses(&["last_admin"]),
        Op::post("/users/{id}/password-reset", TAG, "Hand out a link to a new password")
            .json("Nothing", false)
            .answers(201, "The link.", reference("ResetLink"))
            .refuses(&["vault_unavailable"]),
    ]
}
