//! Logins with the rights that `deploy/nats/roles.conf` gives each role: every role works, and what
//! a recognition worker is not to do, the server or the receiver refuses.

use std::time::Duration;

use events::command::SystemRole;
use events::room::TranscriptKind;
use events::room::command::transcript::RecordTranscript;
use events::sealed::Clear;
use events::user::command::admin::GrantAdmin;
use events::{
    Actor, Command, CommandId, Envelope, Head, Position, Rejection, RoomId, SegmentId, Timestamp,
    UserId,
};
use streams::frames::{self, FrameBatch, FrameFormat, Partition, StreamId, StreamKey};
use streams::nats::{Nats, NatsConfig};
use streams::testing::{NatsServer, find_nats_server, skip};
use streams::{Accepted, CommandQueue, LiveMessage, LogError, SubmitError, commands, live, log};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::place::{DEADLINE, block, fill, read_all};

const ROLES: [&str; 6] = ["operator", "decider", "api", "projector", "reactor", "recognizer"];

async fn server(test: &str) -> Option<NatsServer> {
    let Some(program) = find_nats_server() else {
        skip(&format!("streams roles::{test}"), "nats-server is not installed");
        return None;
    };
    let passwords = ROLES
        .map(|role| format!("NATS_PASSWORD_{}: \"{}\"\n", role.to_uppercase(), password(role)));
    let roles = include_str!("../../../../deploy/nats/roles.conf");
    Some(NatsServer::start(program, &format!("{}{roles}", passwords.concat())).await.unwrap())
}

fn password(role: &str) -> String {
    format!("the {role}'s")
}

async fn log_in(server: &NatsServer, role: &str) -> Nats {
    let config = NatsConfig {
        user: Some(role.to_owned()),
        password: Some(password(role).into()),
        inbox: format!("_INBOX.{role}"),
        ..NatsConfig::new(server.url())
    };
    streams::nats::connect(&config).await.unwrap()
}

fn envelope(actor: Actor, command: Command) -> Envelope {
    let id = CommandId::from_uuid(uuid::Uuid::new_v4());
    Envelope { id, actor, correlation: None, causation: None, body: None, command }
}

fn caption() -> Command {
    let time = Timestamp::from_micros(1_700_000_000_000_000);
    RecordTranscript {
        room: RoomId::new(1),
        user: UserId::new(2),
        segment: SegmentId::from_bytes([3; 16]),
        kind: TranscriptKind::Gloss,
        text: Clear::new("hello"),
        start: time,
        end: time,
        confidence: 0.5,
        model: "a model".to_owned(),
    }
    .into()
}

fn batch() -> FrameBatch {
    let stream = StreamId::new("s").unwrap();
    FrameBatch {
        key: StreamKey { room: RoomId::new(1), user: UserId::new(2), stream },
        first_seq: 0,
        count: 3,
        format: FrameFormat::Landmarks,
        payload: "frames".into(),
        flush: false,
        received_us: 0,
        model: None,
        language: None,
    }
}

