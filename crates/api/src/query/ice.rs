//! What browsers need to find a way to each other: addresses of STUN and TURN servers, and a name
//! and password for TURN that are good for a while and for nobody else.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use events::{Timestamp, UserId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha1::Sha1;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::secret::Secret;
use crate::state::App;

/// As `RTCConfiguration` has it.
#[derive(Debug, Serialize)]
pub(crate) struct IceServer {
    urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

/// The servers, and until when the credential is good.
#[derive(Debug, Serialize)]
pub(crate) struct IceServers {
    ice_servers: Vec<IceServer>,
    expires_at: Option<Timestamp>,
}

/// `GET /ice-servers`.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<IceServers>, ApiError> {
    let ice = &app.config.ice;
    let open =
        |urls: &[String]| IceServer { urls: urls.to_vec(), username: None, credential: None };
    let mut answer = IceServers { ice_servers: Vec::new(), expires_at: None };
    if !ice.stun_urls.is_empty() {
        answer.ice_servers.push(open(&ice.stun_urls));
    }
    if !ice.turn_urls.is_empty() {
        let server = match &app.turn_secret {
            None => open(&ice.turn_urls),
            Some(secret) => {
                let until = app.now().plus_seconds(i64::from(ice.credential_s));
                let (username, credential) = credential(secret, caller.user, until);
                answer.expires_at = Some(until);
                let (username, credential) = (Some(username), Some(credential));
                IceServer { urls: ice.turn_urls.clone(), username, credential }
            }
        };
        answer.ice_servers.push(server);
    }
    Ok(Json(answer))
}

/// Name and password as TURN servers check them that share the secret (draft-uberti-behave-turn-rest:
/// `use-auth-secret` of coturn).
fn credential(secret: &Secret, user: UserId, until: Timestamp) -> (String, String) {
    let username = format!("{}:{user}", until.micros() / 1_000_000);
    // A key of any length is one for HMAC.
    let mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).map(|mut mac| {
        mac.update(username.as_bytes());
        BASE64.encode(mac.finalize().into_bytes())
    });
    (username, mac.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_what_turn_servers_compute() {
        let until = Timestamp::from_micros(1_433_895_918_000_000);
        let secret = Secret::new("north".to_owned());
        let (username, password) = credential(&secret, UserId::new(7), until);
        assert_eq!(username, "1433895918:7");
        // printf 1433895918:7 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(password, "/S7cxlFY9Lt98mSttaBpZXA7AQg=");
    }
}
