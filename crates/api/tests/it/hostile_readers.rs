//! Readers of the live stream who do what they should not: names of places that never were, storms of
//! connections, more rooms and sockets than they may have, messages without measure.

use futures::{SinkExt as _, future::join_all};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::server::{Server, quick, unthrottled, until};

/// All entries up to `ready`, of a socket that resumes.
async fn entries(client: &Client, code: &str, after: &str) -> Vec<Value> {
    let mut socket = client.socket(code, &format!("?after={after}")).await.unwrap();
    let mut all = Vec::new();
    loop {
        let message = socket.next().await.unwrap();
        if message["type"] == "ready" {
            return all;
        }
        all.push(message);
    }
}

/// Waits until the tables have as many messages.
async fn said(client: &Client, code: &str, count: usize) {
    until("the tables", async || {
        let page = client.get(&format!("/rooms/{code}/messages")).await.expect(200);
        page["data"].as_array().unwrap().len() == count
    })
    .await;
}

#[tokio::test]
async fn every_place_is_resumed_from_or_begun_anew() {
    let server = Server::with(unthrottled()).await;
    let ada = server.user("ada").await;
    let (code, other) = (ada.room().await, ada.room().await);
    let end = 13;
    for n in 2..=end {
        ada.say(&code, &n.to_string()).await.expect(201);
    }
    ada.say(&other, "elsewhere").await.expect(201);
    said(&ada, &code, 12).await;
    said(&ada, &other, 1).await;
    for after in 0..=end {
        let found = entries(&ada, &code, &after.to_string()).await;
        let seqs: Vec<u64> = found.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (after + 1..=end).collect::<Vec<_>>(), "after {after}");
    }
    let never = [end + 1, 1 << 53, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX];
    for after in never.map(|place| place.to_string()) {
        let found = entries(&ada, &code, &after).await;
        assert_eq!((found.len(), &found[0]["type"]), (1, &json!("reset")), "after {after}");
        assert_eq!(found[0]["data"]["seq"], end);
        let mut events = ada.header("last-event-id", &after).events(&code, "").await;
        assert_eq!(events.next().await.unwrap().0, Some(end), "after {after}");
    }
    // A place in the longer room is none in the other one.
    assert_eq!(entries(&ada, &other, &end.to_string()).await[0]["data"]["seq"], 2);
    for odd in ["-1", "1.5", "x", "1e3", "0x1", "18446744073709551616", "9".repeat(400).as_str()] {
        let path = format!("/rooms/{code}/events");
        ada.header("last-event-id", odd).get(&path).await.refused(400, "invalid_header");
        ada.get(&format!("{path}?after={odd}")).await.refused(422, "invalid");
        assert!(ada.socket(&code, &format!("?after={odd}")).await.is_err(), "{odd}");
    }
    // Of both, what the browser says of itself counts: the address is as old as the page.
    let mut events = ada.header("last-event-id", "11").events(&code, "?after=3").await;
    assert_eq!(events.next().await.unwrap().0, Some(12));
}

#[tokio::test]
async fn a_place_between_ephemeral_messages_is_that_of_the_last_entry() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let mut socket = ada.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    let mut events = ada.events(&code, "").await;
    let mut last = events.next_of("ready").await.0;
    ada.say(&code, "one").await.expect(201);
    socket.next_of("message").await;
    for _ in 0..3 {
        socket.send(&json!({ "type": "typing" })).await;
    }
    last = events.next_of("message").await.0.or(last);
    for kind in ["typing", "typing", "typing"] {
        let (id, message) = events.next().await.unwrap();
        assert_eq!(message["type"], kind);
        assert_eq!(id, None, "ephemeral messages move no place");
    }
    ada.say(&code, "two").await.expect(201);
    let resumed = ada.header("last-event-id", &last.unwrap().to_string());
    let (_, next) = resumed.events(&code, "").await.next_of("message").await;
    assert_eq!(next["data"]["msg_content"], "two");
}

/// Opens and drops streams of all kinds, from all places.
async fn storm(client: &Client, codes: &[String], n: usize) {
    let code = &codes[n % codes.len()];
    for round in 0..15_usize {
        let after = format!("?after={}", round % 4);
        let looks = round.is_multiple_of(3);
        if (n + round).is_multiple_of(2) {
            let Ok(mut socket) = client.socket(code, &after).await else { continue };
            if looks {
                drop(socket.next().await);
            }
        } else if let Some(mut events) = client.try_events(code).await
            && looks
        {
            events.next().await;
        }
    }
}

/// Reads the room's 32 entries in their order.
async fn read_all(client: &Client, code: &str) {
    let mut socket = client.socket(code, "?after=0").await.unwrap();
    let mut last = 0;
    while last < 32 {
        let message = socket.next().await.unwrap();
        let Some(seq) = message["seq"].as_u64() else { continue };
        assert_eq!(seq, last + 1, "{message}");
        last = seq;
    }
}

/// Connections come and go while others talk; in the end none is counted and nobody missed a thing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_connections_leaves_nothing_behind() {
    let server = Server::with(api::ApiConfig { sockets_per_user: 12, ..unthrottled() }).await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let codes = [ada.room().await, ada.room().await, ada.room().await];
    for code in &codes {
        bob.join(code).await.expect(201);
    }
    let writing = async {
        for n in 0..30 {
            for code in &codes {
                ada.say(code, &n.to_string()).await.expect(201);
            }
        }
    };
    let storms = join_all((0..24).map(|n| storm(&bob, &codes, n)));
    let readers = join_all(codes.iter().map(|code| read_all(&ada, code)));
    tokio::join!(storms, readers, writing);
    until("every place is free again", async || {
        let mut held = Vec::new();
        for n in 0..12 {
            let Ok(socket) = bob.socket(&codes[n % codes.len()], "").await else { return false };
            held.push(socket);
        }
        bob.socket(&codes[0], "").await.is_err()
    })
    .await;
    let id = bob.id().await;
    until("nobody is there", async || {
        let presence = ada.get(&format!("/rooms/{}/presence", codes[0])).await.expect(200);
        let presence = presence["data"].as_array().unwrap();
        presence.iter().all(|one| one["user_id"] != id || one["online"] == false)
    })
    .await;
}

#[tokio::test]
async fn messages_without_measure_end_their_socket_alone() {
    let server = Server::with(quick()).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let mut calm = ada.socket(&code, "").await.unwrap();
    calm.next_of("ready").await;
    let text = |bytes: usize| Message::text("x".repeat(bytes));
    let deep =
        Message::text(format!("{{\"type\":\"signal\",\"to\":1,\"payload\":{}", "[".repeat(60_000)));
    // Of what is longer than the server reads, it may close before all was sent.
    let cases: [(Message, &[u16]); 4] = [
        (text(64 * 1024 + 1), &[1009]),
        (text(1024 * 1024 + 1), &[1009, 0]),
        (Message::binary(vec![0; 1024 * 1024 + 1]), &[1009, 0]),
        (deep, &[1003]),
    ];
    for (message, expected) in cases {
        let mut socket = ada.socket(&code, "").await.unwrap();
        socket.next_of("ready").await;
        drop(socket.0.send(message).await);
        let closed = socket.close_code().await;
        assert!(expected.contains(&closed), "{closed}");
    }
    ada.say(&code, "still here").await.expect(201);
    assert_eq!(calm.next_of("message").await["data"]["msg_content"], "still here");
}
