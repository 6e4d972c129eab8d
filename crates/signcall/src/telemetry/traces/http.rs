//! The way to the collector: one connection for each batch, which comes every second or two;
//! without redirects or proxies, in bounded time, reading a bounded answer.

use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use crate::client::tls_connector;
use crate::config::Otlp;

/// One batch may take this long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer; more of it is an error.
const ANSWER_MAX: usize = 64 * 1024;

/// What a collector answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Posts to one collector.
pub(super) struct Client {
    otlp: Otlp,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Client {
    /// Does not connect yet.
    pub(super) fn new(otlp: &Otlp) -> Result<Self> {
        let host = otlp.url.host().context("the collector has no name")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = otlp.url.scheme_str() == Some("https");
        let tls = if secure {
            let name = ServerName::try_from(host.clone());
            Some((tls_connector()?, name.with_context(|| format!("{host:?} is no name"))?))
        } else {
            None
        };
        let port = otlp.url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { otlp: otlp.clone(), host, port, tls })
    }

    /// Where it posts to.
    pub(super) fn url(&self) -> &hyper::Uri {
        &self.otlp.url
    }

    /// Posts one message.
    pub(super) async fn post(&self, body: Vec<u8>) -> Result<Answer> {
        let posted = tokio::time::timeout(TIMEOUT, self.post_now(body)).await;
        posted.with_context(|| format!("no answer within {} s", TIMEOUT.as_secs()))?
    }

    async fn post_now(&self, body: Vec<u8>) -> Result<Answer> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.context("no connection")?;
        let authority = self.otlp.url.authority().map_or(self.host.as_str(), |all| all.as_str());
        let mut request = Request::post(self.otlp.url.path())
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("signcall/", env!("CARGO_PKG_VERSION")))
            // Also where it is 0, which hyper leaves out and some servers want to hear.
            .header(CONTENT_LENGTH, body.len())
            .body(Full::new(Bytes::from(body)))?;
        for (name, value) in &self.otlp.headers {
            request.headers_mut().insert(name, value.clone());
        }
        match &self.tls {
            None => exchange(stream, request).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                exchange(stream.context("TLS")?, request).await
            }
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed).context("the answer can't be read")?;
    Ok(Answer { status, body: body.to_bytes() })
}
