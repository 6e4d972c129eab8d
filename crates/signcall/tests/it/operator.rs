//! What an operator looks at: the doctor's report, and the figures that Prometheus collects.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::collector::Collector;
use crate::harness::{Process, Setup, World, run};

/// What the doctor says of one thing.
fn verdict<'a>(report: &'a Value, what: &str) -> &'a str {
    let line = report.as_array().unwrap().iter().find(|line| line["what"] == what);
    line.unwrap_or_else(|| panic!("no word of {what} in {report}"))["verdict"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_running_server_well_and_a_lost_vault_bad() {
    let mut world = World::start("the doctor", Setup::OneProcess).await.unwrap();
    let register = json!({ "username": "ada", "email": "ada@example.org",
        "password": "a long enough password of ada" });
    let users = format!("{}/api/v1/users", world.url);
    let answer = reqwest::Client::new().post(users).json(&register).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let report = |output: std::process::Output| {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.success(), report)
    };
    let (well, found) = report(world.offline(&["doctor", "--json"]));
    assert!(well, "{found}");
    for what in ["configuration", "traces", "model", "secrets", "vault", "log", "clock", "tables"] {
        assert_eq!(verdict(&found, what), "good", "{what} in {found}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let there = ["doctor", "--json", "--log", &format!("nats://{nobody}")];
    let (well, found) = report(world.offline(&there));
    assert!(!well && verdict(&found, "log and vault") == "bad", "{found}");
    assert!(found.to_string().contains("no reason to restore"), "{found}");
    let nobody = format!("http://{nobody}");
    let (well, found) = report(world.offline(&["doctor", "--json", "--otlp-endpoint", &nobody]));
    assert!(well && verdict(&found, "traces") == "warning", "{found}");
    let collector = Collector::listen().await;
    let there = ["doctor", "--json", "--otlp-endpoint", &collector.url];
    let (well, found) = tokio::task::block_in_place(|| report(world.offline(&there)));
    assert!(well && verdict(&found, "traces") == "good", "{found}");
    world.stop();
    std::fs::remove_file(world.data().join("vault.db")).unwrap();
    let (well, found) = report(world.offline(&["doctor", "--json"]));
    assert!(!well && verdict(&found, "log and vault") == "bad", "{found}");
}

#[test]
fn the_doctor_of_an_empty_folder_says_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let examined = run(&["doctor", "--data", &data]);
    let out = String::from_utf8_lossy(&examined.stdout);
    assert!(!examined.status.success() && out.contains("signcall init"), "{out}");
    assert!(!folder.path().join("data").exists(), "the doctor changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let data = folder.path().join("data").display().to_string();
    let arguments = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--api", "bcrypt_cost=4"];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
    arguments.extend(["--metrics-listen".to_owned(), metrics.clone()]);
    let mut server = Process::start("all", arguments, folder.path());
    let url = server.wait_until_ready().unwrap();
    let client = reqwest::Client::new();
    let wrong = client.post(format!("{url}/api/v1/users")).json(&json!({})).send().await.unwrap();
    assert_eq!(wrong.status(), 422);
    let register = json!({ "username": "ada", "email": "ada@example.org",
        "password": "a long enough password of ada" });
    let made = client.post(format!("{url}/api/v1/users")).json(&register).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let page = client.get(format!("http://{metrics}/metrics")).send().await.unwrap();
    let page = page.text().await.unwrap();
    for line in [
        r#"signcall_http_requests_total{method="POST",route="/api/v1/users",status="201"} 1"#,
        r#"signcall_http_requests_total{method="POST",route="/api/v1/users",status="422"} 1"#,
        "signcall_http_problems_total{code=",
        r#"signcall_commands_total{outcome="accepted"} 1"#,
        "signcall_commits_total 1",
        "signcall_append_seconds_count 1",
        "signcall_follower_position 1",
        "signcall_process_resident_bytes",
        "signcall_recognizer_streams 0",
        "# HELP signcall_append_seconds Time until a block is durable",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
    assert!(!page.contains("ada"), "a name is in the metrics:\n{page}");
    assert!(server.terminate().success());
}
