//! A listener that takes nothing is cut off, and nobody else notices.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::server::{Server, unthrottled};

/// Messages of the most bytes that a message may have: far more than the kernel buffers.
const MESSAGES: usize = 800;
/// Characters of a message, four bytes each.
const LENGTH: usize = 4000;
/// The server waits 10 s before it calls a reader too slow.
const CUT_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_cut_off_and_the_others_miss_nothing() {
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
        "GET /api/v1/rooms/{code}/live HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address,
        eve.token.as_deref().unwrap(),
    );
    lazy.write_all(upgrade.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    lazy.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    let mut listener = bob.socket(&code, "").await.unwrap();
    let listening = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            listener.next_of("message").await;
        }
    });
    let text = "😀".repeat(LENGTH);
    for _ in 0..MESSAGES {
        ada.say(&code, &text).await.expect(201);
    }
    listening.await.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mut rest = Vec::new();
    // A connection that is reset is as closed as one that ends.
    let _ended = timeout(CUT_WITHIN, lazy.read_to_end(&mut rest)).await.expect("it was cut off");
    let (got, sent) = (rest.len(), MESSAGES * LENGTH * 4);
    assert!(got < sent, "{got} of {sent} bytes were buffered for a reader that read nothing");
    ada.say(&code, "still here").await.expect(201);
}
