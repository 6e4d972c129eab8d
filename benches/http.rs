//! One HTTP connection at a time, so that a load knows how many it has.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for a connection or an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What is asked: a body is JSON.
pub type Asking = Request<Full<Bytes>>;

/// A connection that is kept open.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(ANSWER_WITHIN, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Asks, and reads the whole answer.
    pub async fn send(&mut self, request: Asking) -> anyhow::Result<(StatusCode, Bytes)> {
        self.send_within(request, ANSWER_WITHIN).await
    }

    /// As [`Self::send`], with another patience.
    pub async fn send_within(
        &mut self,
        request: Asking,
        patience: Duration,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let (parts, body) = self.ask(request, patience).await?.into_parts();
        Ok((parts.status, body))
    }

    /// As [`Self::send_within`], with the answer's headers.
    pub async fn ask(
        &mut self,
        request: Asking,
        patience: Duration,
    ) -> anyhow::Result<Response<Bytes>> {
        let asking = async {
            self.0.ready().await?;
            let (parts, body) = self.0.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            anyhow::Ok(Response::from_parts(parts, body))
        };
        timeout(patience, asking).await.context("no answer in time")?
    }

    /// Asks, expects this status, and reads the answer's JSON.
    pub async fn expect(&mut self, request: Asking, status: StatusCode) -> anyhow::Result<Value> {
        let what = format!("{} {}", request.method(), request.uri());
        let (found, body) = self.send(request).await?;
        let text = String::from_utf8_lossy(&body);
        anyhow::ensure!(found == status, "{what} answered {found}, expected {status}: {text}");
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

/// A request below `/api/v1`, by the holder of `token` (nobody, if empty).
///
/// # Panics
/// When the path or the token can't stand in a request.
pub fn request(method: Method, path: &str, token: &str, body: Option<&Value>) -> Asking {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header(header::HOST, "signcall");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let bytes = body.map_or_else(Bytes::new, |body| {
        Bytes::from(serde_json::to_vec(body).expect("JSON can be written"))
    });
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(Full::new(bytes)).expect("the request is well formed")
}
