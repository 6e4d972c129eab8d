//! `signcall log parked`: what could not be projected is listed, tried again, and given up, from the
//! command line of a server that runs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use events::user::{UserEvent, UsernameChanged};
use events::{
    Actor, Block, CommandId, Commit, Event, NameDigest, Personal, Subject, SystemRole, UserId,
};
use streams::log::embedded;
use vault::{Secrets, Vault};

use crate::harness::{Setup, World};
use crate::path::meet;

/// How long the projector may take to park it.
const PARKED_WITHIN: Duration = Duration::from_secs(20);

/// Two users with one name: no rule lets it happen, but a log may hold it.
async fn one_name_for_two(data: &Path, users: [u64; 2]) {
    let secrets = Secrets::open(&data.join("secrets")).unwrap();
    let url = format!("sqlite:{}", data.join("vault.db").display());
    let vault = Vault::open(&url, &secrets).await.unwrap();
    let log = embedded::open(&data.join("log.db")).await.unwrap();
    for (n, user) in (0..).zip(users) {
        let user_id = UserId::new(user);
        let username = Personal::Clear("the one".to_owned());
        let username_digest = NameDigest::from_bytes([n; 16]);
        let renamed = UsernameChanged { user_id, username, username_digest };
        let mut event = Event::User(UserEvent::UsernameChanged(renamed));
        let time = decider::system_clock()();
        let scopes: Vec<_> = event.personal(time).iter().map(|field| field.scope).collect();
        vault.keys_for(&scopes).await.unwrap().seal_fields(event.personal(time)).unwrap();
        let commit = Commit {
            command: CommandId::from_uuid(uuid::Uuid::new_v4()),
            time,
            actor: Actor::System(SystemRole::Operator),
            subject: Subject::User(user_id),
            correlation: None,
            causation: None,
            body: None,
            events: vec![event],
        };
        let head = log.head().await.unwrap();
        let block = Block::build(&head, &[commit.encode().unwrap()]);
        log.append(Arc::new(block)).await.unwrap();
    }
    vault.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_retries_and_gives_up_what_is_parked() {
    let test = "parked::the_operator_sees_retries_and_gives_up_what_is_parked";
    let Some(mut world) = World::start(test, Setup::OneProcess).await else { return };
    let (sam, rita, _room) = meet(&world.url, "sam", "rita").await;
    // Beside the running server, as another process's commits.
    one_name_for_two(&world.data(), [sam.id, rita.id]).await;
    let subject = Subject::User(UserId::new(rita.id)).to_string();
    let until = Instant::now() + PARKED_WITHIN;
    let listed = loop {
        let listed = world.offline(&["log", "parked", "list"]);
        if !listed.status.success() {
            break String::from_utf8_lossy(&listed.stdout).into_owned();
        }
        assert!(Instant::now() < until, "nothing is parked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.contains(&subject), "{listed}");
    let retried = world.offline(&["log", "parked", "retry", &subject]);
    let told = String::from_utf8_lossy(&retried.stdout).into_owned();
    assert_eq!(retried.status.code(), Some(1), "{told}");
    assert!(told.contains("0 projected, 1 still parked"), "{told}");
    let rebuilt = world.offline(&["replay"]);
    let told = String::from_utf8_lossy(&rebuilt.stderr).into_owned();
    assert!(!rebuilt.status.success() && told.contains("log parked release"), "{told}");
    // Named by a replay, by the list, or not parked at all.
    let position = listed.split_whitespace().next().unwrap();
    let by_position = ["log", "parked", "release", &subject, "--position", position];
    assert!(told.contains(&by_position[1..].join(" ")), "{told}");
    let nothing = world.offline(&["log", "parked", "release", "user.1", "--position", position]);
    let told = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(!nothing.status.success() && told.contains("is parked"), "{told}");
    let released = world.offline(&by_position);
    assert!(released.status.success(), "{}", String::from_utf8_lossy(&released.stderr));
    let listed = world.offline(&["log", "parked", "list", "--json"]);
    let told = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success() && told.contains("\"released\":true"), "{told}");
    // What is given up already stays so.
    let again = world.offline(&by_position);
    let told = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(again.status.success() && told.contains("a replay skips"), "{told}");
    let rebuilt = world.offline(&["replay"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    world.stop();
}
