//! Several callers, several writers, one log.

use std::collections::HashSet;

use events::{Actor, Rejection};
use streams::Outcome;

use crate::rig::{Rig, created_room, envelope, registered, say, send};

#[tokio::test]
async fn what_was_acknowledged_is_in_the_log_once_and_in_order() {
    let rig = Rig::embedded().await;
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let room = created_room(&commands, ada).await;
    let sent = (0..500).map(|n| {
        let (commands, message) = (commands.clone(), say(room, &n.to_string()));
        async move {
            let envelope = envelope(Actor::User(ada), message);
            let id = envelope.id;
            (id, commands.submit(envelope).await.unwrap().unwrap())
        }
    });
    let answers = futures::future::join_all(sent).await;
    let logged = rig.logged().await;
    for (id, accepted) in &answers {
        let index = usize::try_from(accepted.position.get()).unwrap() - 1;
        assert_eq!(logged[index], *id);
        assert!(!accepted.repeated);
    }
    assert_eq!(logged.len(), 502);
    let blocks = rig.replay().await.head.block.get();
    assert!(blocks < 100, "500 commands at once made {blocks} blocks");
}

#[tokio::test]
async fn of_a_thousand_registrations_of_one_name_by_two_writers_one_succeeds() {
    let rig = Rig::embedded().await;
    let second = streams::log::embedded::open(&rig.folder.path().join("log.db")).await.unwrap();
    let (one, _one) = rig.writer(rig.log.clone()).await;
    let (two, _two) = rig.writer(second).await;
    let tries = (0..1000).map(|n| {
        let commands = if n % 2 == 0 { one.clone() } else { two.clone() };
        let mut register = rig.register(if n % 3 == 0 { "ada" } else { "ＡＤＡ" });
        register.email = events::Clear::new(format!("{n}@example.org"));
        register.email_digest = rig.secrets.email_digest(&format!("{n}@example.org"));
        async move { send(&commands, Actor::Anonymous, register).await }
    });
    let outcomes: Vec<Outcome> = futures::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refused = |outcome: &&Outcome| matches!(outcome, Err(Rejection::UsernameTaken));
    assert_eq!(outcomes.iter().filter(refused).count(), 999);
    assert_eq!(rig.replay().await.state.users.iter().count(), 1);
}

#[tokio::test]
async fn two_writers_at_once_lose_nothing_and_double_nothing() {
    const EACH: usize = 300;
    let rig = Rig::embedded().await;
    let second = streams::log::embedded::open(&rig.folder.path().join("log.db")).await.unwrap();
    let (one, _one) = rig.writer(rig.log.clone()).await;
    let (two, _two) = rig.writer(second).await;
    let ada = registered(&rig, &one, "Ada").await;
    let room = created_room(&two, ada).await;
    let talk = |commands: streams::Commands| async move {
        let mut acknowledged = Vec::new();
        for n in 0..EACH {
            let envelope = envelope(Actor::User(ada), say(room, &n.to_string()));
            let id = envelope.id;
            commands.submit(envelope).await.unwrap().unwrap();
            acknowledged.push(id);
        }
        acknowledged
    };
    let (a, b) = tokio::join!(talk(one.clone()), talk(two.clone()));
    let logged = rig.logged().await;
    let once: HashSet<_> = logged.iter().collect();
    assert_eq!(once.len(), logged.len());
    assert!(a.iter().chain(&b).all(|id| once.contains(id)));
    assert_eq!(logged.len(), 2 + 2 * EACH);
    // Ids rise in the order of the log, whoever wrote.
    let state = rig.replay().await.state;
    assert!(state.rooms.get(room).is_some());
}

#[tokio::test]
async fn a_rejection_rests_on_what_the_other_writer_appended() {
    let rig = Rig::embedded().await;
    let second = streams::log::embedded::open(&rig.folder.path().join("log.db")).await.unwrap();
    let (one, _one) = rig.writer(rig.log.clone()).await;
    let (two, _two) = rig.writer(second).await;
    for n in 0..20 {
        let name = format!("name{n}");
        registered(&rig, &one, &name).await;
        // Decided by the one who has not written it, and with nothing to append.
        let refused = send(&two, Actor::Anonymous, rig.register(&name)).await;
        assert!(matches!(refused, Err(Rejection::UsernameTaken)), "{refused:?}");
        let ada = registered(&rig, &two, &format!("other{n}")).await;
        let room = created_room(&one, ada).await;
        assert!(send(&two, Actor::User(ada), say(room, "here")).await.is_ok());
    }
}
