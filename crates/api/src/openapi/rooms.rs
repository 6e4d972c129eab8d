//! Rooms and who is in them.

use serde_json::json;

use super::operation::Operation as Op;
use super::schema::reference;

const ROOMS: &str = "Rooms";
const PEOPLE: &str = "Participants";

pub(super) fn operations() -> Vec<Op> {
    let mut all = rooms();
    all.extend(people());
    all
}

fn rooms() -> Vec<Op> {
    vec![
        Op::post("/rooms", ROOMS, "Create a room")
            .json("NewRoom", false)
            .answers(201, "The room; its creator is in it.", reference("Room"))
            .tagged()
            .refuses(&["forbidden", "room_code_taken", "not_found"]),
        Op::get("/rooms", ROOMS, "List rooms: own and joined; administrators see all")
            .list("Newest first.", "Room"),
        Op::get("/rooms/{code}", ROOMS, "See a room")
            .answers(200, "The room.", reference("Room"))
            .tagged(),
        Op::patch("/rooms/{code}", ROOMS, "Run a room in another way, or hand it over")
            .json("RoomChanges", false)
            .answers(200, "The room.", reference("Room"))
            .tagged()
            .guarded()
            .refuses(&["forbidden", "room_closed"]),
        Op::post("/rooms/{code}/close", ROOMS, "End the call")
            .json("Nothing", false)
            .empty(204, "Closed.")
            .guarded()
            .refuses(&["forbidden"]),
        Op::delete("/rooms/{code}", ROOMS, "Delete a room with everything in it")
            .json("Nothing", false)
            .empty(204, "Deleted.")
            .guarded()
            .refuses(&["forbidden"]),
    ]
}

fn people() -> Vec<Op> {
    let place = json!({ "anyOf": [reference("Participant"), reference("GuestPlace")] });
    vec![
        Op::post("/rooms/{code}/participants", PEOPLE, "Join; without credentials as a guest")
            .json("GuestName", false)
            .answers(201, "In.", place.clone())
            .answers(202, "Waiting in the lobby.", place)
            .refuses(&["room_locked", "removed", "room_closed", "room_full", "forbidden"])
            .refuses(&["invalid_token", "token_expired", "blocked", "cross_origin", "logged_out"])
            .refuses(&["unauthorized", "invalid_header", "idempotency_key_reused"]),
        Op::get("/rooms/{code}/participants", PEOPLE, "List participants, and who waits")
            .list("In the order they came.", "Participant"),
        Op::delete("/rooms/{code}/participants/me", PEOPLE, "Leave")
            .json("Nothing", false)
            .empty(204, "Left.")
            .refuses(&["forbidden", "room_closed"]),
        Op::delete("/rooms/{code}/participants/{user_id}", PEOPLE, "Send somebody away")
            .json("Nothing", false)
            .empty(204, "Gone, until admitted again.")
            .refuses(&["forbidden", "room_closed"]),
        Op::put(
            "/rooms/{code}/participants/{user_id}/admission",
            PEOPLE,
            "Let somebody in, or not",
        )
        .json("Admittance", true)
        .empty(204, "Done.")
        .refuses(&["forbidden", "room_closed", "room_full"]),
        Op::post(
            "/rooms/{code}/participants/{user_id}/lobby",
            PEOPLE,
            "Send somebody back to the lobby",
        )
        .json("Nothing", false)
        .empty(204, "Waiting, until admitted again.")
        .refuses(&["forbidden", "room_closed"]),
        Op::get("/rooms/{code}/presence", PEOPLE, "See who is connected")
            .all("Every participant.", "Presence"),
    ]
}
