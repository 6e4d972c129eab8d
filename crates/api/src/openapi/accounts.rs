//! Accounts, log-ins, links for new passwords.

use super::operation::Operation as Op;
use super::schema::reference;

const ACCOUNTS: &str = "Accounts";
const LOG_INS: &str = "Log-ins";

pub(super) fn operations() -> Vec<Op> {
    let mut all = register();
    all.extend(log_ins());
    all.extend(oneself());
    all
}

fn register() -> Vec<Op> {
    let made = "Registered and logged in.";
    vec![
        Op::post("/users", ACCOUNTS, "Register")
            .json("NewUser", true)
            .answers(201, made, reference("TokenHandedOut"))
            .refuses(&["username_taken", "email_taken", "throttled", "passwords_busy"])
            .refuses(&["vault_unavailable"]),
        Op::post("/admin/bootstrap", ACCOUNTS, "Become the first administrator")
            .json("FirstAdmin", true)
            .answers(201, made, reference("TokenHandedOut"))
            .refuses(&["wrong_secret", "gone", "username_taken", "email_taken", "throttled"])
            .refuses(&["passwords_busy", "vault_unavailable"]),
        Op::post("/password-resets", ACCOUNTS, "Ask for a link to a new password by mail")
            .json("Address", true)
            .empty(202, "The same whether or not somebody has the address.")
            .refuses(&["throttled"]),
        Op::put("/password-resets/{secret}", ACCOUNTS, "Set a new password by a link")
            .json("ResetPassword", true)
            .empty(204, "Set; every log-in has ended, and the link with it.")
            .refuses(&["gone", "throttled", "passwords_busy", "vault_unavailable"]),
    ]
}

fn log_ins() -> Vec<Op> {
    let refused = ["invalid_credentials", "blocked", "throttled", "passwords_busy"];
    vec![
        Op::post("/tokens", LOG_INS, "Log in, by HTTP Basic or with a body")
            .or_basic()
            .json("Credentials", false)
            .answers(201, "Logged in.", reference("TokenHandedOut"))
            .refuses(&refused)
            .refuses(&["vault_unavailable"]),
        Op::get("/tokens", LOG_INS, "List one's log-ins").list("Newest first.", "Token"),
        Op::delete("/tokens", LOG_INS, "Log out everywhere")
            .json("Nothing", false)
            .empty(204, "Every log-in has ended."),
        Op::post("/tokens/current/renew", LOG_INS, "Renew this token")
            .json("Nothing", false)
            .answers(200, "The same token, for another while.", reference("Renewed")),
        Op::delete("/tokens/current", LOG_INS, "Log out")
            .json("Nothing", false)
            .empty(204, "Logged out."),
        Op::delete("/tokens/{id}", LOG_INS, "End one log-in")
            .json("Nothing", false)
            .empty(204, "Ended."),
        Op::post("/sessions", LOG_INS, "Log in with a cookie, for the page")
            .json("Credentials", true)
            .empty(204, "Logged in; the cookie is set.")
            .refuses(&refused)
            .refuses(&["cross_origin", "vault_unavailable"]),
        Op::delete("/sessions/current", LOG_INS, "Log out, and remove the cookie")
            .json("Nothing", false)
            .empty(204, "Logged out."),
        Op::post("/live-tickets", LOG_INS, "Get a ticket for a socket or an event stream")
            .json("Nothing", false)
            .answers(201, "The ticket.", reference("Ticket"))
            .refuses(&["throttled"]),
    ]
}

fn oneself() -> Vec<Op> {
    let own = ["wrong_password", "passwords_busy", "throttled", "vault_unavailable", "not_found"];
    vec![
        Op::get("/users/me", ACCOUNTS, "See oneself")
            .answers(200, "Oneself.", reference("User"))
            .refuses(&["vault_unavailable", "not_found"]),
        Op::patch("/users/me", ACCOUNTS, "Change name or address")
            .json("NewNames", false)
            .answers(200, "Oneself.", reference("User"))
            .refuses(&["username_taken", "email_taken", "vault_unavailable", "not_found"])
            .refuses(&["forbidden"]),
        Op::put("/users/me/password", ACCOUNTS, "Change the password")
            .json("NewPassword", true)
            .empty(204, "Changed; every log-in has ended.")
            .refuses(&own)
            .refuses(&["forbidden"]),
        Op::delete("/users/me", ACCOUNTS, "Delete one's account")
            .json("Goodbye", true)
            .empty(204, "Deleted.")
            .refuses(&own)
            .refuses(&["last_admin", "forbidden"]),
        Op::get("/users/me/export", ACCOUNTS, "Get everything stored about oneself")
            .answers(200, "As a file.", reference("Export"))
            .refuses(&["throttled", "not_found"])
            .reads(),
    ]
}
