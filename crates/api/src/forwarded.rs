//! Who really asks, and over what: forwarding headers are believed from configured proxies alone,
//! and read from the right, because everything further left can be made up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::config::ApiConfig;
use crate::context::Peer;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The client's address, and whether it spoke TLS.
pub(crate) fn client(
    config: &ApiConfig,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> (IpAddr, bool) {
    let unknown = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), false);
    let (address, https) = peer.map_or(unknown, |peer| (peer.address.to_canonical(), peer.https));
    if !config.trusts(address) {
        return (address, https);
    }
    let hops = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|line| line.split(',')).collect();
    // From the right up to the first that is no proxy of ours; what can't be read ends the way.
    let mut client = address;
    for hop in hops.into_iter().rev().map_while(hop) {
        client = hop;
        if !config.trusts(hop) {
            break;
        }
    }
    let proto = headers.get_all(FORWARDED_PROTO).iter().next_back();
    let proto = proto.map(|proto| proto.as_bytes().rsplit(|byte| *byte == b','));
    let proto = proto.and_then(|mut from_right| from_right.next());
    let https = proto.map_or(https, |proto| proto.trim_ascii() == b"https");
    (client, https)
}

/// An address as proxies write it: some add the port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address: Option<IpAddr> = bare.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

/// What the request's headers say about the page that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// This server's own page, or one that is configured as such.
    Own,
    /// Typed into the browser's address bar.
    Typed,
    /// Another page.
    Foreign,
    /// Nothing is said: no browser, or an old one.
    Unsaid,
}

/// Where a request comes from, by `Sec-Fetch-Site` and `Origin`.
pub(crate) fn source(config: &ApiConfig, headers: &HeaderMap, https: bool) -> Source {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN);
    if let Some(origin) = origin {
        let scheme = if https { "https" } else { "http" };
        let own = text(header::HOST).map(|host| format!("{scheme}://{host}"));
        let own = own.is_some_and(|own| own.eq_ignore_ascii_case(origin));
        let allowed = config.allowed_origins.iter().any(|allowed| allowed == origin);
        return if own || allowed { Source::Own } else { Source::Foreign };
    }
    match text(FETCH_SITE) {
        Some("same-origin") => Source::Own,
        Some("none") => Source::Typed,
        Some(_) => Source::Foreign,
        None => Source::Unsaid,
    }
}

/// Whether the request went to this very machine by name, where browsers take cookies over plain
/// HTTP for secure.
pub(crate) fn is_localhost(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }
    });
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn peer(address: &str) -> Peer {
        Peer { address: address.parse().unwrap(), https: false, hang_up: CancellationToken::new() }
    }

    #[test]
    fn forwarding_headers_count_from_the_right_and_from_proxies_only() {
        let config = ApiConfig {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..ApiConfig::default()
        };
        let said = headers(&[
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
        ]);
        let client_of = |from: &str| client(&config, Some(&peer(from)), &said);
        assert_eq!(client_of("10.0.0.1"), ("1.2.3.4".parse().unwrap(), true));
        assert_eq!(client_of("9.9.9.9"), ("9.9.9.9".parse().unwrap(), false));
        assert_eq!(client_of("::ffff:10.0.0.1"), ("1.2.3.4".parse().unwrap(), true));
        let client_of = |said: &'static str| {
            client(&config, Some(&peer("10.0.0.1")), &headers(&[("x-forwarded-for", said)])).0
        };
        for (said, is) in [
            ("nonsense, 1.2.3.4", "1.2.3.4"),
            ("6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
            ("6.6.6.6, nonsense", "10.0.0.1"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("6.6.6.6, [2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client_of(said), is.parse::<IpAddr>().unwrap(), "{said}");
        }
    }

    #[test]
    fn the_last_proxys_word_on_tls_counts() {
        let config = ApiConfig {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..ApiConfig::default()
        };
        let https = |said: &'static str| {
            client(&config, Some(&peer("10.0.0.1")), &headers(&[("x-forwarded-proto", said)])).1
        };
        assert!(https("https") && https("http, https"));
        assert!(!https("http") && !https("https, http"));
    }

    #[test]
    fn an_origin_must_be_the_requests_own_scheme_and_host() {
        let config = ApiConfig {
            allowed_origins: vec!["https://call.example".to_owned()],
            ..ApiConfig::default()
        };
        let of =
            |pairs: &[(&'static str, &'static str)], https| source(&config, &headers(pairs), https);
        let own = [("host", "a.example:8080"), ("origin", "http://a.example:8080")];
        assert_eq!(of(&own, false), Source::Own);
        assert_eq!(of(&own, true), Source::Foreign);
        let allowed = [("host", "a.example"), ("origin", "https://call.example")];
        assert_eq!(of(&allowed, false), Source::Own);
        let foreign = [("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")];
        assert_eq!(of(&foreign, false), Source::Foreign);
        assert_eq!(of(&[("sec-fetch-site", "cross-site")], false), Source::Foreign);
        assert_eq!(of(&[("sec-fetch-site", "none")], false), Source::Typed);
        assert_eq!(of(&[], false), Source::Unsaid);
    }

    #[test]
    fn localhost_by_its_names() {
        for (host, is) in [
            ("localhost:80", true),
            ("127.0.0.1", true),
            ("[::1]:9", true),
            ("a.localhost", true),
            ("localhost.evil.example", false),
        ] {
            assert_eq!(is_localhost(&headers(&[("host", host)])), is, "{host}");
        }
    }
}
