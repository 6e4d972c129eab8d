//! Many at once: a full room stays within its capacity, and pages miss and repeat nothing while
//! people write.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as CURSORS;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{Server, unthrottled};

/// How many try to come in at once.
const CROWD: usize = 200;
/// Messages that each writer sends.
const SENT: usize = 60;

async fn crowd(server: &Server, count: usize) -> Vec<Client> {
    let mut all = Vec::with_capacity(count);
    for number in 0..count {
        all.push(server.user(&format!("user{number}")).await);
    }
    all
}

#[tokio::test]
async fn a_room_stays_within_its_capacity_when_everybody_comes_at_once() {
    let server = Server::with(unthrottled()).await;
    let ada = server.user("ada").await;
    let people = crowd(&server, CROWD).await;
    let made = ada.post("/rooms", &json!({ "capacity": 20 })).await.expect(201);
    let code = made["room_code"].as_str().unwrap();
    let room = format!("/rooms/{code}");
    let come = async || {
        let answers = join_all(people.iter().map(|one| one.join(code))).await;
        answers.into_iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>()
    };
    let count = |all: &[u16], status| all.iter().filter(|one| **one == status).count();
    let first = come().await;
    assert_eq!((count(&first, 201), count(&first, 409)), (19, CROWD - 19), "{first:?}");
    // A place that is given up is taken once.
    let inside = first.iter().position(|status| *status == 201).unwrap();
    people[inside].delete(&format!("{room}/participants/me")).await.expect(204);
    let second = come().await;
    assert_eq!(count(&second, 201), 19, "those inside and one more: {second:?}");
    let list = ada.get(&format!("{room}/participants?limit=100")).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 20);
    // Those who wait take no place, and no more are let in than there are places.
    ada.patch(&room, &json!({ "lobby": true, "capacity": 30 })).await.expect(200);
    let third = come().await;
    assert_eq!((count(&third, 202), count(&third, 409)), (30, CROWD - 49), "{third:?}");
    let waiting: Vec<Value> = {
        let list = ada.get(&format!("{room}/participants?limit=100")).await.expect(200);
        let rows = list["data"].as_array().unwrap().iter();
        rows.filter(|row| row["admission"] == "waiting").cloned().collect()
    };
    let admit = waiting.iter().map(|row| {
        let path = format!("{room}/participants/{}/admission", row["rp_user_id"]);
        let ada = ada.clone();
        async move { ada.put(&path, &json!({ "admit": true })).await.status.as_u16() }
    });
    let admitted = join_all(admit).await;
    assert_eq!((count(&admitted, 204), count(&admitted, 409)), (10, 20), "{admitted:?}");
}

fn ids(page: &Value) -> Vec<u64> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn pages_miss_and_repeat_nothing_while_people_write() {
    let server = Server::with(unthrottled()).await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let people = crowd(&server, 4).await;
    for one in &people {
        one.join(&code).await.expect(201);
    }
    let path = format!("/rooms/{code}/messages?limit=7");
    let write = join_all(people.iter().map(async |one| {
        for number in 0..SENT {
            one.say(&code, &format!("{number}")).await.expect(201);
        }
    }));
    let total = people.len() * SENT;
    let forward = async {
        let (mut read, mut after) = (Vec::new(), String::new());
        while read.len() < total {
            let page = ada.get(&format!("{path}{after}")).await.expect(200);
            read.extend(ids(&page));
            if let Some(last) = page["next_cursor"].as_str() {
                after = format!("&after={last}");
            } else if let Some(previous) = page["data"].as_array().unwrap().last() {
                // The list ends here for now: on from its last row.
                let bytes = previous["id"].as_u64().unwrap().to_be_bytes();
                after = format!("&after={}", CURSORS.encode(bytes));
            }
        }
        read
    };
    let backward = async {
        let mut walks = Vec::new();
        while walks.last().is_none_or(|walk: &Vec<u64>| walk.len() < total) {
            let (mut walk, mut before) = (Vec::new(), Some("&before=".to_owned()));
            while let Some(cursor) = before {
                let page = ada.get(&format!("{path}{cursor}")).await.expect(200);
                let mut rows = ids(&page);
                rows.extend(walk);
                walk = rows;
                before = page["prev_cursor"].as_str().map(|first| format!("&before={first}"));
            }
            walks.push(walk);
        }
        walks
    };
    let (_, read, walks) = tokio::join!(write, forward, backward);
    assert!(read.is_sorted_by(|one, next| one < next), "{read:?}");
    assert_eq!(read.len(), total);
    for walk in walks {
        assert_eq!(walk[..], read[..walk.len()], "walking back misses and repeats nothing");
    }
}
