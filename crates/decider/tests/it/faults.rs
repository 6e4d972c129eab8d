//! A log that fails in every way an append can fail, and writers that die.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use decider::Follower;
use events::user::command::account::DeleteUser;
use events::{Actor, Block, BlockNumber, Head, LogId, Personal, Rejection};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use streams::log::Backend;
use streams::{AppendError, Log, LogError, SubmitError};
use tokio::sync::watch;
use uuid::Uuid;
use vault::Opened;

use crate::rig::{Rig, created_room, envelope, join, registered, say, send};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Appends, and says that it does not know.
    LostAnswer,
    /// Does not append, and says that it does not know.
    LostBlock,
    Full,
    /// Takes blocks of one commit alone.
    Small,
    /// Nothing at all works.
    Unreachable,
}

/// One fault for each use; the last one stays.
pub(crate) struct Faulty {
    pub(crate) inner: Log,
    pub(crate) faults: Arc<Mutex<Vec<Fault>>>,
}

impl Faulty {
    fn next(&self) -> Fault {
        let mut faults = self.faults.lock();
        if faults.len() > 1 {
            faults.remove(0)
        } else {
            faults.first().copied().unwrap_or(Fault::None)
        }
    }
}

fn unreachable() -> LogError {
    LogError::Unreachable { place: "test".into(), source: "switched off".into() }
}

impl Backend for Faulty {
    fn kind(&self) -> &'static str {
        "faulty"
    }

    fn id(&self) -> LogId {
        self.inner.id()
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>> {
        if self.next() == Fault::Unreachable {
            return Box::pin(async { Err(unreachable()) });
        }
        Box::pin(self.inner.head())
    }

    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>> {
        let fault = self.next();
        Box::pin(async move {
            match fault {
                Fault::LostAnswer => {
                    self.inner.append(block).await?;
                    Err(AppendError::Log(unreachable()))
                }
                Fault::LostBlock | Fault::Unreachable => Err(AppendError::Log(unreachable())),
                Fault::Full => Err(AppendError::Full("no space".into())),
                Fault::Small if block.header.count > 1 => {
                    Err(AppendError::TooLarge { bytes: block.bytes.len(), max: 1000 })
                }
                Fault::None | Fault::Small => self.inner.append(block).await,
            }
        })
    }

    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>> {
        if self.next() == Fault::Unreachable {
            return Box::pin(async { Err(unreachable()) });
        }
        Box::pin(self.inner.read(after, max_bytes))
    }

    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>> {
        Box::pin(self.inner.block(number))
    }

    fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.inner.appended()
    }
}

