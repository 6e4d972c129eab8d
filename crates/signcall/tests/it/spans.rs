//! A request and a caption leave one trace each at a collector, whatever number of processes they
//! went through; and nobody has to wait for a collector.

use std::collections::{BTreeSet, HashMap};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::Client;
use crate::collector::{Collector, Taken, Told, texts};
use crate::harness::{Process, Setup, World};
use crate::path::play;
use crate::signing::Signing;

/// A figure may take this long to move, on a busy machine.
const WITHIN: Duration = Duration::from_secs(30);
const CALLER: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");

/// What hangs below the `submit` of each command.
const WAYS: [(&str, &str); 4] =
    [("decide", "submit"), ("append", "decide"), ("project", "append"), ("follow", "append")];

/// Says that each span is once in a trace, and hangs below the one that it came of.
fn check_parents(spans: &[Told], pairs: &[(&str, &str)]) {
    let by_name: HashMap<&str, &Told> =
        spans.iter().map(|told| (told.span.name.as_str(), told)).collect();
    assert_eq!(by_name.len(), spans.len(), "twice the same: {spans:#?}");
    let ids: BTreeSet<_> = spans.iter().map(|told| &told.span.span_id).collect();
    assert_eq!(ids.len(), spans.len());
    for (child, parent) in pairs {
        let (child, parent) = (&by_name[child].span, &by_name[parent].span);
        assert_eq!(child.parent_span_id, parent.span_id, "{} of {}", child.name, parent.name);
    }
    assert_eq!(pairs.len() + 1, spans.len(), "more than was asked for: {spans:#?}");
    for told in spans {
        let span = &told.span;
        assert!(0 < span.start_time_unix_nano);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
}

/// The processes that had a hand in it.
fn instances(spans: &[Told]) -> BTreeSet<(String, String)> {
    spans.iter().map(|told| (told.service.clone(), told.instance.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_and_a_caption_are_one_trace_each_through_four_processes() {
    let test = "spans::a_message_and_a_caption_are_one_trace_each_through_four_processes";
    let collector = Collector::listen().await;
    let more = ["--otlp-endpoint", collector.url.as_str()];
    let set_up = Setup::FourOnNatsAndPostgres;
    let Some(mut world) = World::start_with(test, set_up, &more).await else { return };
    let ada = Client::register(&world.url, "ada").await;
    let (_, room) = ada.post("/rooms", json!({})).await;
    let code = room["room_code"].as_str().unwrap();
    let message = json!({ "msg_content": "good morning" });
    let path = format!("/rooms/{code}/messages");
    let sent = ada.request(Method::POST, &path).json(&message).send().await.unwrap();
    let request = sent.headers()["x-request-id"].to_str().unwrap().to_owned();
    let route = "POST /api/v1/rooms/{code}/messages";
    let wanted = [
        ("signcall-api", route),
        ("signcall-api", "submit"),
        ("signcall-decider", "decide"),
        ("signcall-decider", "append"),
        ("signcall-projector", "project"),
        ("signcall-api", "follow"),
    ];
    let of_message = collector.whole(&request, &wanted).await;
    check_parents(&of_message, &[&[("submit", route)], WAYS.as_slice()].concat());
    let root = of_message.iter().find(|told| told.span.name == route).unwrap();
    assert!(root.span.parent_span_id.is_empty());
    let told = texts(&root.span.attributes);
    assert_eq!(
        (told["http.response.status_code"].as_str(), &told["signcall.request_id"]),
        ("201", &request)
    );
    assert_eq!(instances(&of_message).len(), 3);

    let signing = Signing::get(test, world.folder());
    play(&world.url, &ada, code, &signing).await;
    let transcripts = ada.list(&format!("/rooms/{code}/transcripts")).await;
    let segment = transcripts[0]["segment_id"].as_str().unwrap();
    let wanted = [
        ("signcall-recognizer", "recognize"),
        ("signcall-recognizer", "submit"),
        ("signcall-decider", "decide"),
        ("signcall-decider", "append"),
        ("signcall-projector", "project"),
        ("signcall-api", "follow"),
    ];
    let of_caption = collector.whole(segment, &wanted).await;
    check_parents(&of_caption, &[&[("submit", "recognize")], WAYS.as_slice()].concat());
    let (all, of_message) = (instances(&of_caption), instances(&of_message));
    assert!(all.len() == 4 && of_message.is_subset(&all), "{all:?} {of_message:?}");
    world.stop();
}

/// A server with a collector; what it counts.
struct Watched {
    process: Process,
    url: String,
    metrics: String,
}

impl Watched {
    fn start(folder: &std::path::Path, more: &[&str]) -> Self {
        let data = folder.join("data").display().to_string();
        let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let fixed = [
            ["--data", &data],
            ["--listen", "127.0.0.1:0"],
            ["--metrics-listen", &metrics],
            ["--api", "bcrypt_cost=4"],
            ["--api", "traceparent=true"],
            ["--api", "webhooks.allow_http=true"],
            ["--api", "webhooks.allow_private_targets=true"],
        ];
        let arguments = ["serve"].iter().chain(fixed.as_flattened()).chain(more);
        let arguments = arguments.map(|text| (*text).to_owned()).collect();
        let mut process = Process::start("all", arguments, folder);
        let url = process.wait_until_ready().unwrap();
        Self { process, url, metrics }
    }

    async fn spans(&self, result: &str) -> u64 {
        let page = reqwest::get(format!("http://{}/metrics", self.metrics)).await.unwrap();
        let page = page.text().await.unwrap();
        let start = format!("signcall_trace_spans_total{{result=\"{result}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or(0)
    }

    async fn wait_for_spans(&self, result: &str, more_than: u64) {
        let until = Instant::now() + WITHIN;
        while self.spans(result).await <= more_than {
            assert!(Instant::now() < until, "{result} does not rise:\n{}", self.process.errors());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_or_hangs_costs_nobody_anything_and_what_waits_is_sent_at_the_end()
{
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::listen().await;
    collector.answer(400);
    let headers = folder.path().join("headers");
    std::fs::write(&headers, "authorization=Bearer of-ours\n").unwrap();
    let headers = headers.display().to_string();
    let more = ["--otlp-endpoint", &collector.url, "--otlp-headers-file", &headers];
    let mut server = Watched::start(folder.path(), &more);
    let ada = Client::register(&server.url, "ada").await;
    server.wait_for_spans("failed", 0).await;
    // For a while: what is refused with this is tried again, and arrives.
    collector.answer(503);
    let (trace, parent) = CALLER;
    let rooms = ada.request(Method::POST, "/rooms").json(&json!({}));
    let made = rooms.header("traceparent", format!("00-{trace}-{parent}-01")).send().await.unwrap();
    let request = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    let room: Value = made.json().await.unwrap();
    assert!(room["room_code"].is_string(), "{room}");
    collector.wait_for_refusal().await;
    collector.answer(200);
    let wanted = [("signcall-api", "POST /api/v1/rooms"), ("signcall-projector", "project")];
    let spans = collector.whole(trace, &wanted).await;
    let root = &spans.iter().find(|told| told.span.name == "POST /api/v1/rooms").unwrap().span;
    assert_eq!(hex::encode(&root.parent_span_id), parent);
    assert_eq!(request, format!("{trace}-{}", hex::encode(&root.span_id)));
    assert!(server.spans("sent").await > 0);
    assert_eq!(server.spans("dropped").await, 0);
    assert!(collector.look(|taken| {
        taken.heads.iter().all(|head| head.contains("authorization: bearer of-ours"))
    }));
    // What was done last is not lost.
    let last = ada.request(Method::GET, "/users/me").send().await.unwrap();
    let last = last.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(server.process.terminate().success());
    assert_eq!(collector.trace(&last).len(), 1);
}

/// Takes deliveries, and is content with each.
async fn receiver() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut begin = [0; 1024];
            let _read = stream.read(&mut begin).await;
            let content = b"HTTP/1.1 204 Fine\r\nconnection: close\r\n\r\n";
            let _written = stream.write_all(content).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_reactor_does_and_the_server_by_itself_is_traced_too() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::listen().await;
    let mut server = Watched::start(folder.path(), &["--otlp-endpoint", &collector.url]);
    let ada = Client::register(&server.url, "ada").await;
    let (status, webhook) = ada.post("/webhooks", json!({ "url": receiver().await })).await;
    assert_eq!(status, 201, "{webhook}");
    let (_, room) = ada.post("/rooms", json!({})).await;
    let path = format!("/rooms/{}/messages", room["room_code"].as_str().unwrap());
    let message = json!({ "msg_content": "good morning" });
    let sent = ada.request(Method::POST, &path).json(&message).send().await.unwrap();
    let request = sent.headers()["x-request-id"].to_str().unwrap().to_owned();
    let wanted = [("signcall-reactor", "deliver"), ("signcall-decider", "append")];
    let spans = collector.whole(&request, &wanted).await;
    let named = |name: &str| &spans.iter().find(|told| told.span.name == name).unwrap().span;
    assert_eq!(named("deliver").parent_span_id, named("append").span_id);
    assert_eq!(texts(&named("deliver").attributes)["signcall.outcome"], "delivered");
    // A wrong password is written down a moment later, of the server's own accord.
    let wrong = json!({ "username": "ada", "password": "not the one of ada" });
    assert_eq!(ada.post("/tokens", wrong).await.0, 401);
    let own = |taken: &Taken| {
        let due = taken.spans.iter().find(|told| told.span.name == "due")?;
        Some((due.service.clone(), hex::encode(&due.span.trace_id)))
    };
    let (service, own) = collector.until("due", own).await;
    assert_eq!(service, "signcall-api");
    let wanted = [
        ("signcall-api", "due"),
        ("signcall-api", "submit"),
        ("signcall-decider", "decide"),
        ("signcall-decider", "append"),
        ("signcall-projector", "project"),
        ("signcall-api", "follow"),
    ];
    let spans = collector.whole(&own, &wanted).await;
    check_parents(&spans, &[&[("submit", "due")], WAYS.as_slice()].concat());
    assert!(server.process.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_in_time_beside_a_collector_that_never_answers() {
    let folder = tempfile::tempdir().unwrap();
    // Connections are taken by the system, and nobody ever reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut server = Watched::start(folder.path(), &["--otlp-endpoint", &endpoint]);
    let ada = Client::register(&server.url, "ada").await;
    assert_eq!(ada.get("/users/me").await.0, 200);
    // Within the time that the product promises, or this panics.
    assert!(server.process.terminate().success());
}
