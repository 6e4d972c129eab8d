//! The page's cookies: the session, and the mark of a device that logged in before.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use events::{Timestamp, UserId};
use vault::Secrets;

use crate::forwarded;

/// A browser takes `__Host-` names over TLS alone; on localhost without TLS the plain ones serve.
const HOST_PREFIX: &str = "__Host-";
const SESSION: &str = "session";
const DEVICE: &str = "device";
/// How long a device counts as known.
const DEVICE_DAYS: i64 = 365;

/// The secret of the session, if the request has one.
pub(crate) fn session(headers: &HeaderMap, https: bool) -> Option<String> {
    read(headers, SESSION, https)
}

/// Whether a session's cookie is there, good or not.
pub(crate) fn has_session(headers: &HeaderMap) -> bool {
    read(headers, SESSION, false).is_some()
}

/// Sets the session cookie.
pub(crate) fn set_session(headers: &HeaderMap, https: bool, secret: &str) -> HeaderValue {
    // No lifetime: the server renews the session; the browser forgets it when it is closed.
    build(headers, https, SESSION, secret, None)
}

/// Removes the session cookie.
pub(crate) fn clear_session(headers: &HeaderMap, https: bool) -> HeaderValue {
    build(headers, https, SESSION, "", Some(Duration::ZERO))
}

/// Marks this device as one from which the user logged in.
pub(crate) fn set_device(
    secrets: &Secrets,
    headers: &HeaderMap,
    https: bool,
    user: UserId,
    now: Timestamp,
) -> HeaderValue {
    let until = now.plus_seconds(Duration::days(DEVICE_DAYS).whole_seconds()).micros();
    let value = secrets.sign_cookie(&format!("{DEVICE}.{user}.{until}"));
    build(headers, https, DEVICE, &value, Some(Duration::days(DEVICE_DAYS)))
}

/// The user who logged in from this device before, and until when its mark is good.
pub(crate) fn known_device(
    secrets: &Secrets,
    headers: &HeaderMap,
    https: bool,
    now: Timestamp,
) -> Option<(UserId, Timestamp)> {
    let signed = read(headers, DEVICE, https)?;
    let value = secrets.verify_cookie(&signed)?;
    let (user, until) = value.strip_prefix(DEVICE)?.strip_prefix('.')?.split_once('.')?;
    let until = Timestamp::from_micros(until.parse().ok()?);
    (until > now).then_some((user.parse().ok()?, until))
}

fn read(headers: &HeaderMap, name: &str, https: bool) -> Option<String> {
    let plain_serves = !https && forwarded::is_localhost(headers);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).flatten();
    let wanted = |cookie: &Cookie<'_>| match cookie.name().strip_prefix(HOST_PREFIX) {
        Some(bare) => bare == name,
        None => plain_serves && cookie.name() == name,
    };
    cookies.find(wanted).map(|cookie| cookie.value().to_owned())
}

fn build(
    headers: &HeaderMap,
    https: bool,
    name: &str,
    value: &str,
    max_age: Option<Duration>,
) -> HeaderValue {
    let plain = !https && forwarded::is_localhost(headers);
    let name = if plain { name.to_owned() } else { format!("{HOST_PREFIX}{name}") };
    let mut cookie = Cookie::new(name, value.to_owned());
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.set_path("/");
    cookie.set_secure(!plain);
    cookie.set_max_age(max_age);
    // Every part is ASCII without control characters, so this can't fail.
    HeaderValue::try_from(cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn secrets() -> (tempfile::TempDir, Secrets) {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::init(&folder.path().join("secrets")).unwrap();
        (folder, secrets)
    }

    #[test]
    fn the_session_has_the_host_prefix_except_on_localhost() {
        let remote = with(&[("host", "call.example".to_owned())]);
        let set = set_session(&remote, true, "abc");
        assert_eq!(set, "__Host-session=abc; HttpOnly; SameSite=Strict; Secure; Path=/");
        let local = with(&[("host", "localhost:8080".to_owned())]);
        let set = set_session(&local, false, "abc");
        assert_eq!(set, "session=abc; HttpOnly; SameSite=Strict; Path=/");
        let plain =
            with(&[("host", "call.example".to_owned()), ("cookie", "session=x".to_owned())]);
        assert_eq!(session(&plain, false), None);
    }

    #[test]
    fn a_device_is_known_until_its_mark_ends_and_only_with_our_signature() {
        let (_folder, secrets) = secrets();
        let now = Timestamp::from_micros(0);
        let host = with(&[("host", "localhost".to_owned())]);
        let set = set_device(&secrets, &host, false, UserId::new(7), now);
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let sent = with(&[("host", "localhost".to_owned()), ("cookie", pair.clone())]);
        let until = now.plus_seconds(365 * 86_400);
        assert_eq!(known_device(&secrets, &sent, false, now), Some((UserId::new(7), until)));
        let late = now.plus_seconds(366 * 86_400);
        assert_eq!(known_device(&secrets, &sent, false, late), None);
        let forged = pair.replace("device.7", "device.8");
        let sent = with(&[("host", "localhost".to_owned()), ("cookie", forged)]);
        assert_eq!(known_device(&secrets, &sent, false, now), None);
    }
}
