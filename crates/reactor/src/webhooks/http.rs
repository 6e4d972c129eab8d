//! Sending one delivery: to the addresses that were looked up and found allowed, and to no other;
//! without redirects or proxies, in bounded time, reading a bounded answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// A whole delivery takes at most this long.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer's body that are read; what comes after is not waited for.
const ANSWER_MAX: usize = 64 * 1024;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Where deliveries may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Targets {
    /// Also to addresses that only this machine or network can reach.
    pub private: bool,
    /// Also without TLS.
    pub http: bool,
}

/// Why a delivery did not arrive, for a person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the address is not one of the form https://HOST/PATH")]
    Address,
    #[error("the address is not https, which the server's operator asks for")]
    NotHttps,
    #[error("the address belongs to a private network, where this server sends nothing")]
    Private,
    #[error("the name can't be looked up: {0}")]
    Unknown(std::io::Error),
    #[error("no connection: {0}")]
    Unreachable(std::io::Error),
    #[error("the receiver speaks no HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer within {} seconds", TIMEOUT.as_secs())]
    Slow,
}

/// What is sent besides the body.
pub(crate) struct Head<'a> {
    pub(crate) id: &'a str,
    pub(crate) timestamp: i64,
    pub(crate) signature: &'a str,
}

/// Sends deliveries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    targets: Targets,
    tls: TlsConnector,
}

impl Client {
    /// Trusts the machine's certificate authorities, and Mozilla's.
    pub(crate) fn new(targets: Targets) -> Result<Self, tokio_rustls::rustls::Error> {
        let mut roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<RootCertStore>();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { targets, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// The status of the receiver's answer.
    pub(crate) async fn send(
        &self,
        url: &str,
        head: Head<'_>,
        body: Vec<u8>,
    ) -> Result<u16, Failed> {
        let sent = tokio::time::timeout(TIMEOUT, self.send_now(url, head, body));
        sent.await.unwrap_or(Err(Failed::Slow))
    }

    async fn send_now(&self, url: &str, head: Head<'_>, body: Vec<u8>) -> Result<u16, Failed> {
        let uri: Uri = url.parse().map_err(|_| Failed::Address)?;
        let host = uri.host().ok_or(Failed::Address)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if self.targets.http => false,
            Some("http") => return Err(Failed::NotHttps),
            Some(_) | None => return Err(Failed::Address),
        };
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let stream = self.connect(host, port).await?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or(host, |authority| authority.as_str());
        let request = Request::post(path)
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "signcall-webhooks/1")
            .header("webhook-id", head.id)
            .header("webhook-timestamp", head.timestamp)
            .header("webhook-signature", head.signature)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failed::Address)?;
        if !tls {
            return exchange(stream, request).await;
        }
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| Failed::Address)?;
        let stream = self.tls.connect(name, stream).await.map_err(Failed::Unreachable)?;
        exchange(stream, request).await
    }

    /// Connects to what the name means now, if that is allowed: looked up once, so that a second
    /// look can't give another answer.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Failed> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host((name, port)).await.map_err(Failed::Unknown)?.collect();
        let allowed = |address: &&SocketAddr| self.targets.private || is_public(address.ip());
        let mut failed = Failed::Private;
        for address in found.iter().filter(allowed).take(ADDRESSES_MAX) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = Failed::Unreachable(error),
            }
        }
        Err(failed)
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<u16, Failed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let talk = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let (mut body, mut read) = (answer.into_body(), 0);
        while let Some(frame) = body.frame().await {
            read += frame?.data_ref().map_or(0, Bytes::len);
            if read > ANSWER_MAX {
                break;
            }
        }
        Ok(status)
    };
    tokio::pin!(talk);
    tokio::select! {
        status = &mut talk => status,
        // The connection ended first: what it brought is there, or the error.
        ended = connection => match ended {
            Ok(()) => talk.await,
            Err(error) => Err(error.into()),
        },
    }
}

/// Whether an address is one of the open Internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded =
        |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (a, b) {
        // IPv4 in IPv6, and through a translator or a tunnel.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => embedded(g, h),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => embedded(g, h),
        (0x2002, _) => embedded(b, c),
        // Teredo and other protocols' own, and documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // The open Internet is 2000::/3.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn what_is_not_allowed_is_refused_before_anything_is_sent() {
        let head = || Head { id: "x", timestamp: 1, signature: "v1,x" };
        let client = Client::new(Targets { private: false, http: true }).unwrap();
        for url in ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/x"] {
            let failed = client.send(url, head(), vec![]).await.unwrap_err();
            assert!(matches!(failed, Failed::Private), "{url}: {failed}");
        }
        let strict = Client::new(Targets::default()).unwrap();
        let failed = strict.send("http://example.org/", head(), vec![]).await.unwrap_err();
        assert!(matches!(failed, Failed::NotHttps), "{failed}");
        for url in ["ftp://example.org/", "/x", "https:///x"] {
            let failed = strict.send(url, head(), vec![]).await.unwrap_err();
            assert!(matches!(failed, Failed::Address), "{url}: {failed}");
        }
    }
}
