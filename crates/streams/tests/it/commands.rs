//! What holds for commands, in one process and on NATS.

use std::time::{Duration, Instant};

use events::command::{Actor, Command, Created};
use events::room::command::message::SendMessage;
use events::{
    BlockNumber, Clear, CommandId, Envelope, MessageId, Position, Rejection, RoomId, Timestamp,
    UserId,
};
use streams::commands::{local, over_nats, serve_nats};
use streams::testing::NatsServer;
use streams::{Accepted, CommandQueue, Commands, SubmitError};

use crate::place::{DEADLINE, connect};

fn envelope(number: u128, text: &str) -> Envelope {
    let room = RoomId::new(7);
    Envelope {
        id: CommandId::from_uuid(uuid::Uuid::from_u128(number)),
        actor: Actor::User(UserId::new(3)),
        correlation: Some("request 1".to_owned()),
        causation: None,
        body: Some(u64::MAX),
        command: Command::from(SendMessage { room, text: Clear::new(text.to_owned()) }),
    }
}

fn accepted(number: u128) -> Accepted {
    Accepted {
        position: Position::new(number as u64),
        time: Timestamp::from_micros(5),
        created: Some(Created::Message(MessageId::new(8))),
        repeated: false,
    }
}

/// A stand-in for the decider: answers by the command's number, gives back the first envelope.
async fn decide(mut queue: CommandQueue, count: usize) -> Envelope {
    let mut waiting = Vec::new();
    let mut first = None;
    let mut decided = 0;
    while decided < count {
        queue.recv_many(&mut waiting, 100).await;
        for submitted in waiting.drain(..) {
            let answer = match submitted.envelope.id.uuid().as_u128() {
                1 => Ok(Err(Rejection::Invalid { field: "msg_content", detail: "is bad".into() })),
                2 => Err(SubmitError::TooLarge { bytes: 9, max: 8 }),
                number => Ok(Ok(accepted(number))),
            };
            submitted.reply.send(answer).unwrap();
            first.get_or_insert(submitted.envelope);
            decided += 1;
        }
    }
    first.unwrap()
}

async fn every_kind_of_answer_comes_back(commands: &Commands, queue: CommandQueue) {
    let deciding = tokio::spawn(decide(queue, 103));
    let text = "caf\u{e9} \"quoted\"\n";
    let rejected = commands.submit(envelope(1, text)).await.unwrap();
    let rejection = Rejection::Invalid { field: "msg_content", detail: "is bad".to_owned() };
    assert_eq!(rejected, Err(rejection));
    let failed = commands.submit(envelope(2, text)).await;
    assert_eq!(failed, Err(SubmitError::TooLarge { bytes: 9, max: 8 }));
    let many = (3..104).map(|number| async move {
        assert_eq!(commands.submit(envelope(number, "x")).await, Ok(Ok(accepted(number))));
    });
    futures::future::join_all(many).await;
    assert_eq!(deciding.await.unwrap(), envelope(1, text));
}

#[tokio::test]
async fn commands_of_the_same_process_are_answered() {
    let (commands, queue) = local();
    every_kind_of_answer_comes_back(&commands, queue).await;
    assert_eq!(commands.submit(envelope(9, "x")).await, Err(SubmitError::Unavailable));
}

#[tokio::test]
async fn commands_of_other_processes_are_answered() {
    let test = "streams commands::commands_of_other_processes_are_answered";
    let Some(server) = NatsServer::for_test(test).await.unwrap() else { return };
    let remote = over_nats(&connect(&server).await);
    let start = Instant::now();
    assert_eq!(remote.submit(envelope(9, "x")).await, Err(SubmitError::Unavailable));
    assert!(start.elapsed().as_secs() < 2, "nobody serves: that is known at once");
    let nats = connect(&server).await;
    let (_, queue) = serve_nats(&nats).await.unwrap();
    every_kind_of_answer_comes_back(&remote, queue).await;
    // Its queue is gone: the process does not take commands any more.
    let gone =
        async { while remote.submit(envelope(9, "x")).await != Err(SubmitError::Unavailable) {} };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    let (own, queue) = serve_nats(&nats).await.unwrap();
    every_kind_of_answer_comes_back(&own, queue).await;
}

#[tokio::test]
async fn a_decider_that_dies_leaves_nobody_waiting_for_long() {
    let test = "streams commands::a_decider_that_dies_leaves_nobody_waiting_for_long";
    let Some(server) = NatsServer::for_test(test).await.unwrap() else { return };
    let (remote, nats) = (over_nats(&connect(&server).await), connect(&server).await);
    let (_, mut queue) = serve_nats(&nats).await.unwrap();
    let asking = tokio::spawn(async move { remote.submit(envelope(5, "x")).await });
    let mut taken = Vec::new();
    let taking = queue.recv_many(&mut taken, 1);
    assert_eq!(tokio::time::timeout(DEADLINE, taking).await.expect("it comes"), 1);
    drop((taken, queue));
    assert_eq!(asking.await.unwrap(), Err(SubmitError::Unavailable));
}

/// Who decided a command, by the time of the answer.
fn decided_by(micros: i64, mut queue: CommandQueue) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut waiting = Vec::new();
        let mut block = 0;
        while queue.recv_many(&mut waiting, 100).await > 0 {
            for submitted in waiting.drain(..) {
                let answer = Accepted { time: Timestamp::from_micros(micros), ..accepted(1) };
                let _ = submitted.reply.send(Ok(Ok(answer)));
            }
            block += 1;
            queue.wrote(BlockNumber::new(block));
        }
    })
}

/// Sends commands until this decider answers them.
async fn answered_by(micros: i64, commands: &Commands) {
    let asking = async {
        loop {
            let answer = commands.submit(envelope(9, "x")).await;
            if answer.is_ok_and(|answer| answer.unwrap().time.micros() == micros) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("it answers some time");
}

#[tokio::test]
async fn commands_go_on_to_the_decider_that_wrote_last() {
    let test = "streams commands::commands_go_on_to_the_decider_that_wrote_last";
    let Some(server) = NatsServer::for_test(test).await.unwrap() else { return };
    let (first, first_queue) = serve_nats(&connect(&server).await).await.unwrap();
    let first_decides = decided_by(1, first_queue);
    answered_by(1, &first).await;
    let (second, second_queue) = serve_nats(&connect(&server).await).await.unwrap();
    let second_decides = decided_by(2, second_queue);
    // The first goes on writing, and the second hears of it: its own commands are decided there.
    let writing = first.clone();
    let goes_on = tokio::spawn(async move {
        loop {
            writing.submit(envelope(9, "x")).await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    answered_by(1, &second).await;
    // And so are those of everybody else, whoever gets them first.
    let remote = over_nats(&connect(&server).await);
    for _ in 0..50 {
        let answer = remote.submit(envelope(9, "x")).await.unwrap().unwrap();
        assert_eq!(answer.time.micros(), 1);
    }
    // It is gone: the second decides itself, at once.
    goes_on.abort();
    first_decides.abort();
    let _ = first_decides.await;
    drop(first);
    answered_by(2, &second).await;
    answered_by(2, &remote).await;
    second_decides.abort();
}
