//! Any mixture of faults, two writers, and callers who ask again until they know: in the end each
//! command is in the log once, and what was answered is what the log says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use decider::Writer;
use events::{Actor, CommandId, Envelope, LogId, RoomId, UserId};
use parking_lot::Mutex;
use proptest::prelude::*;
use streams::{Accepted, Commands, Log};
use uuid::Uuid;

use crate::faults::{Fault, Faulty};
use crate::rig::{Rig, created_room, envelope, registered, say};

/// Asks until the answer is known.
async fn insist(commands: &Commands, envelope: Envelope) -> Accepted {
    loop {
        if let Ok(outcome) = commands.submit(envelope.clone()).await {
            return outcome.unwrap();
        }
    }
}

async fn talk(
    commands: Commands,
    user: UserId,
    room: RoomId,
    count: usize,
) -> HashMap<CommandId, Accepted> {
    let sent = (0..count).map(|n| {
        let (commands, envelope) =
            (commands.clone(), envelope(Actor::User(user), say(room, &n.to_string())));
        async move { (envelope.id, insist(&commands, envelope).await) }
    });
    futures::future::join_all(sent).await.into_iter().collect()
}

async fn run(faults: [Vec<Fault>; 2]) {
    let inner = streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()));
    let rig = Rig::on(tempfile::tempdir().unwrap(), inner.clone()).await;
    let (calm, task) = rig.writer(inner.clone()).await;
    let ada = registered(&rig, &calm, "Ada").await;
    let room = created_room(&calm, ada).await;
    task.abort();
    let talks = faults.map(|mut faults| {
        faults.push(Fault::None);
        let switched = Arc::new(Mutex::new(Vec::new()));
        let (inner, vault, clock) = (inner.clone(), rig.vault.clone(), rig.clock());
        async move {
            let log = Log::new(Faulty { inner, faults: Arc::clone(&switched) });
            let (commands, queue) = streams::commands::local();
            let writer = Writer::open(log, vault, clock).await.unwrap();
            *switched.lock() = faults;
            let (talked, ()) = tokio::join!(
                talk(commands, ada, room, 25),
                writer.run(queue, std::future::pending())
            );
            talked
        }
    });
    let answers: Vec<_> = futures::future::join_all(talks).await;
    let logged = rig.logged().await;
    assert_eq!(logged.iter().collect::<HashSet<_>>().len(), logged.len());
    assert_eq!(logged.len(), 2 + 2 * 25);
    for (id, accepted) in answers.iter().flatten() {
        let index = usize::try_from(accepted.position.get()).unwrap() - 1;
        assert_eq!(logged[index], *id);
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::None),
        2 => Just(Fault::LostAnswer),
        1 => Just(Fault::LostBlock),
        1 => Just(Fault::Full),
        1 => Just(Fault::Small),
        1 => Just(Fault::Unreachable),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn whatever_fails_every_command_happens_once(
        one in prop::collection::vec(fault(), 0..30),
        two in prop::collection::vec(fault(), 0..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run([one, two]));
    }
}