async fn faulty() -> (Rig, Arc<Mutex<Vec<Fault>>>) {
    let inner = streams::log::memory::create(LogId::from_uuid(Uuid::new_v4()));
    let faults = Arc::new(Mutex::new(vec![Fault::None]));
    let log = Log::new(Faulty { inner, faults: Arc::clone(&faults) });
    (Rig::on(tempfile::tempdir().unwrap(), log).await, faults)
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_is_told_what_was_decided_then() {
    for lost in [Fault::LostAnswer, Fault::LostBlock] {
        let (rig, fault) = faulty().await;
        let (commands, _task) = rig.writer(rig.log.clone()).await;
        let ada = registered(&rig, &commands, "Ada").await;
        let room = created_room(&commands, ada).await;
        let mut sent = envelope(Actor::User(ada), say(room, "once"));
        sent.body = Some(1);
        *fault.lock() = vec![lost];
        let answer = commands.submit(sent.clone()).await;
        assert!(matches!(answer, Err(SubmitError::Log(_))), "{answer:?}");
        *fault.lock() = vec![Fault::None];
        let again = commands.submit(sent.clone()).await.unwrap().unwrap();
        assert_eq!(again.repeated, lost == Fault::LostAnswer);
        assert_eq!(again.position.get(), 3);
        let third = commands.submit(sent.clone()).await.unwrap().unwrap();
        assert!(third.repeated);
        assert_eq!(
            (third.position, third.created, third.time),
            (again.position, again.created, again.time)
        );
        assert_eq!(rig.logged().await.len(), 3);
        sent.body = Some(2);
        assert_eq!(commands.submit(sent).await.unwrap(), Err(Rejection::KeyReused));
    }
}

#[tokio::test]
async fn a_command_twice_in_one_round_is_decided_once() {
    let rig = Rig::memory().await;
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let register = envelope(Actor::Anonymous, rig.register("Ada"));
    let (a, b) = tokio::join!(commands.submit(register.clone()), commands.submit(register));
    let (a, b) = (a.unwrap().unwrap(), b.unwrap().unwrap());
    assert_eq!((a.position, a.created), (b.position, b.created));
    assert!(a.repeated != b.repeated);
    assert_eq!(rig.logged().await.len(), 1);
}

#[tokio::test]
async fn what_was_decided_outlives_the_writer_for_a_day_of_log_time() {
    let rig = Rig::embedded().await;
    let (commands, task) = rig.writer(rig.log.clone()).await;
    let register = envelope(Actor::Anonymous, rig.register("Ada"));
    let first = commands.submit(register.clone()).await.unwrap().unwrap();
    task.abort();
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let again = commands.submit(register.clone()).await.unwrap().unwrap();
    assert_eq!(
        (again.position, again.created, again.repeated),
        (first.position, first.created, true)
    );
    rig.micros.fetch_add(25 * 3600 * 1_000_000, Ordering::Relaxed);
    registered(&rig, &commands, "Bob").await;
    let forgotten = commands.submit(register).await.unwrap();
    assert_eq!(forgotten, Err(Rejection::UsernameTaken));
}

#[tokio::test]
async fn a_full_disk_and_a_log_out_of_reach_are_told_and_got_over() {
    let (rig, fault) = faulty().await;
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    *fault.lock() = vec![Fault::Full];
    let refused = commands.submit(envelope(Actor::Anonymous, rig.register("Bob"))).await;
    assert_eq!(refused, Err(SubmitError::Full));
    *fault.lock() = vec![Fault::Unreachable];
    for name in ["Bob", "Ada"] {
        // Even a rejection: it would rest on an end that nobody can know.
        let refused = commands.submit(envelope(Actor::Anonymous, rig.register(name))).await;
        assert!(matches!(refused, Err(SubmitError::Log(_))), "{refused:?}");
    }
    *fault.lock() = vec![Fault::None];
    registered(&rig, &commands, "Bob").await;
    created_room(&commands, ada).await;
    assert_eq!(rig.logged().await.len(), 3);
}

#[tokio::test]
async fn blocks_shrink_to_what_the_log_takes() {
    let (rig, fault) = faulty().await;
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let room = created_room(&commands, ada).await;
    *fault.lock() = vec![Fault::Small];
    let sent = (0..50).map(|n| {
        let (commands, message) = (commands.clone(), say(room, &n.to_string()));
        async move { send(&commands, Actor::User(ada), message).await }
    });
    let outcomes = futures::future::join_all(sent).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(rig.logged().await.len(), 52);
}

#[tokio::test]
async fn a_commit_that_is_too_large_is_refused_alone() {
    let rig = Rig::memory().await;
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let room = created_room(&commands, ada).await;
    let mut large = envelope(Actor::User(ada), say(room, "large"));
    large.correlation = Some("x".repeat(200_000));
    let (before, large, after) = tokio::join!(
        send(&commands, Actor::User(ada), say(room, "before")),
        commands.submit(large),
        send(&commands, Actor::User(ada), say(room, "after")),
    );
    assert!(matches!(large, Err(SubmitError::TooLarge { .. })), "{large:?}");
    assert!(before.is_ok() && after.is_ok());
    assert_eq!(rig.logged().await.len(), 4);
}

#[tokio::test]
async fn keys_go_after_the_event_and_leftovers_at_the_next_start() {
    let rig = Rig::embedded().await;
    let (commands, task) = rig.writer(rig.log.clone()).await;
    let ada = registered(&rig, &commands, "Ada").await;
    let bob = registered(&rig, &commands, "Bob").await;
    let room = created_room(&commands, ada).await;
    send(&commands, Actor::User(bob), join(room)).await.unwrap();
    send(&commands, Actor::User(bob), say(room, "in her room")).await.unwrap();
    let state = rig.replay().await.state;
    let name_of = |user| match &state.users.get(user).unwrap().username {
        Personal::Sealed(bytes) => bytes.clone(),
        Personal::Clear(_) | Personal::Erased => panic!("not sealed"),
    };
    let read = |user: events::UserId, sealed: Vec<u8>| {
        let vault = rig.vault.clone();
        async move {
            let scope = events::KeyScope::User(user);
            let label = events::sealed::label("user.username", user.get());
            vault.read(scope, &label, &Personal::Sealed(sealed)).await.unwrap()
        }
    };
    assert_eq!(read(ada, name_of(ada)).await, Opened::Text("Ada".into()));
    // The event is appended, and the writer dies before the key is destroyed.
    task.abort();
    let _ = task.await;
    let deleted = events::user::Deleted { user_id: ada, erase_content: false };
    let head = rig.log.head().await.unwrap();
    let line = events::Commit {
        command: events::CommandId::from_uuid(Uuid::new_v4()),
        time: rig.replay().await.time,
        actor: Actor::User(ada),
        subject: events::Subject::User(ada),
        correlation: None,
        causation: None,
        body: None,
        events: vec![events::Event::User(events::user::UserEvent::Deleted(deleted))],
    };
    let block = Block::build(&head, &[line.encode().unwrap()]);
    rig.log.append(Arc::new(block)).await.unwrap();
    assert_eq!(read(ada, name_of(ada)).await, Opened::Text("Ada".into()));
    let (commands, _task) = rig.writer(rig.log.clone()).await;
    assert_eq!(read(ada, name_of(ada)).await, Opened::Erased);
    assert_eq!(read(bob, name_of(bob)).await, Opened::Text("Bob".into()));
    // And in the ordinary way.
    let delete = DeleteUser { user: bob, erase_content: true };
    send(&commands, Actor::User(bob), delete).await.unwrap();
    assert_eq!(read(bob, name_of(bob)).await, Opened::Erased);
    let end = rig.log.head().await.unwrap().position;
    assert_eq!(rig.vault.swept().await.unwrap(), end);
}

#[tokio::test]
async fn a_follower_cut_off_from_the_log_says_so_and_comes_back() {
    let (rig, fault) = faulty().await;
    let follower = Follower::start(rig.log.clone(), rig.vault.clone()).await.unwrap();
    assert!(follower.fresh());
    *fault.lock() = vec![Fault::Unreachable];
    wait_until(|| !follower.fresh()).await;
    *fault.lock() = vec![Fault::None];
    wait_until(|| follower.fresh()).await;
}

async fn wait_until(holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.unwrap();
}
