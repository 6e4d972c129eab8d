//! A client that keeps nothing from the test: every status, every body, every live message.

use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// One user of a server, or nobody.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    pub(crate) token: String,
    pub(crate) id: u64,
}

/// A status and a body; null where there is none.
pub(crate) type Answer = (StatusCode, Value);

impl Client {
    pub(crate) fn anonymous(url: &str) -> Self {
        let http = reqwest::Client::new();
        Self { http, url: format!("{url}/api/v1"), token: String::new(), id: 0 }
    }

    /// Registers a user.
    pub(crate) async fn register(url: &str, username: &str) -> Self {
        let mut client = Self::anonymous(url);
        let email = format!("{username}@example.org");
        let body =
            json!({ "username": username, "email": email, "password": "violet tandem quarry 19" });
        let (status, answer) = client.post("/users", body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["token"].as_str().unwrap().clone_into(&mut client.token);
        client.id = answer["user"]["id"].as_u64().unwrap();
        client
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    pub(crate) async fn try_send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> reqwest::Result<Answer> {
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// Bytes of a format, such as frames.
    pub(crate) async fn post_bytes(&self, path: &str, format: &str, bytes: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", format);
        self.send(request.body(bytes)).await
    }

    /// All rows of a list.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let (status, answer) = self.get(&format!("{path}?limit=100")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["data"].as_array().unwrap().clone()
    }

    /// The text of every message of a room, page after page.
    pub(crate) async fn all_messages(&self, code: &str) -> Vec<String> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/rooms/{code}/messages?limit=100{after}");
            let (status, page) = self.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let text = |row: &Value| row["msg_content"].as_str().unwrap().to_owned();
            all.extend(page["data"].as_array().unwrap().iter().map(text));
            let Some(cursor) = page["next_cursor"].as_str() else { return all };
            after = format!("&after={cursor}");
        }
    }

    /// Listens to a room's live messages from now on.
    pub(crate) async fn live(&self, code: &str) -> Live {
        let url = format!("{}/rooms/{code}/live", self.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let (mut socket, _) = connect_async(request).await.unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let listening = tokio::spawn(async move {
            let mut heard = Vec::new();
            loop {
                let message = tokio::select! {
                    message = socket.next() => message,
                    _ = &mut stopped => return heard,
                };
                match message {
                    Some(Ok(Message::Text(text))) => {
                        heard.push(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return heard,
                }
            }
        });
        Live { stop, listening }
    }
}

/// An open socket, and what came over it.
pub(crate) struct Live {
    stop: oneshot::Sender<()>,
    listening: JoinHandle<Vec<Value>>,
}

impl Live {
    /// Everything that was heard.
    pub(crate) async fn stop(self) -> Vec<Value> {
        let _ = self.stop.send(());
        self.listening.await.unwrap()
    }
}
