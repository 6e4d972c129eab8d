//! Two API processes on NATS: what must be unique stays so, whoever asks where.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use serde_json::json;

use crate::client::Client;
use crate::harness::{Process, Setup, World};

/// Registrations of one name.
const ASKED: usize = 1_000;
/// How many of them at once.
const AT_ONCE: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_thousand_gets_the_name() {
    let test = "two_apis::one_of_a_thousand_gets_the_name";
    let Some(world) = World::start(test, Setup::ThreeOnNats).await else { return };
    let start = |_| {
        let mut arguments = world.arguments("api");
        let unthrottled = ["--api", "throttles.registrations.burst=0"];
        arguments.extend(unthrottled.map(str::to_owned));
        let mut process = Process::start("api", arguments, world.folder());
        let client = Client::anonymous(&process.wait_until_ready().unwrap());
        (process, client)
    };
    let apis = [1, 2].map(start);
    let ask = async |number: usize| {
        let (_, client) = &apis[number % 2];
        let email = format!("{number}@example.org");
        let body =
            json!({ "username": "ada", "email": email, "password": "violet tandem quarry 19" });
        loop {
            let (status, answer) = client.post("/users", body.clone()).await;
            // The hashing queue is short, and says so.
            if status != 503 {
                return (status.as_u16(), answer["code"].as_str().unwrap_or_default().to_owned());
            }
        }
    };
    let asked = futures::stream::iter((0..ASKED).map(ask)).buffer_unordered(AT_ONCE);
    let mut answers = BTreeMap::new();
    for answer in asked.collect::<Vec<_>>().await {
        *answers.entry(answer).or_insert(0) += 1;
    }
    let taken = (409, "username_taken".to_owned());
    let expected = BTreeMap::from([((201, String::new()), 1), (taken, ASKED - 1)]);
    assert_eq!(answers, expected);
}
