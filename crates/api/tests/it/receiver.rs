//! A receiver of webhooks, which checks what it gets: its signatures, and that it is documented.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::server::PATIENCE;

/// What a receiver got: headers and body.
type Received = (HeaderMap, Bytes);

/// Somebody who is told things.
pub(crate) struct Receiver {
    pub(crate) url: String,
    heard: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    /// Refuses the first `failures` with 500.
    pub(crate) async fn start(failures: usize) -> Self {
        Self::answering(vec![StatusCode::INTERNAL_SERVER_ERROR; failures]).await
    }

    /// Answers so, one after the other, and then 204.
    pub(crate) async fn answering(answers: Vec<StatusCode>) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let take = move |headers: HeaderMap, body: Bytes| async move {
            let answer = answers.lock().pop_front();
            let _ = tell.send((headers, body));
            answer.unwrap_or(StatusCode::NO_CONTENT)
        };
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, heard }
    }

    /// The next delivery, its signature checked: of this secret alone.
    pub(crate) async fn next(&mut self, secret: &str) -> (String, Value) {
        self.next_signed(&[secret]).await
    }

    /// The next delivery, its signatures checked: of these secrets, in this order.
    pub(crate) async fn next_signed(&mut self, secrets: &[&str]) -> (String, Value) {
        let heard = tokio::time::timeout(PATIENCE, self.heard.recv()).await.expect("in time");
        let (headers, body) = heard.unwrap();
        let header = |name| headers[name].to_str().unwrap();
        let expected: Vec<String> = secrets
            .iter()
            .map(|secret| {
                let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
                let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
                let signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
                mac.update(signed.as_bytes());
                mac.update(&body);
                format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
            })
            .collect();
        assert_eq!(header("webhook-signature"), expected.join(" "));
        crate::contract::check_delivery(&serde_json::from_slice(&body).unwrap());
        (header("webhook-id").to_owned(), serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn next_of(&mut self, secret: &str, kind: &str) -> Value {
        loop {
            let (_, told) = self.next(secret).await;
            if told["type"] == kind {
                return told;
            }
        }
    }

    pub(crate) fn has_more(&mut self) -> bool {
        self.heard.try_recv().is_ok()
    }
}
