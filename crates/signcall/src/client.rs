//! A client of the HTTP interface, for `play` and `demo`: what any other client would do, with
//! nothing but the published routes.

mod live;
mod sender;
mod tunnel;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) use live::{Live, LiveEvent};
pub(crate) use sender::{Pace, send};
pub(crate) use tunnel::tls_connector;

/// An answer takes at most this long.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest page of a list.
const PAGE: u32 = 100;

/// Talks to one server, as one user or as nobody yet.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    /// What the server is called, where that is not in the address.
    host: Option<String>,
    token: Option<String>,
}

/// An error that the server answered with.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("the server answers {status} {code}: {detail}")]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The stable code.
    pub(crate) code: String,
    /// For people.
    #[serde(default)]
    pub(crate) detail: String,
    /// Seconds to wait, where the server says so.
    #[serde(skip)]
    pub(crate) retry_after: Option<Duration>,
    /// The frame that should come next, where another came.
    #[serde(default)]
    pub(crate) expected_seq: Option<u64>,
}

/// Who registered, and the key to what they may do.
#[derive(Debug, Deserialize)]
pub(crate) struct Login {
    /// The row.
    pub(crate) user: User,
    /// Shown once.
    pub(crate) token: String,
}

/// As much of a user as is needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct User {
    /// The row's id.
    pub(crate) id: u64,
}

/// As much of a room as is needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct Room {
    /// What people type.
    pub(crate) room_code: String,
}

/// A line of the transcript.
#[derive(Debug, Deserialize)]
pub(crate) struct Transcript {
    /// What was signed.
    pub(crate) ts_content: Option<String>,
    /// Who signed.
    pub(crate) user_id: Option<u64>,
}

/// What the server says of a batch of frames.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Accepted {
    /// Frames before this one need not be kept.
    pub(crate) done_seq: u64,
}

impl Client {
    /// A client of the server at `url`, `http://…` or `https://…`.
    pub(crate) async fn connect(url: &str, token: Option<String>) -> Result<Self> {
        let Some(authority) = url.trim_end_matches('/').strip_prefix("https://") else {
            return Self::new(url, token);
        };
        if authority.is_empty() || authority.contains(['/', '@', '?']) {
            bail!("{url:?} is not an address of the form https://HOST[:PORT]");
        }
        let door = tunnel::open(authority).await?;
        Ok(Self {
            host: Some(authority.to_owned()),
            ..Self::new(&format!("http://{door}"), token)?
        })
    }

    /// A client of the server at `url`, such as `http://127.0.0.1:8080`.
    pub(crate) fn new(url: &str, token: Option<String>) -> Result<Self> {
        let url = url.trim_end_matches('/');
        if !url.starts_with("http://") {
            bail!("{url:?} is not an address of the form http://HOST:PORT");
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).build().context("no HTTP client")?;
        Ok(Self { http, base: format!("{url}/api/v1"), host: None, token })
    }

    /// The same server, as another user.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) async fn register(&self, username: &str, password: &str) -> Result<Login> {
        let email = format!("{username}@example.org");
        let body = json!({ "username": username, "email": email, "password": password });
        self.json(Method::POST, "/users", Some(body)).await
    }

    pub(crate) async fn create_room(&self) -> Result<Room> {
        self.json(Method::POST, "/rooms", Some(json!({}))).await
    }

    pub(crate) async fn join(&self, room: &str) -> Result<()> {
        self.call(Method::POST, &format!("/rooms/{room}/participants"), Some(json!({}))).await?;
        Ok(())
    }

    pub(crate) async fn say(&self, room: &str, text: &str) -> Result<()> {
        let body = json!({ "msg_content": text });
        self.call(Method::POST, &format!("/rooms/{room}/messages"), Some(body)).await?;
        Ok(())
    }

    /// Switches the recognition of one's own signing on.
    pub(crate) async fn consent(&self, room: &str) -> Result<()> {
        let body = json!({ "consent": true });
        self.call(Method::PUT, &format!("/rooms/{room}/captions/me"), Some(body)).await?;
        Ok(())
    }

    /// The texts of the room's messages, oldest first.
    pub(crate) async fn messages(&self, room: &str) -> Result<Vec<String>> {
        let path = format!("/rooms/{room}/messages?limit={PAGE}");
        let page: Page<Value> = self.json(Method::GET, &path, None).await?;
        let text = |row: &Value| row["msg_content"].as_str().unwrap_or_default().to_owned();
        Ok(page.data.iter().map(text).collect())
    }

    /// The room's transcript, oldest first.
    pub(crate) async fn transcripts(&self, room: &str) -> Result<Vec<Transcript>> {
        let path = format!("/rooms/{room}/transcripts?limit={PAGE}");
        let page: Page<Transcript> = self.json(Method::GET, &path, None).await?;
        Ok(page.data)
    }

    /// Sends one batch of the live wire.
    pub(crate) async fn frames(
        &self,
        room: &str,
        stream: &str,
        batch: Vec<u8>,
    ) -> Result<Accepted> {
        let path = format!("/rooms/{room}/frames?stream={stream}");
        let request = self
            .request(Method::POST, &path)
            .header(header::CONTENT_TYPE, "application/vnd.signcall.landmarks")
            .body(batch);
        read(request).await
    }

    /// Says that nothing more comes for now.
    pub(crate) async fn end_frames(&self, room: &str, stream: &str) -> Result<Accepted> {
        let path = format!("/rooms/{room}/frames/end?stream={stream}");
        self.json(Method::POST, &path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<()> {
        let request = self.request(method, path);
        checked(if let Some(body) = body { request.json(&body) } else { request }).await?;
        Ok(())
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T> {
        let request = self.request(method, path);
        read(if let Some(body) = body { request.json(&body) } else { request }).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(host) = &self.host {
            request = request.header(header::HOST, host);
        }
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
}

async fn read<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T> {
    checked(request).await?.json().await.context("the server's answer is not what was expected")
}

/// The answer, if it is a good one; else a [`Problem`].
async fn checked(request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
    let answer = request.send().await.context("the server does not answer")?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let seconds = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = seconds.and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let fallback = |status: StatusCode| Problem {
        status: status.as_u16(),
        code: "unknown".to_owned(),
        detail: String::new(),
        retry_after: None,
        expected_seq: None,
    };
    let problem = answer.json().await.unwrap_or_else(|_| fallback(status));
    Err(Problem { retry_after, ..problem }.into())
}
