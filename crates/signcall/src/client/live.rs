//! The live messages of a room, over WebSocket.

use anyhow::{Context, Result, anyhow, bail};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::Client;

/// An open socket.
pub(crate) struct Live(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What `play` and `demo` look for among the messages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LiveEvent {
    /// A caption that may still change.
    Partial {
        /// Who signs.
        user: u64,
        /// So far.
        text: String,
    },
    /// A caption that is kept.
    Final {
        /// Who signed.
        user: Option<u64>,
        /// What.
        text: String,
    },
    /// A chat message.
    Message(String),
    /// Anything else.
    Other,
}

impl Client {
    /// Opens the room's live messages.
    pub(crate) async fn live(&self, room: &str) -> Result<Live> {
        let base = self.base.replacen("http", "ws", 1);
        let mut request = format!("{base}/rooms/{room}/live").into_client_request()?;
        let token = self.token.as_ref().ok_or_else(|| anyhow!("no token"))?;
        let bearer = http::HeaderValue::from_str(&format!("Bearer {token}"))?;
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        if let Some(host) = &self.host {
            request.headers_mut().insert(http::header::HOST, host.parse()?);
        }
        let (socket, _) = connect_async(request).await.context("no live connection to the room")?;
        Ok(Live(socket))
    }
}

impl Live {
    /// The next message.
    pub(crate) async fn next(&mut self) -> Result<LiveEvent> {
        loop {
            match self.0.next().await.transpose().context("the live connection broke")? {
                Some(Message::Text(text)) => return Ok(event(&serde_json::from_str(&text)?)),
                Some(Message::Close(frame)) => {
                    let reason = frame.map(|f| format!("{} {}", f.code, f.reason));
                    bail!("the server closed the live connection: {}", reason.unwrap_or_default());
                }
                Some(
                    Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
                ) => {}
                None => bail!("the live connection ended"),
            }
        }
    }
}

fn event(message: &Value) -> LiveEvent {
    let data = &message["data"];
    let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
    match message["type"].as_str().unwrap_or_default() {
        "partial" => LiveEvent::Partial {
            user: data["user_id"].as_u64().unwrap_or_default(),
            text: text("text"),
        },
        "transcript" => {
            LiveEvent::Final { user: data["user_id"].as_u64(), text: text("ts_content") }
        }
        "message" => LiveEvent::Message(text("msg_content")),
        _ => LiveEvent::Other,
    }
}
