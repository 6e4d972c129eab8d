//! What one request carries from its first layer to its last: its id, where it comes from, and
//! what its answer has to say besides the body.

use std::net::IpAddr;
use std::sync::Arc;

use events::{Position, Timestamp};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// One request. Cheap to clone; lies in the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    client: IpAddr,
    https: bool,
    said: Mutex<Said>,
}

/// What the answer's headers say.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    /// When the token that was used expires.
    pub(crate) expires_at: Option<Timestamp>,
    /// The position of the commit that the command made.
    pub(crate) position: Option<Position>,
}

/// Where a connection comes from; the accept loop puts it into every request.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The other end of the socket.
    pub(crate) address: IpAddr,
    /// The socket is TLS.
    pub(crate) https: bool,
    /// Cuts the connection.
    pub(crate) hang_up: CancellationToken,
}

impl Context {
    pub(crate) fn new(client: IpAddr, https: bool) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self(Arc::new(Inner { id, client, https, said: Mutex::default() }))
    }

    /// Names the request in answers and in the log.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// The client's address, as far as trusted proxies tell it.
    pub(crate) fn client(&self) -> IpAddr {
        self.0.client
    }

    /// Whether the client spoke TLS, here or to a trusted proxy.
    pub(crate) fn https(&self) -> bool {
        self.0.https
    }

    /// The answer will say when the token expires.
    pub(crate) fn say_expiry(&self, at: Timestamp) {
        self.0.said.lock().expires_at = Some(at);
    }

    /// The answer will say where the command's commit lies.
    pub(crate) fn say_position(&self, position: Position) {
        self.0.said.lock().position = Some(position);
    }

    /// What was said so far.
    pub(crate) fn said(&self) -> Said {
        *self.0.said.lock()
    }
}
