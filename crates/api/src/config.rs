//! Every limit and choice of the HTTP side, in one place, with the defaults that the product promises.

mod check;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use check::ConfigError;

/// A token bucket: `burst` at once, then `per_minute` (0 in either switches the limit off).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// How many a minute after that.
    pub per_minute: u32,
}

/// A step of a limit that grows stricter: after so many offences in a row each one more costs a
/// wait of so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From how many on.
    pub after: u32,
    /// How long each further one makes the next wait, in seconds.
    pub wait_s: u32,
}

/// What is slowed, and how much. Each is checked before anything is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throttles {
    /// Registrations of one address.
    pub registrations: Rate,
    /// Log-ins of one address.
    pub logins: Rate,
    /// Wrong passwords of one account, from devices it does not know.
    pub wrong_passwords: Rate,
    /// Wrong passwords of one user from one device that they know, or by one log-in of theirs.
    pub own_passwords: Rate,
    /// How both grow slower while none is right, by rising `after`.
    pub wrong_password_steps: Vec<Step>,
    /// Chat messages and typed captions of one user.
    pub chat: Rate,
    /// Look-ups of room codes that the user is not in.
    pub unknown_codes: Rate,
    /// Password reset links asked for from one address.
    pub resets: Rate,
    /// Exports of one's own data of one user.
    pub exports: Rate,
    /// Ephemeral messages (typing, signalling) of one socket.
    pub ephemeral: Rate,
}

impl Default for Throttles {
    fn default() -> Self {
        let rate = |burst, per_minute| Rate { burst, per_minute };
        Self {
            registrations: rate(60, 30),
            logins: rate(60, 30),
            wrong_passwords: rate(10, 10),
            wrong_password_steps: vec![
                Step { after: 25, wait_s: 10 },
                Step { after: 100, wait_s: 15 * 60 },
            ],
            own_passwords: rate(10, 10),
            chat: rate(100, 6000),
            unknown_codes: rate(30, 30),
            resets: rate(10, 10),
            exports: rate(10, 10),
            ephemeral: rate(100, 3000),
        }
    }
}

/// How browsers find a way to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ice {
    /// Such as `stun:stun.example.org:3478`.
    pub stun_urls: Vec<String>,
    /// Such as `turns:turn.example.org:5349`.
    pub turn_urls: Vec<String>,
    /// How long a name and password for TURN are good, in seconds.
    pub credential_s: u32,
}

impl Default for Ice {
    fn default() -> Self {
        Self { stun_urls: Vec::new(), turn_urls: Vec::new(), credential_s: 12 * 3600 }
    }
}

/// Where webhooks may point: deliveries, which the reactor makes, keep to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookTargets {
    /// Also at addresses that only this machine or network can reach.
    pub allow_private_targets: bool,
    /// Also at addresses without TLS.
    pub allow_http: bool,
}

/// The choices of one API process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// How long a token lives unless renewed, in seconds.
    pub token_lifetime_s: u32,
    /// How long renewals can stretch a log-in, in seconds.
    pub token_cap_s: u32,
    /// A request made with fewer seconds left renews its token.
    pub renew_when_left_s: u32,
    /// bcrypt's cost: the base-2 logarithm of its rounds, 4 to 16.
    pub bcrypt_cost: u32,
    /// Wrong passwords in a row that lock new devices out.
    pub lock_after: u32,
    /// For how long, in seconds.
    pub lock_s: u32,
    /// What is slowed.
    pub throttles: Throttles,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins besides the request's own that may send cookies and open sockets,
    /// such as `https://call.example.org`.
    pub allowed_origins: Vec<String>,
    /// Origins that may read answers from their pages (CORS). None switches CORS off.
    pub cors_origins: Vec<String>,
    /// Whether a caller's `traceparent` header is believed: the request then belongs to their trace.
    pub traceparent: bool,
    /// How browsers find a way to each other.
    pub ice: Ice,
    /// Where webhooks may point.
    pub webhooks: WebhookTargets,
    /// The file with the bootstrap secret's digest, if there may be one.
    pub bootstrap_file: Option<PathBuf>,
    /// The folder of the landmarker that the page loads, if one may be installed.
    pub landmarker: Option<PathBuf>,
    /// Open HTTP connections; one more waits to be accepted.
    pub connections_max: usize,
    /// Open WebSockets and event streams of one user.
    pub sockets_per_user: usize,
    /// Open WebSockets and event streams in all.
    pub sockets_max: usize,
    /// Time for a request's head, also for a connection that says nothing.
    pub head_timeout: Duration,
    /// Time for a request's body.
    pub body_timeout: Duration,
    /// Time for a whole request.
    pub request_timeout: Duration,
    /// Time for open requests to end at shutdown.
    pub shutdown_within: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            token_lifetime_s: 3600,
            token_cap_s: 12 * 3600,
            renew_when_left_s: 60,
            bcrypt_cost: 12,
            lock_after: 10,
            lock_s: 30 * 60,
            throttles: Throttles::default(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            cors_origins: Vec::new(),
            traceparent: false,
            ice: Ice::default(),
            webhooks: WebhookTargets::default(),
            bootstrap_file: None,
            landmarker: None,
            connections_max: 16_384,
            sockets_per_user: 20,
            sockets_max: 12_000,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(25),
            request_timeout: Duration::from_secs(30),
            shutdown_within: Duration::from_secs(8),
        }
    }
}

impl ApiConfig {
    /// Whether forwarding headers of this peer are believed.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }
}
