//! What one request carries from its first layer to its last: its id, where it comes from, and
//! what its answer has to say besides the body.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use events::{Position, Timestamp};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// One request. Cheap to clone; lies in the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    /// The caller's span that asked for it.
    parent: Option<String>,
    client: IpAddr,
    https: bool,
    said: Mutex<Said>,
}

/// Of which trace a request is, as its `traceparent` header tells (W3C Trace Context, level 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    trace: String,
    parent: String,
}

impl Caller {
    /// What the header says, if it is one and well-formed.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut told = headers.get_all("traceparent").iter();
        let (Some(value), None) = (told.next(), told.next()) else { return None };
        let parts: Vec<&str> = value.to_str().ok()?.split('-').collect();
        let digits = |text: &str, len| {
            let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            text.len() == len && text.bytes().all(digit)
        };
        let id = |text: &str, len| digits(text, len) && text.bytes().any(|b| b != b'0');
        let [version, trace, parent, flags, more @ ..] = parts.as_slice() else { return None };
        // Later versions may say more after what this one says; 255 is none.
        let known = digits(version, 2) && *version != "ff" && (*version != "00" || more.is_empty());
        (known && id(trace, 32) && id(parent, 16) && digits(flags, 2))
            .then(|| Self { trace: (*trace).to_owned(), parent: (*parent).to_owned() })
    }
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
    pub(crate) fn new(client: IpAddr, https: bool, caller: Option<Caller>) -> Self {
        let own = uuid::Uuid::new_v4().simple().to_string();
        let (id, parent) = match caller {
            // A trace may ask many times: the second half tells its requests apart.
            Some(Caller { trace, parent }) => (format!("{trace}-{}", &own[..16]), Some(parent)),
            None => (own, None),
        };
        Self(Arc::new(Inner { id, parent, client, https, said: Mutex::default() }))
    }

    /// Names the request in answers and in the log.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// The span that the caller made for this request, 16 hexadecimal digits, if they told it.
    pub(crate) fn parent(&self) -> Option<&str> {
        self.0.parent.as_deref()
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

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn caller(values: &[&str]) -> Option<Caller> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", value.parse().unwrap());
        }
        Caller::of(&headers)
    }

    #[test]
    fn a_callers_trace_is_taken_if_it_is_one() {
        let good = format!("00-{TRACE}-b7ad6b7169203331-01");
        let later = format!("01-{TRACE}-b7ad6b7169203331-00-what.ever");
        for told in [&good, &later] {
            let caller = caller(&[told]).unwrap();
            assert_eq!(
                (caller.trace.as_str(), caller.parent.as_str()),
                (TRACE, "b7ad6b7169203331")
            );
        }
        let wrong = [
            String::new(),
            TRACE.to_owned(),
            format!("{good}-more"),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{TRACE}-b7ad6b716920333-01"),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-0x"),
        ];
        for told in &wrong {
            assert_eq!(caller(&[told]), None, "{told}");
        }
        assert_eq!(caller(&[&good, &good]), None);
        assert_eq!(caller(&[]), None);
    }

    #[test]
    fn requests_of_one_trace_have_names_of_their_own() {
        let context = || {
            let caller = caller(&[&format!("00-{TRACE}-b7ad6b7169203331-01")]);
            Context::new(IpAddr::from([127, 0, 0, 1]), false, caller)
        };
        let (first, second) = (context(), context());
        for one in [&first, &second] {
            assert!(one.id().starts_with(TRACE) && one.id().len() == 49, "{}", one.id());
            assert_eq!(one.parent(), Some("b7ad6b7169203331"));
        }
        assert_ne!(first.id(), second.id());
        let own = Context::new(IpAddr::from([127, 0, 0, 1]), false, None);
        assert_eq!((own.id().len(), own.parent()), (32, None));
    }
}
