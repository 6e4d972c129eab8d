//! Where traces go, how the collector knows this server, and how many of them it gets.

use anyhow::{Context, Result, anyhow, bail, ensure};
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::{Config, read_text};

/// What OTLP over HTTP adds to a collector's address.
const TRACES: &str = "/v1/traces";

/// A collector of traces, as configured.
#[derive(Debug, Clone)]
pub(crate) struct Otlp {
    /// Where spans are posted to.
    pub(crate) url: Uri,
    /// What goes with them, such as a key. Values are never shown.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// How many of all traces, 0 to 1.
    pub(crate) share: f64,
}

impl Config {
    /// Where traces go, if anywhere.
    pub(crate) fn otlp(&self) -> Result<Option<Otlp>> {
        let share = self.otlp_share;
        ensure!((0.0..=1.0).contains(&share), "otlp_share is {share}; 0 to 1 is allowed");
        let headers = match (&self.otlp_headers, &self.otlp_headers_file) {
            (Some(_), Some(_)) => bail!("otlp_headers and otlp_headers_file: one of them, please"),
            (Some(headers), None) => Some(headers.expose().to_owned()),
            (None, Some(file)) => Some(read_text(file)?),
            (None, None) => None,
        };
        let Some(endpoint) = &self.otlp_endpoint else {
            ensure!(headers.is_none(), "otlp_headers needs otlp_endpoint: where traces go");
            return Ok(None);
        };
        let url = url(endpoint).context("otlp_endpoint")?;
        let headers = parse(headers.as_deref().unwrap_or_default()).context("otlp_headers")?;
        Ok(Some(Otlp { url, headers, share }))
    }
}

/// The address that spans are posted to. What may hold a secret is not repeated.
fn url(endpoint: &str) -> Result<Uri> {
    const FORM: &str = "write http://HOST:PORT or https://HOST:PORT";
    ensure!(
        !endpoint.contains(['@', '?']),
        "it holds a user or a query; what the collector has to know goes into otlp_headers"
    );
    let uri: Uri = endpoint.parse().map_err(|_| anyhow!("{endpoint:?} is no address; {FORM}"))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    ensure!(known && uri.host().is_some(), "{endpoint:?} is no address of a collector; {FORM}");
    if uri.path().ends_with(TRACES) {
        return Ok(uri);
    }
    let whole = format!("{}{TRACES}", endpoint.trim_end_matches('/'));
    whole.parse().map_err(|_| anyhow!("{endpoint:?} is no address; {FORM}"))
}

/// `NAME=VALUE` pairs, with commas or line ends between them.
fn parse(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let pairs = text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
    let header = |pair: &str| -> Result<(HeaderName, HeaderValue)> {
        // No part of the text is repeated: any may be a secret that was written wrongly.
        let (name, value) = pair.split_once('=').context("write NAME=VALUE,NAME=VALUE")?;
        let name = HeaderName::try_from(name.trim()).context("a name is none of a header")?;
        let mut value = HeaderValue::try_from(value.trim())
            .with_context(|| format!("the value of {name} can't go into a header"))?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    pairs.map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Secret};
    use super::*;

    fn of(options: Options) -> Result<Option<Otlp>> {
        options.over_defaults()?.otlp()
    }

    fn at(endpoint: &str) -> Options {
        Options { otlp_endpoint: Some(endpoint.to_owned()), ..Options::default() }
    }

    fn secret(text: &str) -> Option<Secret> {
        text.parse().ok()
    }

    #[test]
    fn nothing_is_exported_unless_asked_for() {
        assert!(of(Options::default()).unwrap().is_none());
        let headers = Options { otlp_headers: secret("a=b"), ..Options::default() };
        assert!(of(headers).unwrap_err().to_string().contains("needs otlp_endpoint"));
    }

    #[test]
    fn a_collector_is_posted_to_where_the_protocol_says() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example.org/", "https://otel.example.org/v1/traces"),
            ("https://otel.example.org/otlp", "https://otel.example.org/otlp/v1/traces"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ] {
            assert_eq!(of(at(endpoint)).unwrap().unwrap().url.to_string(), url);
        }
        for wrong in ["127.0.0.1:4318", "grpc://host:4317", "http://", "/v1/traces", ""] {
            let error = format!("{:#}", of(at(wrong)).unwrap_err());
            assert!(error.contains("otlp_endpoint") && error.contains("http://HOST"), "{error}");
        }
        let error = format!("{:#}", of(at("https://me:pa55@host")).unwrap_err());
        assert!(error.contains("otlp_headers") && !error.contains("pa55"), "{error}");
    }

    #[test]
    fn headers_come_from_the_option_or_a_file_and_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        std::fs::write(&file, "Authorization=Basic cGE1NQ==\nx-scope-orgid = 7\n").unwrap();
        let from_file = Options { otlp_headers_file: Some(file), ..at("http://host:4318") };
        let text = "Authorization=Basic cGE1NQ==, x-scope-orgid=7";
        let from_text = Options { otlp_headers: secret(text), ..at("http://host:4318") };
        let both = Options { otlp_headers: secret(text), ..from_file.clone() };
        for options in [from_file, from_text] {
            let otlp = of(options).unwrap().unwrap();
            let headers: Vec<_> = otlp
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            assert_eq!(headers, [("authorization", "Basic cGE1NQ=="), ("x-scope-orgid", "7")]);
            assert!(!format!("{otlp:?}").contains("cGE1NQ"));
        }
        assert!(of(both).unwrap_err().to_string().contains("one of them"));
        for wrong in ["pa55", "pa55(=x", "a=pa\u{0}55"] {
            let options = Options { otlp_headers: secret(wrong), ..at("http://host:4318") };
            let error = format!("{:#}", of(options).unwrap_err());
            assert!(error.starts_with("otlp_headers") && !error.contains("pa55"), "{error}");
        }
    }

    #[test]
    fn a_share_is_between_none_and_all() {
        for share in [-0.1, 1.1, f64::NAN] {
            let options = Options { otlp_share: Some(share), ..at("http://host:4318") };
            assert!(of(options).unwrap_err().to_string().contains("0 to 1 is allowed"));
        }
    }
}
