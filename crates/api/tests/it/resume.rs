//! Resumes are whole, whatever breaks: clients that go away in the middle, API processes and
//! projectors that are killed, hints between them that are lost, doubled or out of order. In the
//! end what each client has seen is what the log holds: no gap, nothing twice, the last texts.
//!
//! `SIGNCALL_RESUME_RUNS=1000` makes a long run of it, `SIGNCALL_RESUME_SEED` begins at another seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::room::RoomEvent;
use events::{Event, Head, Subject};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use streams::{Live, LiveMessage};
use tokio::time::timeout;

use crate::client::Client;
use crate::server::{PATIENCE, Process, Server, unthrottled};

/// Runs unless said.
const RUNS: u64 = 8;
/// Runs on one log: every killed process folds all of it again.
const RUNS_A_LOG: u64 = 8;
/// What is said and done in a run.
const ACTS: usize = 25;
const READERS: usize = 3;
/// API processes that are killed again and again.
const PROCESSES: usize = 2;
/// A run that takes longer than this hangs.
const RUN_WITHIN: Duration = Duration::from_mins(1);
/// A client that was refused or cut off comes back after this.
const BACK_AFTER: Duration = Duration::from_millis(10);
/// Who hears nothing for so long looks whether anything is to come.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Where to go on after a message: `ready` and `reset` say it in their data.
pub(crate) fn place(message: &Value) -> Option<u64> {
    message["seq"].as_u64().or_else(|| message["data"]["seq"].as_u64())
}

/// What a client knows of a room.
#[derive(Debug, Default, PartialEq)]
struct View {
    /// What happened, to which row.
    sequence: Vec<(String, u64)>,
    /// The last text of each message and caption; a tombstone has none.
    texts: BTreeMap<u64, Option<String>>,
}

impl View {
    fn last(&self) -> usize {
        self.sequence.len()
    }

    /// Takes in what a server says; entries have to follow one another.
    fn take(&mut self, message: &Value) {
        assert_ne!(message["type"], "reset", "nothing is ever too old here: {message}");
        let Some(seq) = message["seq"].as_u64() else { return };
        assert_eq!(seq, self.last() as u64 + 1, "{message}");
        let (kind, data) = (message["type"].as_str().unwrap(), &message["data"]);
        let id = data["id"].as_u64().unwrap_or_else(|| panic!("no id: {message}"));
        self.sequence.push((kind.to_owned(), id));
        let text =
            if kind.starts_with("message") { &data["msg_content"] } else { &data["ts_content"] };
        if kind.starts_with("message") || kind.starts_with("transcript") {
            self.texts.insert(id, text.as_str().map(str::to_owned));
        }
    }

    /// What the log itself says.
    async fn of_log(server: &Server, room: u64) -> Self {
        let mut view = Self::default();
        let blocks = server.log.read(Head::empty(server.log.id()), usize::MAX).await.unwrap();
        for (_, commit) in blocks.iter().flat_map(|block| block.commits().unwrap()) {
            if commit.subject != Subject::Room(events::RoomId::new(room)) {
                continue;
            }
            for mut event in commit.events {
                server.vault.read_fields(event.personal(commit.time)).await.unwrap();
                let Event::Room(event) = event else { panic!("{event:?}") };
                view.happened(&event);
            }
        }
        view
    }

    fn happened(&mut self, event: &RoomEvent) {
        let text = |text: &events::Personal| {
            let events::Personal::Clear(text) = text else { panic!("{text:?}") };
            Some(text.clone())
        };
        let (kind, id, text) = match event {
            RoomEvent::Created(e) => ("participant_joined", e.participant_id.get(), None),
            RoomEvent::MessageSent(e) => ("message", e.message_id.get(), Some(text(&e.text))),
            RoomEvent::MessageEdited(e) => {
                ("message_edited", e.message_id.get(), Some(text(&e.text)))
            }
            RoomEvent::MessageDeleted(e) => ("message_deleted", e.message_id.get(), Some(None)),
            RoomEvent::TranscriptRecorded(e) => {
                ("transcript", e.transcript_id.get(), Some(text(&e.text)))
            }
            RoomEvent::TranscriptRevised(e) => {
                ("transcript_revised", e.transcript_id.get(), Some(text(&e.text)))
            }
            RoomEvent::SettingsChanged(_)
            | RoomEvent::HandedOver(_)
            | RoomEvent::Closed(_)
            | RoomEvent::Deleted(_)
            | RoomEvent::ParticipantJoined(_)
            | RoomEvent::ParticipantAdmitted(_)
            | RoomEvent::ParticipantLeft(_)
            | RoomEvent::ParticipantRemoved(_)
            | RoomEvent::ParticipantSentBack(_)
            | RoomEvent::ConsentChanged(_)
            | RoomEvent::TextsExpired(_) => panic!("{event:?}"),
        };
        self.sequence.push((kind.to_owned(), id));
        self.texts.extend(text.map(|text| (id, text)));
    }
}

