//! A listener that takes nothing is cut off, is told why should it read on after all, and nobody else
//! notices.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::server::{Server, unthrottled};

/// Characters of a message, four bytes each: the most that one may have.
const LENGTH: usize = 4000;
const LAST: &str = "still here";
/// The server waits 10 s before it calls a reader too slow, once the kernel buffers no more for it.
const CUT_WITHIN: Duration = Duration::from_mins(1);
/// A close frame: 4429, and why.
const TOO_SLOW: &[u8] = b"\x88\x0a\x11\x4dtoo_slow";

/// The last words of an event stream, which then ends.
const LAST_EVENT: &[u8] = b"\"reason\":\"too_slow\",\"reconnect\":true";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_cut_off_and_the_others_miss_nothing() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let rest = cut_off("live", upgrade, b"HTTP/1.1 101").await;
    assert!(rest.ends_with(TOO_SLOW), "it was told nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_of_an_event_stream_is_cut_off_too() {
    let rest = cut_off("events", "", b"HTTP/1.1 200").await;
    let told = rest.windows(LAST_EVENT.len()).any(|words| words == LAST_EVENT);
    assert!(told, "it was told nothing");
}

/// Lets somebody open a stream and read nothing until it is cut off; what they get after all.
async fn cut_off(route: &str, headers: &str, status: &[u8; 12]) -> Vec<u8> {
    let server = Server::with(unthrottled()).await;
    let (ada, bob, eve) =
        (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    let code = ada.room().await;
    for client in [&bob, &eve] {
        client.join(&code).await.expect(201);
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut lazy = socket.connect(server.address).await.unwrap();
    let upgrade = format!(
        "GET /api/v1/rooms/{code}/{route} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         {headers}\r\n",
        server.address,
        eve.token.as_deref().unwrap(),
    );
    lazy.write_all(upgrade.as_bytes()).await.unwrap();
    let mut answered = [0; 12];
    lazy.read_exact(&mut answered).await.unwrap();
    assert_eq!(&answered, status);
    let mut listener = bob.socket(&code, "").await.unwrap();
    let listening = tokio::spawn(async move {
        let mut heard = 0;
        while listener.next_of("message").await["data"]["msg_content"] != LAST {
            heard += 1;
        }
        heard
    });
    let (text, eves, mut said) = ("😀".repeat(LENGTH), json!(eve.id().await), 0);
    let presence = format!("/rooms/{code}/presence");
    let began = Instant::now();
    loop {
        let there = ada.get(&presence).await.expect(200);
        let there = there["data"].as_array().unwrap().iter();
        if there.clone().any(|one| one["user_id"] == eves && one["online"] == false) {
            break;
        }
        assert!(began.elapsed() < CUT_WITHIN, "it was not cut off after {said} messages");
        ada.say(&code, &text).await.expect(201);
        said += 1;
    }
    ada.say(&code, LAST).await.expect(201);
    assert_eq!(listening.await.unwrap(), said);
    let mut rest = Vec::new();
    // A connection that is reset is as closed as one that ends.
    let _ended = timeout(CUT_WITHIN, lazy.read_to_end(&mut rest)).await.expect("it was closed");
    let (got, sent) = (rest.len(), said * LENGTH * 4);
    assert!(got < sent, "{got} of {sent} bytes were buffered for a reader that read nothing");
    rest
}
