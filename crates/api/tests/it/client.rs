//! A client: requests, sockets, event streams.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::server::PATIENCE;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    pub(crate) http: reqwest::Client,
    pub(crate) headers: HeaderMap,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is this.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if !self.status.is_success() {
            assert_eq!(self.header("content-type"), "application/problem+json");
            assert_eq!(self.body["status"], status);
            assert_eq!(self.body["request_id"], self.header("x-request-id"));
        }
        self.body
    }

    /// That the answer is this problem.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr, token: Option<String>) -> Self {
        let http = reqwest::Client::new();
        Self { address, token, http, headers: HeaderMap::new() }
    }

    #[must_use]
    pub(crate) fn header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        client.headers.insert(name, value);
        client
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let base =
            if path.starts_with("/livez") || path.starts_with("/readyz") { "" } else { "/api/v1" };
        let url = format!("http://{}{base}{path}", self.address);
        let request = self.http.request(method, url).headers(self.headers.clone());
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.http.execute(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let media_type = headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        crate::contract::check(&method, &path, status, media_type, &body);
        Answer { status, headers, text, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn register(&self, name: &str) -> Answer {
        let email = format!("{name}@example.org");
        let body = json!({ "username": name, "email": email, "password": PASSWORD });
        self.post("/users", &body).await
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Answer {
        self.post("/tokens", &json!({ "username": name, "password": password })).await
    }

    pub(crate) async fn id(&self) -> u64 {
        self.get("/users/me").await.expect(200)["id"].as_u64().unwrap()
    }

    /// A new room's code.
    pub(crate) async fn room(&self) -> String {
        let room = self.post("/rooms", &json!({})).await.expect(201);
        room["room_code"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn join(&self, code: &str) -> Answer {
        self.post(&format!("/rooms/{code}/participants"), &json!({})).await
    }

    pub(crate) async fn say(&self, code: &str, text: &str) -> Answer {
        self.post(&format!("/rooms/{code}/messages"), &json!({ "msg_content": text })).await
    }

    /// Opens a WebSocket; the query begins with `?` unless empty.
    pub(crate) async fn socket(
        &self,
        code: &str,
        query: &str,
    ) -> Result<Socket, tungstenite::Error> {
        let url = format!("ws://{}/api/v1/rooms/{code}/live{query}", self.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", bearer);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Socket(socket))
    }

    /// Opens an event stream.
    pub(crate) async fn events(&self, code: &str, query: &str) -> Events {
        let request = self.request(Method::GET, &format!("/rooms/{code}/events{query}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Events { response, buffer: String::new() }
    }

    /// Opens an event stream of a server that may be down.
    pub(crate) async fn try_events(&self, code: &str) -> Option<Events> {
        let request = self.request(Method::GET, &format!("/rooms/{code}/events"));
        let response = request.send().await.ok().filter(|response| response.status() == 200)?;
        Some(Events { response, buffer: String::new() })
    }
}

pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The next message, or the close code.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let message = serde_json::from_str(&text).unwrap();
                    crate::contract::check_live(&message);
                    return Ok(message);
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(0, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// The next message of this type; others are skipped.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        self.next_of_but(kind, "").await
    }

    /// The next message of this type; none of the other may come before it.
    pub(crate) async fn next_of_but(&mut self, kind: &str, never: &str) -> Value {
        loop {
            let message = self.next().await.unwrap_or_else(|code| panic!("closed: {code}"));
            assert_ne!(message["type"], never, "{message}");
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The code with which the socket is closed; messages are skipped.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.0.send(Message::binary(bytes)).await.unwrap();
    }
}

pub(crate) struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    /// The next event's id and data; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(Option<u64>, Value)> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let event: String = self.buffer.drain(..end + 2).collect();
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|value| value.trim().to_owned())
                };
                if let Some(data) = field("data:") {
                    let id = field("id:").map(|id| id.parse().unwrap());
                    let message = serde_json::from_str(&data).unwrap();
                    crate::contract::check_live(&message);
                    return Some((id, message));
                }
                continue;
            }
            let chunk =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("in time");
            match chunk {
                Ok(Some(bytes)) => self.buffer.push_str(std::str::from_utf8(&bytes).unwrap()),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    pub(crate) async fn next_of(&mut self, kind: &str) -> (Option<u64>, Value) {
        loop {
            let (id, data) = self.next().await.expect("the stream goes on");
            if data["type"] == kind {
                return (id, data);
            }
        }
    }
}