/// Hints on bad terms with order: some are held back and overtaken, some come twice, some never.
struct Unruly {
    to: Live,
    state: Mutex<(StdRng, Vec<LiveMessage>)>,
}

impl streams::live::LiveBus for Unruly {
    fn publish(&self, message: LiveMessage) {
        let (random, held) = &mut *self.state.lock();
        match random.random_range(0..100) {
            0..3 => {}
            3..40 => held.push(message),
            40..60 => {
                self.to.publish(message.clone());
                held.push(message);
            }
            _ => self.to.publish(message),
        }
        while held.len() > 3 || (!held.is_empty() && random.random_bool(0.5)) {
            let one = random.random_range(0..held.len());
            self.to.publish(held.swap_remove(one));
        }
    }

    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Arc<LiveMessage>> {
        self.to.subscribe()
    }
}

/// One room and everybody about it.
struct Run {
    ada: Client,
    code: String,
    /// Where the API can be reached right now.
    addresses: Mutex<Vec<std::net::SocketAddr>>,
    /// What the sequence will come to, once all is said.
    end: Mutex<Option<usize>>,
}

impl Run {
    fn somewhere(&self, random: &mut StdRng) -> Client {
        let addresses = self.addresses.lock();
        let address = addresses[random.random_range(0..addresses.len())];
        Client { address, ..self.ada.clone() }
    }

    fn is_over_for(&self, view: &View) -> bool {
        self.end.lock().is_some_and(|end| end == view.last())
    }

    /// Says and changes things, each until it is acknowledged.
    async fn write(&self, mut random: StdRng) {
        let (mut messages, mut captions, mut entries) = (Vec::new(), Vec::new(), 1);
        let room = format!("/rooms/{}", self.code);
        for number in 0..ACTS {
            let any = |of: &Vec<u64>, random: &mut StdRng| of[random.random_range(0..of.len())];
            let text = format!("text {number}");
            let (said, typed) = (json!({ "msg_content": text }), json!({ "ts_content": text }));
            let (method, path, body) = match random.random_range(0..10) {
                0 if !messages.is_empty() => {
                    let gone = messages.swap_remove(random.random_range(0..messages.len()));
                    ("DELETE", format!("{room}/messages/{gone}"), json!({}))
                }
                1 if !messages.is_empty() => {
                    ("PATCH", format!("{room}/messages/{}", any(&messages, &mut random)), said)
                }
                2 if !captions.is_empty() => {
                    ("PATCH", format!("{room}/transcripts/{}", any(&captions, &mut random)), typed)
                }
                0..3 => ("POST", format!("{room}/transcripts"), typed),
                _ => ("POST", format!("{room}/messages"), said),
            };
            let answer = self.acknowledged(method, &path, &body, &text, &mut random).await;
            match (method, path.ends_with("/messages")) {
                ("POST", true) => messages.push(answer["id"].as_u64().unwrap()),
                ("POST", false) => captions.push(answer["id"].as_u64().unwrap()),
                _ => {}
            }
            entries += 1;
        }
        *self.end.lock() = Some(entries);
    }

    async fn acknowledged(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        key: &str,
        random: &mut StdRng,
    ) -> Value {
        loop {
            let client = self.somewhere(random).header("idempotency-key", key);
            let request = client.request(method.parse().unwrap(), path).json(body);
            match timeout(PATIENCE, request.send()).await.expect("an answer in time") {
                Ok(answer) if answer.status().is_success() => {
                    if let Ok(text) = answer.text().await {
                        return serde_json::from_str(&text).unwrap_or_default();
                    }
                }
                Ok(answer) => assert!(answer.status().is_server_error(), "{answer:?}"),
                Err(_) => {}
            }
            tokio::time::sleep(BACK_AFTER).await;
        }
    }

