//! One choice of transport gives every way, in one process or between several.

use events::{Head, RoomId, UserId};
use streams::frames::Partition;
use streams::nats::NatsConfig;
use streams::testing::NatsServer;
use streams::{Connected, LiveMessage, LogError, Transport, connect};

use crate::place::{DEADLINE, block};

async fn ways_lead_there(api: &Connected, decider: &Connected) {
    assert!(decider.queue.is_some());
    let first = block(&Head::empty(decider.log.id()), "first");
    decider.log.append(first.clone()).await.unwrap();
    assert_eq!(api.log.head().await.unwrap(), first.head());
    let mut heard = api.live.subscribe();
    let typing = LiveMessage::Typing { room: RoomId::new(1), user: UserId::new(2) };
    decider.live.publish(typing.clone());
    let next = tokio::time::timeout(DEADLINE, heard.recv()).await.expect("it is heard");
    assert_eq!(*next.unwrap(), typing);
}

#[tokio::test]
async fn one_process_has_all_ways() {
    let folder = tempfile::tempdir().unwrap();
    let transport = Transport::Local(folder.path().join("log.db"));
    let all = connect(&transport, true, Partition::ALL).await.unwrap();
    ways_lead_there(&all, &all).await;
}

#[tokio::test]
async fn processes_share_all_ways() {
    let test = "streams config::processes_share_all_ways";
    let Some(server) = NatsServer::for_test(test).await.unwrap() else { return };
    let transport = Transport::Nats(NatsConfig::new(server.url()));
    // All start at the same time on a server that has nothing yet.
    let (decider, api, other_api) = tokio::join!(
        connect(&transport, true, Partition::ALL),
        connect(&transport, false, Partition::ALL),
        connect(&transport, false, Partition::ALL),
    );
    let (decider, api) = (decider.unwrap(), api.unwrap());
    assert_eq!(other_api.unwrap().log.id(), api.log.id());
    assert!(api.queue.is_none());
    ways_lead_there(&api, &decider).await;
    // Another installation on the same server has a log of its own.
    let other = NatsConfig { prefix: "other".to_owned(), ..NatsConfig::new(server.url()) };
    let other = connect(&Transport::Nats(other), true, Partition::ALL).await.unwrap();
    assert_eq!(other.log.head().await.unwrap(), Head::empty(other.log.id()));
}

#[tokio::test]
async fn a_user_and_password_are_asked_for_and_given() {
    let test = "streams config::a_user_and_password_are_asked_for_and_given";
    let Some(program) = streams::testing::find_nats_server() else {
        return streams::testing::skip(test, "nats-server is not installed");
    };
    let accounts = "authorization { user: signcall, password: \"of a test\" }";
    let server = NatsServer::start(program, accounts).await.unwrap();
    let anonymous = NatsConfig::new(server.url());
    let refused = streams::nats::connect(&anonymous).await.err().expect("not without");
    assert!(matches!(refused, LogError::Unreachable { .. }), "{refused}");
    let known = NatsConfig {
        user: Some("signcall".to_owned()),
        password: Some("of a test".into()),
        ..anonymous
    };
    assert!(!format!("{known:?}").contains("of a test"));
    connect(&Transport::Nats(known), true, Partition::ALL).await.unwrap();
}
