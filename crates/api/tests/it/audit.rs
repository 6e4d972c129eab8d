//! The audit trail: everything that happened, newest first, without a secret.

use serde_json::Value;

use crate::client::{Client, PASSWORD};
use crate::server::Server;

/// Every page of a list, one after the other.
async fn pages(client: &Client, query: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/events?limit={limit}{query}{after}")).await.expect(200);
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        rows.extend(data.clone());
        match page["next_cursor"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return rows,
        }
    }
}

fn types(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_trail_tells_who_did_what_and_no_secret() {
    let server = Server::start().await;
    let (admin, ada) = (server.admin().await, server.user("ada").await);
    let (root_id, ada_id) = (admin.id().await, ada.id().await);
    let code = ada.room().await;
    ada.say(&code, "a secret between us").await.expect(201);
    let bob = server.user("bob").await;
    bob.join(&code).await.expect(201);
    let bob_id = bob.id().await;
    let block = serde_json::json!({ "reason": "spam" });
    admin.post(&format!("/users/{bob_id}/block"), &block).await.expect(204);

    let all = pages(&admin, "", 100).await;
    assert_eq!(pages(&admin, "", 2).await, all, "pages join whatever their size");
    let positions: Vec<u64> = all.iter().map(|row| row["position"].as_u64().unwrap()).collect();
    assert!(positions.is_sorted_by(|a, b| a >= b), "newest first: {positions:?}");
    let blocked = &all[types(&all).iter().position(|t| *t == "user.blocked").unwrap()];
    assert_eq!(blocked["actor_id"], root_id);
    assert_eq!(blocked["user_id"], bob_id);
    assert_eq!(blocked["data"]["reason"], "spam");
    let whole = serde_json::to_string(&all).unwrap();
    for secret in [PASSWORD, "digest", "hash", "$2", "a secret between us", &ada.token.unwrap()] {
        assert!(!whole.contains(secret), "{secret}");
    }

    let by_ada = pages(&admin, &format!("&actor={ada_id}"), 1).await;
    assert_eq!(types(&by_ada), ["room.message_sent", "room.created"]);
    let in_room = pages(&admin, &format!("&room={code}"), 50).await;
    let told = ["room.participant_joined", "room.message_sent", "room.created"];
    assert_eq!(types(&in_room), told);
    let id = in_room[0]["room_id"].as_u64().unwrap();
    assert_eq!(pages(&admin, &format!("&room={id}"), 50).await, in_room);
    let about_bob = pages(&admin, &format!("&user={bob_id}"), 50).await;
    assert!(types(&about_bob).contains(&"room.participant_joined"));
    assert!(types(&about_bob).contains(&"user.blocked"));
    let by_root_about_bob = format!("&actor={root_id}&user={bob_id}");
    let both = pages(&admin, &by_root_about_bob, 50).await;
    assert!(both.iter().all(|row| row["actor_id"] == root_id && row["user_id"] == bob_id));
    assert!(!both.is_empty());
    assert!(pages(&admin, "&room=K3W9QX7TM", 50).await.is_empty());
    admin.get("/events?actor=nobody").await.refused(422, "invalid");
    admin.get("/events?before=").await.refused(422, "invalid");
    for nobody in ["0", "9007199254740992", "99999999999999999999", "ada", "-1", ""] {
        let trail = admin.get(&format!("/events?user={nobody}&room=K3W9QX7TM")).await;
        trail.refused(422, "invalid");
    }
}

#[tokio::test]
async fn what_was_erased_is_erased_in_the_trail_too() {
    let server = Server::start().await;
    let (admin, ada) = (server.admin().await, server.user("ada").await);
    let id = ada.id().await;
    let about = format!("&user={id}");
    let registered = |rows: Vec<Value>| {
        let found = rows.into_iter().find(|row| row["type"] == "user.registered");
        found.unwrap()["data"].clone()
    };
    let before = registered(pages(&admin, &about, 50).await);
    assert_eq!(before["email"], "ada@example.org");
    admin.delete(&format!("/users/{id}")).await.expect(204);
    let after = registered(pages(&admin, &about, 50).await);
    assert_eq!(after["email"], Value::Null);
    assert_eq!(after["username"], Value::Null);
}