    /// Listens in pieces until all is there.
    async fn read(&self, mut random: StdRng) -> View {
        let mut view = View::default();
        while !self.is_over_for(&view) {
            let until = view.last() + random.random_range(0..9);
            let client = self.somewhere(&mut random);
            let after = view.last().to_string();
            if random.random_bool(0.5) {
                let query = format!("?after={after}");
                if let Ok(mut socket) = client.socket(&self.code, &query).await {
                    while view.last() <= until && !self.is_over_for(&view) {
                        match timeout(LOOK_AGAIN, socket.next()).await {
                            Err(_) => {}
                            Ok(Err(_)) => break,
                            Ok(Ok(message)) => view.take(&message),
                        }
                    }
                }
            } else {
                let client = client.header("last-event-id", &after);
                if let Some(mut events) = client.try_events(&self.code).await {
                    while view.last() <= until && !self.is_over_for(&view) {
                        match timeout(LOOK_AGAIN, events.next()).await {
                            Err(_) => {}
                            Ok(None) => break,
                            Ok(Some((id, message))) => {
                                assert_eq!(id, place(&message));
                                view.take(&message);
                            }
                        }
                    }
                }
            }
            tokio::time::sleep(BACK_AFTER).await;
        }
        view
    }

    /// Kills what can be killed, and starts it again, until it is told that all is over.
    async fn kill(&self, server: &Server, hints: &Live, mut random: StdRng, over: &AtomicBool) {
        let mut projector = server.projector(hints.clone());
        let mut processes: Vec<Process> = Vec::new();
        for _ in 0..PROCESSES {
            let (process, address) = server.process();
            processes.push(process);
            self.addresses.lock().push(address);
        }
        while !over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(random.random_range(20..200))).await;
            if random.random_bool(0.3) {
                drop(projector);
                projector = server.projector(hints.clone());
                // On a busy machine it would else never come to do anything.
                let head = server.log.head().await.unwrap().position;
                server.store.wait_for(head, PATIENCE).await.unwrap();
            } else {
                let one = random.random_range(0..PROCESSES);
                let (process, address) = server.process();
                drop(std::mem::replace(&mut processes[one], process));
                // The first is never killed.
                self.addresses.lock()[one + 1] = address;
            }
        }
        // Somebody has to finish.
        let _projector = projector;
    }
}

async fn run(server: &Server, hints: &Live, ada: &Client, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut another = || StdRng::seed_from_u64(random.next_u64());
    let room = ada.post("/rooms", &json!({})).await.expect(201);
    let run = Run {
        ada: ada.clone(),
        code: room["room_code"].as_str().unwrap().to_owned(),
        addresses: Mutex::new(vec![server.address]),
        end: Mutex::new(None),
    };
    let over = AtomicBool::new(false);
    let listening = async {
        let readers = futures::future::join_all((0..READERS).map(|_| run.read(another())));
        let (views, ()) = tokio::join!(readers, run.write(StdRng::seed_from_u64(seed + 1)));
        over.store(true, Ordering::Relaxed);
        views
    };
    let killing = run.kill(server, hints, StdRng::seed_from_u64(seed + 2), &over);
    let both = async { tokio::join!(listening, killing).0 };
    let views = timeout(RUN_WITHIN, both).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));
    let truth = View::of_log(server, room["id"].as_u64().unwrap()).await;
    assert_eq!(truth.last(), ACTS + 1, "seed {seed}");
    for view in views {
        assert_eq!(view, truth, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_equals_the_log_whatever_breaks() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let runs = number("SIGNCALL_RESUME_RUNS").unwrap_or(RUNS);
    let first = number("SIGNCALL_RESUME_SEED").unwrap_or(1);
    for log in 0..runs.div_ceil(RUNS_A_LOG) {
        let server = Server::hearing(unthrottled(), false).await;
        server.stop_projector.cancel();
        let seeds = first + log * RUNS_A_LOG..first + ((log + 1) * RUNS_A_LOG).min(runs);
        let state = Mutex::new((StdRng::seed_from_u64(seeds.start), Vec::new()));
        let hints = Live::new(Unruly { to: server.live.clone(), state });
        let ada = server.user("ada").await;
        for seed in seeds {
            println!("seed {seed}");
            run(&server, &hints, &ada, seed).await;
        }
    }
}
