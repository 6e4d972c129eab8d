//! Secrets of a whole run, from the first registration to a deletion, captions and mail included:
//! none lies in a log line, in an event, among the figures, in an error or in the log's file. And
//! what a log-in costs, counted from outside.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::client::Client;
use crate::collector::Collector;
use crate::harness::{Process, signcall};
use crate::outside::mail_server;
use crate::path::play;
use crate::signing::Signing;

const PASSWORD: &str = "violet tandem quarry 19";
const NEW: &str = "canary number two in a mine";
const WRONG: &str = "canary that was mistyped";
const SAID: &str = "a canary sings in the chat";

/// A server that says all it can, and everything that nobody else may read.
struct Mine {
    process: Process,
    url: String,
    metrics: String,
    mails: UnboundedReceiver<String>,
    http: reqwest::Client,
    secrets: Vec<String>,
    errors: Vec<String>,
    collector: Collector,
    folder: TempDir,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Mine {
    async fn dig() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (smtp, mails) = mail_server().await;
        let data = folder.path().join("data").display().to_string();
        let collector = Collector::listen().await;
        let all = "info,api=trace,decider=trace,projector=trace,reactor=trace,signcall=trace,\
                   streams=trace,vault=trace,recognizer=trace,hyper=debug,sqlx=debug,lettre=debug";
        let arguments = [
            ["--data", &data],
            ["--listen", "127.0.0.1:0"],
            ["--metrics-listen", &free],
            ["--log-level", all],
            ["--log-format", "json"],
            ["--otlp-endpoint", &collector.url],
            ["--otlp-headers", "authorization=Bearer canary-in-a-header"],
            ["--smtp-url", &smtp],
            ["--mail-from", "calls@example.org"],
            ["--public-url", "https://call.example.org"],
            ["--api", "bcrypt_cost=4"],
            ["--api", "throttles.wrong_passwords.burst=0"],
            ["--api", "lock_after=3"],
        ];
        let mut all = vec!["serve".to_owned()];
        all.extend(arguments.concat().into_iter().map(str::to_owned));
        let mut process = Process::start("all", all, folder.path());
        let url = process.wait_until_ready().unwrap();
        let (http, metrics) = (reqwest::Client::new(), format!("http://{free}/metrics"));
        let (secrets, errors) = (Vec::new(), Vec::new());
        Self { process, url, metrics, mails, http, secrets, errors, collector, folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    async fn send(&mut self, request: RequestBuilder) -> Answered {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        if !status.is_success() {
            self.errors.push(format!("{headers:?}\n{text}"));
        }
        for cookie in headers.get_all("set-cookie") {
            let value = cookie.to_str().unwrap().split(['=', ';']).nth(1).unwrap();
            self.secrets.push(value.to_owned());
        }
        for field in ["token", "secret", "ticket"] {
            self.secrets.extend(body[field].as_str().map(str::to_owned));
        }
        Answered { status, headers, body }
    }

    async fn post(&mut self, path: &str, token: &str, body: &Value) -> Answered {
        let request = self.request(Method::POST, path, token).json(body);
        self.send(request).await
    }

    async fn register(&mut self, name: &str) -> (String, u64) {
        let email = format!("{name}@example.org");
        let body = json!({ "username": name, "email": email, "password": PASSWORD });
        let made = self.post("/users", "", &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        (made.body["token"].as_str().unwrap().to_owned(), made.body["user"]["id"].as_u64().unwrap())
    }

    /// The first administrator's token.
    async fn bootstrap(&mut self) -> String {
        let data = self.data();
        let output = signcall().args(["admin", "bootstrap", "--data"]).arg(data).output().unwrap();
        let secret = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        self.secrets.push(secret.clone());
        let body = json!({
            "secret": secret, "username": "root", "email": "root@example.org", "password": PASSWORD,
        });
        let made = self.post("/admin/bootstrap", "", &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["token"].as_str().unwrap().to_owned()
    }

    async fn figures(&self) -> String {
        self.http.get(&self.metrics).send().await.unwrap().text().await.unwrap()
    }

    async fn hashes(&self) -> u64 {
        let figures = self.figures().await;
        let of = |line: &str| line.strip_prefix("signcall_password_hashes_total ")?.parse().ok();
        figures.lines().find_map(of).unwrap_or(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_whole_run_is_written_anywhere() {
    let mut mine = Mine::dig().await;
    let admin = mine.bootstrap().await;
    let ((ada, ada_id), (bob, bob_id)) = (mine.register("ada").await, mine.register("bob").await);
    for (path, password) in [("/tokens", PASSWORD), ("/sessions", PASSWORD), ("/tokens", WRONG)] {
        mine.post(path, "", &json!({ "username": "ada", "password": password })).await;
    }
    let basic = mine.request(Method::POST, "/tokens", "").basic_auth("ada", Some(WRONG));
    mine.send(basic).await;
    let room = mine.post("/rooms", &ada, &json!({ "guests": true })).await.body;
    let (code, room_path) =
        (&room["room_code"], format!("/rooms/{}", room["room_code"].as_str().unwrap()));
    mine.post(&format!("{room_path}/participants"), &bob, &json!({})).await;
    let guest = json!({ "display_name": "visitor" });
    let guest = mine.post(&format!("{room_path}/participants"), "", &guest).await;
    assert_eq!(guest.status, StatusCode::CREATED, "{}", guest.body);
    mine.post(&format!("{room_path}/messages"), &bob, &json!({ "msg_content": SAID })).await;
    mine.post("/webhooks", &ada, &json!({ "url": "https://example.org/hook" })).await;
    let ticket = mine.post("/live-tickets", &bob, &json!({})).await.body;
    let ticket = ticket["ticket"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        // The second time it is refused.
        let events = format!("{room_path}/live?ticket={ticket}");
        let request = mine.request(Method::GET, &events, "");
        mine.send(request).await;
    }
    let signing = Signing::get("canary::no_secret_of_a_whole_run", mine.folder.path());
    let mut who = Client::anonymous(&mine.url);
    (who.token, who.id) = (ada.clone(), ada_id);
    play(&mine.url, &who, code.as_str().unwrap(), &signing).await;
    let export = mine.request(Method::GET, "/users/me/export", &ada);
    assert!(mine.send(export).await.body["messages"].is_array());
    mine.post("/password-resets", "", &json!({ "email": "ada@example.org" })).await;
    let mail = mine.mails.recv().await.unwrap();
    let link = mail.split("/reset/").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    mine.secrets.push(link.clone());
    mine.post(&format!("/users/{bob_id}/password-reset"), &admin, &json!({})).await;
    for _ in 0..2 {
        let path = format!("/password-resets/{link}");
        let request = mine.request(Method::PUT, &path, "").json(&json!({ "new": NEW }));
        mine.send(request).await;
    }
    mine.post("/tokens", "", &json!({ "username": "ada", "password": NEW })).await;
    let broken = mine.request(Method::POST, "/users", "").body(format!("{{\"password\": {WRONG}"));
    mine.send(broken.header("content-type", "application/json")).await;
    let unknown = json!({ "username": "x", "password": WRONG, "token": bob, "secret": WRONG });
    mine.post("/tokens", &ada, &unknown).await;
    let goodbye = json!({ "password": WRONG });
    let request = mine.request(Method::DELETE, "/users/me", &bob).json(&goodbye);
    mine.send(request).await;
    let goodbye = json!({ "password": PASSWORD, "erase_content": true });
    let request = mine.request(Method::DELETE, "/users/me", &bob).json(&goodbye);
    assert_eq!(mine.send(request).await.status, StatusCode::NO_CONTENT);
    check(mine).await;
}

/// Looks for everything everywhere.
async fn check(mut mine: Mine) {
    let figures = mine.figures().await;
    assert!(figures.contains("signcall_logins_total{outcome=\"accepted\"}"), "{figures}");
    assert!(mine.process.terminate().success());
    let data = mine.data();
    for file in fs::read_dir(data.join("secrets")).unwrap() {
        mine.secrets.push(fs::read_to_string(file.unwrap().path()).unwrap().trim().to_owned());
    }
    mine.secrets.extend([PASSWORD, NEW, WRONG, "canary-in-a-header"].map(str::to_owned));
    let exported = signcall().args(["log", "export", "--data"]).arg(&data).output().unwrap();
    let mut files = Vec::new();
    for name in ["log.db", "log.db-wal"] {
        files.extend(fs::read(data.join(name)).unwrap_or_default());
    }
    let (spans, told) = mine.collector.look(|taken| (taken.bodies.clone(), taken.spans.len()));
    assert!(told > 50, "{told} spans of a whole run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let places = [
        ("log lines", mine.process.errors()),
        ("events", text(&exported.stdout)),
        ("log's file", text(&files)),
        ("figures", figures),
        ("errors", mine.errors.join("\n")),
        ("spans", text(&spans)),
    ];
    assert!(places[0].1.contains("logged in") && places[1].1.contains("user.registered.v1"));
    assert!(mine.errors.len() >= 8, "{:?}", mine.errors);
    mine.secrets.sort_unstable();
    mine.secrets.dedup();
    mine.secrets.retain(|secret| !secret.is_empty());
    assert!(mine.secrets.len() > 20, "{}", mine.secrets.len());
    for (place, found) in &places {
        for secret in &mine.secrets {
            assert!(!found.contains(secret), "a secret is in the {place}: {secret}");
        }
        for personal in [SAID, "ada@example.org", "$2b$"] {
            assert!(!found.contains(personal), "{personal} is in the {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_is_one_hash_whoever_it_is_for() {
    let mut mine = Mine::dig().await;
    let admin = mine.bootstrap().await;
    let (ada, _) = mine.register("ada").await;
    let (_, bob_id) = mine.register("bob").await;
    mine.register("eve").await;
    mine.post(&format!("/users/{bob_id}/block"), &admin, &json!({ "reason": "test" })).await;
    let room = mine.post("/rooms", &ada, &json!({ "guests": true })).await.body;
    let path = format!("/rooms/{}/participants", room["room_code"].as_str().unwrap());
    let guest = mine.post(&path, "", &json!({ "display_name": "visitor" })).await;
    let guest = format!("guest-{}", guest.body["participant"]["rp_user_id"]);
    // Eve is locked out from the third on, bob is blocked.
    let wrong =
        ["ada", "nobody", "eve", "eve", "eve", "eve", "bob", guest.as_str(), "", ":", "x\0y"];
    for name in wrong {
        for path in ["/tokens", "/sessions"] {
            let before = mine.hashes().await;
            let body = json!({ "username": name, "password": WRONG });
            let answer = mine.post(path, "", &body).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
            assert_eq!(mine.hashes().await, before + 1, "{name} at {path}");
            assert!(answer.headers.get("set-cookie").is_none());
        }
    }
    for (name, status) in [("ada", 201), ("eve", 401), ("bob", 403)] {
        let before = mine.hashes().await;
        let body = json!({ "username": name, "password": PASSWORD });
        assert_eq!(mine.post("/tokens", "", &body).await.status.as_u16(), status, "{name}");
        assert_eq!(mine.hashes().await, before + 1, "{name}");
    }
}
