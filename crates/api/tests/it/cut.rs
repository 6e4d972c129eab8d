//! An API process that is cut off from the log answers nobody: it can't know who was blocked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use events::{Block, BlockNumber, Head, LogId};
use futures::future::BoxFuture;
use streams::Log;
use streams::log::{AppendError, Backend, LogError};
use tokio::sync::watch;

use crate::server::{Server, until};

/// A way to the log that can be cut.
struct Cut {
    log: Log,
    cut: Arc<AtomicBool>,
}

impl Cut {
    fn check(&self) -> Result<(), LogError> {
        if self.cut.load(Ordering::SeqCst) {
            let source = Box::new(io::Error::other("cut"));
            return Err(LogError::Unreachable { place: "the test".to_owned(), source });
        }
        Ok(())
    }
}

impl Backend for Cut {
    fn kind(&self) -> &'static str {
        self.log.kind()
    }

    fn id(&self) -> LogId {
        self.log.id()
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LogError>> {
        Box::pin(async move {
            self.check()?;
            self.log.head().await
        })
    }

    fn append(&self, block: Arc<Block>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            self.check()?;
            self.log.append(block).await
        })
    }

    fn read(&self, after: Head, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Block>, LogError>> {
        Box::pin(async move {
            self.check()?;
            self.log.read(after, max_bytes).await
        })
    }

    fn block(&self, number: BlockNumber) -> BoxFuture<'_, Result<Option<Block>, LogError>> {
        Box::pin(async move {
            self.check()?;
            self.log.block(number).await
        })
    }

    fn appended(&self) -> watch::Receiver<BlockNumber> {
        self.log.appended()
    }
}

#[tokio::test]
async fn a_process_cut_off_from_the_log_fails_closed_and_comes_back() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let code = ada.room().await;
    let cut = Arc::new(AtomicBool::new(false));
    let way = Cut { log: server.log.clone(), cut: Arc::clone(&cut) };
    let mut apart = ada.clone();
    apart.address = server.serve_on(Log::new(way)).await;
    let mut socket = apart.socket(&code, "").await.unwrap();
    socket.next_of("ready").await;
    let mut events = apart.events(&code, "").await;
    events.next_of("ready").await;
    apart.get("/users/me").await.expect(200);
    cut.store(true, Ordering::SeqCst);
    let began = Instant::now();
    assert_eq!(socket.close_code().await, 4503);
    let (_, last) = events.next_of("close").await;
    assert_eq!((&last["data"]["code"], &last["data"]["reconnect"]), (&4503.into(), &true.into()));
    // 3 s without the log, and up to a second until every listener was looked at.
    assert!(began.elapsed() < Duration::from_millis(4500), "{:?}", began.elapsed());
    apart.get("/users/me").await.refused(503, "log_unreachable");
    apart.get("/livez").await.expect(204);
    let ready = apart.request(reqwest::Method::GET, "/readyz").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("log"));
    // The others go on.
    ada.get("/users/me").await.expect(200);
    cut.store(false, Ordering::SeqCst);
    until("it is back", async || apart.get("/users/me").await.status == 200).await;
}
