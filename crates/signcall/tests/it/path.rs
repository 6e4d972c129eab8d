//! The whole path, once for each set-up: register, meet, chat, sign, read back, replay.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::Client;
use crate::database::{rows, texts};
use crate::harness::{Setup, World, signcall};
use crate::signing::Signing;

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_path_in_one_process() {
    walk("path::the_whole_path_in_one_process", Setup::OneProcess).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_path_in_three_processes_on_nats() {
    walk("path::the_whole_path_in_three_processes_on_nats", Setup::ThreeOnNats).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_path_in_four_processes_on_nats_and_postgres() {
    let test = "path::the_whole_path_in_four_processes_on_nats_and_postgres";
    walk(test, Setup::FourOnNatsAndPostgres).await;
}

#[test]
fn the_demo_holds() {
    let demo = signcall().arg("demo").output().unwrap();
    let (out, errors) =
        (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{out}\n{errors}");
    assert!(out.contains("synthetic") && out.contains("All of it held"), "{out}");
}

async fn walk(test: &str, setup: Setup) {
    let Some(mut world) = World::start(test, setup).await else { return };
    let signing = Signing::get(test, world.folder());
    let (sam, rita, room) = meet(&world.url, "sam", "rita").await;
    let code = room["room_code"].as_str().unwrap();
    chat(&sam, &rita, code).await;
    let live = rita.live(code).await;
    play(&world.url, &sam, code, &signing).await;
    let partials = live.stop().await;
    let by_sam =
        |message: &&Value| message["type"] == "partial" && message["data"]["user_id"] == sam.id;
    assert!(
        partials.iter().any(|message| by_sam(&message)),
        "no partial caption came: {partials:?}"
    );
    check_transcript(&rita, code, sam.id, &signing.words).await;
    check_tables(&world, &sam, &rita, &room, &signing.words).await;
    let outsider = Client::register(&world.url, "olga").await;
    let (status, _) = outsider.get(&format!("/rooms/{code}/transcripts")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    check_replay(&world);
    // Rebuilt under the running server, which goes on with the new tables.
    let replayed = world.offline(&["replay"]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    check_transcript(&rita, code, sam.id, &signing.words).await;
    let (status, _) =
        rita.post(&format!("/rooms/{code}/messages"), json!({ "msg_content": "still here" })).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(rita.list(&format!("/rooms/{code}/messages")).await.len(), 3);
    check_replay(&world);
    world.stop();
}

/// Two users in a new room of the first; the second one types the code as people do.
pub(crate) async fn meet(url: &str, owner: &str, guest: &str) -> (Client, Client, Value) {
    let owner = Client::register(url, owner).await;
    let guest = Client::register(url, guest).await;
    let (status, room) = owner.post("/rooms", json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{room}");
    let code = room["room_code"].as_str().unwrap();
    let typed = format!("{}-{}-{}", &code[..3], &code[3..6], &code[6..]).to_lowercase();
    let (status, joined) = guest.post(&format!("/rooms/{typed}/participants"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{joined}");
    (owner, guest, room)
}

async fn chat(sam: &Client, rita: &Client, code: &str) {
    let messages = format!("/rooms/{code}/messages");
    for (who, text) in [(sam, "Hello, Rita!"), (rita, "Hello, Sam 👋")] {
        let (status, sent) = who.post(&messages, json!({ "msg_content": text })).await;
        assert_eq!(status, StatusCode::CREATED, "{sent}");
    }
}

/// Plays the clips at real pace; captions are switched on by `play` itself.
pub(crate) fn play(
    url: &str,
    who: &Client,
    code: &str,
    signing: &Signing,
) -> impl Future<Output = ()> + use<> {
    let mut play = signcall();
    play.arg("play").args(&signing.files).args(["--room", code, "--url", url]);
    play.env("SIGNCALL_TOKEN", &who.token);
    let played = tokio::task::spawn_blocking(move || play.output().unwrap());
    async move {
        let played = played.await.unwrap();
        assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    }
}

/// The words in order, all by one signer.
pub(crate) async fn check_transcript(reader: &Client, code: &str, signer: u64, words: &[&str]) {
    let transcript = reader.list(&format!("/rooms/{code}/transcripts")).await;
    let texts: Vec<_> = transcript.iter().map(|row| row["ts_content"].as_str().unwrap()).collect();
    assert_eq!(texts, words);
    for row in &transcript {
        assert_eq!(row["user_id"], signer);
        assert_eq!(row["revision"], 1);
        assert!(row["end_ms"].as_i64() > row["start_ms"].as_i64());
        assert!(row["model"].as_str().unwrap().starts_with("asl-basic"), "{row}");
    }
}

async fn check_tables(world: &World, sam: &Client, rita: &Client, room: &Value, words: &[&str]) {
    let (url, code) = (&world.database, room["room_code"].as_str().unwrap());
    let [room_id, sam_id, rita_id] =
        [room["id"].as_u64().unwrap(), sam.id, rita.id].map(|id| id.to_string());
    let rooms = texts(url, "SELECT CAST(id AS TEXT), room_code, CAST(owner_id AS TEXT) FROM room");
    assert_eq!(rooms.await, [[room_id.clone(), code.to_owned(), sam_id.clone()]]);
    let participants = texts(
        url,
        "SELECT CAST(rp_room_id AS TEXT), CAST(rp_user_id AS TEXT) FROM room_participant ORDER BY id",
    );
    let expected = [[room_id.clone(), sam_id.clone()], [room_id.clone(), rita_id.clone()]];
    assert_eq!(participants.await, expected);
    let messages = texts(
        url,
        "SELECT msg_content, CAST(user_id AS TEXT), CAST(room_id AS TEXT) FROM message ORDER BY id",
    );
    let message = |text: &str, user: &String| [text.to_owned(), user.clone(), room_id.clone()];
    let expected = [message("Hello, Rita!", &sam_id), message("Hello, Sam 👋", &rita_id)];
    assert_eq!(messages.await, expected);
    let transcript = texts(
        url,
        "SELECT ts_content, CAST(user_id AS TEXT), CAST(room_id AS TEXT) FROM transcript ORDER BY id",
    );
    let expected: Vec<_> = words.iter().map(|word| message(word, &sam_id)).collect();
    assert_eq!(transcript.await, expected);
    let users = rows(url, "SELECT username, email, password_hash FROM \"user\" ORDER BY id").await;
    assert_eq!(users[0][0].as_deref(), Some("sam"));
    assert_eq!(users[1][1].as_deref(), Some("rita@example.org"));
    assert!(users[0][2].as_ref().unwrap().starts_with("$2b$04$"));
    // The API says the same.
    let listed = rita.list(&format!("/rooms/{code}/messages")).await;
    let contents: Vec<_> = listed.iter().map(|row| row["msg_content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["Hello, Rita!", "Hello, Sam 👋"]);
    assert_eq!(rita.list(&format!("/rooms/{code}/participants")).await.len(), 2);
}

/// The tables equal a rebuild from the log, while the server runs.
pub(crate) fn check_replay(world: &World) {
    let replayed = world.offline(&["replay", "--verify", "--json"]);
    let (out, errors) =
        (String::from_utf8_lossy(&replayed.stdout), String::from_utf8_lossy(&replayed.stderr));
    assert_eq!(replayed.status.code(), Some(0), "{out}\n{errors}");
    let parked = world.offline(&["log", "parked", "list"]);
    assert!(parked.status.success() && parked.stdout.is_empty(), "{parked:?}");
}
