//! Throttles, checked before anything is looked up.

use api::Rate;
use serde_json::json;

use crate::server::{Server, quick};

#[tokio::test]
async fn chat_and_registrations_are_throttled_with_a_hint_when_to_come_back() {
    let mut config = quick();
    config.throttles.chat = Rate { burst: 3, per_minute: 1 };
    config.throttles.registrations = Rate { burst: 2, per_minute: 1 };
    let server = Server::with(config).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let code = ada.room().await;
    bob.join(&code).await.expect(201);
    for _ in 0..3 {
        ada.say(&code, "hi").await.expect(201);
    }
    let refused = ada.say(&code, "hi").await;
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 50);
    assert!(refused.header("ratelimit").contains("limit=3"));
    refused.refused(429, "throttled");
    bob.say(&code, "hi").await.expect(201);
    server.anonymous().register("eve").await.refused(429, "throttled");
}

#[tokio::test]
async fn guessing_codes_is_slowed_and_own_rooms_are_not() {
    let mut config = quick();
    config.throttles.unknown_codes = Rate { burst: 3, per_minute: 1 };
    let server = Server::with(config).await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (code, own) = (ada.room().await, eve.room().await);
    eve.join("000000000").await.expect(404);
    eve.get("/rooms/000000001").await.expect(404);
    eve.get(&format!("/rooms/{code}")).await.expect(404);
    // From here on known and unknown codes can't be told apart.
    eve.join(&code).await.refused(429, "throttled");
    eve.join("000000000").await.refused(429, "throttled");
    eve.get(&format!("/rooms/{own}")).await.expect(200);
}

#[tokio::test]
async fn wrong_passwords_are_throttled_per_account_known_or_not() {
    let mut config = quick();
    config.throttles.wrong_passwords = Rate { burst: 2, per_minute: 1 };
    let server = Server::with(config).await;
    server.user("ada").await;
    for name in ["ada", "nobody"] {
        for _ in 0..2 {
            server.anonymous().log_in(name, "wrong").await.expect(401);
        }
        server.anonymous().log_in(name, "wrong").await.refused(429, "throttled");
    }
}

#[tokio::test]
async fn sockets_of_one_user_are_counted() {
    let server = Server::with(api::ApiConfig { sockets_per_user: 2, ..quick() }).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let first = ada.socket(&code, "").await.unwrap();
    let _second = ada.events(&code, "").await;
    assert!(ada.socket(&code, "").await.is_err());
    let presence = ada.get(&format!("/rooms/{code}/presence")).await.expect(200);
    assert_eq!(presence["data"], json!([{ "user_id": ada.id().await, "online": true }]));
    drop(first);
    crate::server::until("a place", async || ada.socket(&code, "").await.is_ok()).await;
}

#[tokio::test]
async fn ways_to_each_other_are_told_with_a_password_for_a_while() {
    let ice = api::Ice {
        stun_urls: vec!["stun:stun.example.org".to_owned()],
        turn_urls: vec!["turns:turn.example.org".to_owned()],
        credential_s: 600,
    };
    let server = Server::with(api::ApiConfig { ice, ..crate::server::unthrottled() }).await;
    server.anonymous().get("/ice-servers").await.refused(401, "unauthorized");
    let ada = server.user("ada").await;
    let answer = ada.get("/ice-servers").await.expect(200);
    let [stun, turn] = &answer["ice_servers"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!(*stun, serde_json::json!({ "urls": ["stun:stun.example.org"] }));
    let (until, user) = turn["username"].as_str().unwrap().split_once(':').unwrap();
    assert_eq!(user, ada.id().await.to_string());
    let left = until.parse::<i64>().unwrap() - server.now().micros() / 1_000_000;
    assert!((590..=600).contains(&left), "{left}");
    assert_eq!(turn["credential"].as_str().unwrap().len(), 28, "20 bytes in base 64");
}