/// A decider that finds everything right.
async fn accept_all(mut queue: CommandQueue) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, 10).await > 0 {
        for submitted in waiting.drain(..) {
            let accepted = Accepted {
                position: Position::new(1),
                time: Timestamp::default(),
                created: None,
                repeated: false,
            };
            let _ = submitted.reply.send(Ok(Ok::<_, Rejection>(accepted)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_works_with_its_rights() {
    let Some(server) = server("every_role_works_with_its_rights").await else { return };
    let decider = log_in(&server, "decider").await;
    let truth = log::nats::open(&decider).await.unwrap();
    let blocks = fill(&truth, 5).await;
    let (_, queue) = commands::serve_nats(&decider).await.unwrap();
    tokio::spawn(accept_all(queue));
    let grant = || Command::from(GrantAdmin { user: UserId::new(9) });
    for role in ["api", "reactor"] {
        let nats = log_in(&server, role).await;
        let asked = envelope(Actor::User(UserId::new(1)), grant());
        commands::over_nats(&nats).submit(asked).await.unwrap().unwrap();
    }
    for role in ["api", "projector", "reactor"] {
        let log = log::nats::open(&log_in(&server, role).await).await.unwrap();
        let there = read_all(&log, Head::empty(log.id()), 1000).await;
        assert!(there.starts_with(&blocks), "{role}");
        truth.append(block(&truth.head().await.unwrap(), role)).await.unwrap();
        crate::place::wait_for(&log, truth.head().await.unwrap().block).await;
    }
    // Frames from the API to the worker, and what it has to say back.
    let api = log_in(&server, "api").await;
    let pushed = frames::over_nats(&api, Partition::ALL).await.unwrap();
    let worker = log_in(&server, "recognizer").await;
    let taken = frames::for_worker(&worker, Partition::ALL).await.unwrap();
    pushed.push(batch()).await.unwrap();
    let came = tokio::time::timeout(DEADLINE, taken.next()).await.expect("frames come").unwrap();
    assert_eq!(came.payload, batch().payload);
    taken.done(&came.key, 3).await.unwrap();
    let heard = async {
        while pushed.status(&came.key).await.done_seq < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, heard).await.expect("the API hears what is done");
    let results = commands::results_over_nats(&worker);
    let own = Actor::System(SystemRole::Recognizer);
    results.submit(envelope(own, caption())).await.unwrap().unwrap();
    let bus = live::over_nats(&api).await.unwrap();
    let mut listening = bus.subscribe();
    let (room, user) = (RoomId::new(1), UserId::new(2));
    let said = LiveMessage::Signing { room, user, active: true };
    let telling = live::captions_over_nats(&worker);
    // What is not a worker's to say is not passed on.
    telling.publish(LiveMessage::Typing { room, user });
    telling.publish(said.clone());
    let heard = tokio::time::timeout(DEADLINE, listening.recv()).await.expect("it is heard");
    assert_eq!(*heard.unwrap(), said);
    // Nor is what it asks in another's name, or of another kind.
    let forged = [
        envelope(Actor::User(UserId::new(1)), caption()),
        envelope(own, grant()),
        envelope(Actor::System(SystemRole::Operator), grant()),
    ];
    for forged in forged {
        let refused = results.submit(forged).await.unwrap_err();
        assert!(
            matches!(&refused, SubmitError::Log(why) if why.contains("nothing else")),
            "{refused}"
        );
    }
    let projector = live::over_nats(&log_in(&server, "projector").await).await.unwrap();
    let grown = LiveMessage::Feed { room, seq: 1, position: Position::new(1) };
    projector.publish(grown.clone());
    let heard = tokio::time::timeout(DEADLINE, listening.recv()).await.expect("it is heard");
    assert_eq!(*heard.unwrap(), grown);
}

/// A client that shows what the server says of each line.
struct Raw(BufReader<TcpStream>);

impl Raw {
    async fn log_in(server: &NatsServer, role: &str) -> Self {
        let address = server.url().replace("nats://", "");
        let mut raw = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        let (user, pass) = (role, password(role));
        let hello = format!(
            "CONNECT {{\"user\":\"{user}\",\"pass\":\"{pass}\",\"verbose\":false,\"headers\":true}}\r\n"
        );
        assert_eq!(raw.say(&hello).await, "");
        raw
    }

    /// What the server complains about.
    async fn say(&mut self, line: &str) -> String {
        self.0.write_all(format!("{line}PING\r\n").as_bytes()).await.unwrap();
        let mut complaints = String::new();
        loop {
            let mut answer = String::new();
            assert_ne!(self.0.read_line(&mut answer).await.unwrap(), 0, "cut off: {complaints}");
            match answer.split_whitespace().next() {
                Some("PONG") => return complaints,
                Some("-ERR") => complaints.push_str(&answer),
                Some(_) | None => {}
            }
        }
    }
}

/// Subjects on which a worker has nothing to say.
const NOT_TO_SAY: [&str; 42] = [
    "signcall.log",
    "signcall.log_appended",
    "signcall.commands",
    "signcall.frames.1.2.s",
    "signcall.uploads.1.2.s",
    "signcall.live.room.1",
    "signcall.live.room.0",
    "signcall.live.other",
    "_INBOX.api.1",
    "_INBOX.decider.1",
    "_INBOX.recognizer.1",
    "_INBOX.operator.1",
    "elsewhere",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.USER.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.signcall_log",
    "$JS.API.STREAM.MSG.GET.signcall_log",
    "$JS.API.DIRECT.GET.signcall_log",
    "$JS.API.DIRECT.GET.signcall_log.signcall.log",
    "$JS.API.STREAM.CREATE.signcall_log",
    "$JS.API.STREAM.CREATE.mine",
    "$JS.API.STREAM.UPDATE.signcall_log",
    "$JS.API.STREAM.UPDATE.signcall_frames",
    "$JS.API.STREAM.DELETE.signcall_log",
    "$JS.API.STREAM.DELETE.signcall_frames",
    "$JS.API.STREAM.PURGE.signcall_log",
    "$JS.API.STREAM.PURGE.signcall_frames_done",
    "$JS.API.STREAM.MSG.DELETE.signcall_log",
    "$JS.API.STREAM.MSG.DELETE.signcall_frames",
    "$JS.API.STREAM.SNAPSHOT.signcall_log",
    "$JS.API.STREAM.RESTORE.signcall_log",
    "$JS.API.CONSUMER.CREATE.signcall_log",
    "$JS.API.CONSUMER.CREATE.signcall_log.c.signcall.log",
    "$JS.API.CONSUMER.CREATE.signcall_frames",
    "$JS.API.CONSUMER.CREATE.signcall_frames_done.c.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.signcall_frames.c",
    "$JS.API.CONSUMER.MSG.NEXT.signcall_log.c",
    "$JS.API.CONSUMER.DELETE.signcall_frames.c",
    "$JS.API.CONSUMER.NAMES.signcall_log",
    "$JS.API.SERVER.REMOVE",
];

/// Subjects on which a worker has nothing to hear.
const NOT_TO_HEAR: [&str; 16] = [
    ">",
    "signcall.>",
    "signcall.log",
    "signcall.log_appended",
    "signcall.commands",
    "signcall.results",
    "signcall.live.>",
    "signcall.live.room.1",
    "signcall.frames.>",
    "signcall.uploads.>",
    "signcall.frames_wanted",
    "_INBOX.>",
    "_INBOX.api.>",
    "_INBOX.decider.>",
    "$JS.>",
    "$SYS.>",
];

#[tokio::test]
async fn a_worker_is_refused_everything_else() {
    let Some(server) = server("a_worker_is_refused_everything_else").await else { return };
    // Streams that are there could be harmed.
    let truth = log::nats::open(&log_in(&server, "decider").await).await.unwrap();
    let blocks = fill(&truth, 2).await;
    frames::over_nats(&log_in(&server, "api").await, Partition::ALL).await.unwrap();
    let mut worker = Raw::log_in(&server, "recognizer").await;
    for subject in NOT_TO_SAY {
        let said = worker.say(&format!("PUB {subject} 2\r\n{{}}\r\n")).await.to_lowercase();
        let expected = format!("permissions violation for publish to \"{subject}\"").to_lowercase();
        assert!(said.contains(&expected), "{subject}: {said:?}");
    }
    for (number, subject) in NOT_TO_HEAR.into_iter().enumerate() {
        let said = worker.say(&format!("SUB {subject} {number}\r\n")).await.to_lowercase();
        let expected =
            format!("permissions violation for subscription to \"{subject}\"").to_lowercase();
        assert!(said.contains(&expected), "{subject}: {said:?}");
    }
    // What it may do, it may: the refusals are not those of a login that may do nothing.
    assert_eq!(worker.say("PUB signcall.results 2\r\n{}\r\n").await, "");
    assert_eq!(worker.say("SUB _INBOX.recognizer.1 99\r\n").await, "");
    assert_eq!(read_all(&truth, Head::empty(truth.id()), 1000).await, blocks);
    assert!(matches!(
        log::nats::open(&log_in(&server, "recognizer").await).await,
        Err(LogError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn other_roles_are_kept_to_theirs() {
    let Some(server) = server("other_roles_are_kept_to_theirs").await else { return };
    let may_not = [
        ("api", "signcall.log"),
        ("api", "signcall.results"),
        ("api", "$JS.API.STREAM.CREATE.signcall_log"),
        ("api", "$JS.API.STREAM.DELETE.signcall_log"),
        ("api", "$JS.API.STREAM.DELETE.signcall_frames"),
        ("api", "$JS.API.STREAM.UPDATE.signcall_log"),
        ("api", "$JS.API.CONSUMER.CREATE.signcall_log"),
        ("decider", "signcall.commands"),
        ("decider", "signcall.live.room.1"),
        ("decider", "$JS.API.STREAM.DELETE.signcall_log"),
        ("decider", "$JS.API.STREAM.UPDATE.signcall_log"),
        ("decider", "$JS.API.STREAM.PURGE.signcall_log"),
        ("decider", "$JS.API.STREAM.MSG.DELETE.signcall_log"),
        ("projector", "signcall.log"),
        ("projector", "signcall.commands"),
        ("projector", "$JS.API.STREAM.CREATE.signcall_log"),
        ("projector", "signcall.frames.1.2.s"),
        ("reactor", "signcall.log"),
        ("reactor", "signcall.live.room.1"),
        ("reactor", "signcall.frames.1.2.s"),
        ("reactor", "$JS.API.STREAM.UPDATE.signcall_log"),
    ];
    for (role, subject) in may_not {
        let said =
            Raw::log_in(&server, role).await.say(&format!("PUB {subject} 2\r\n{{}}\r\n")).await;
        assert!(said.contains("Permissions Violation"), "{role}, {subject}: {said:?}");
    }
}
