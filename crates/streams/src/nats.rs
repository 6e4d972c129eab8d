//! The connection to NATS that a process's log, commands, frames and live messages share.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectOptions, Event, Subscriber};
use events::subject::Subjects;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::log::LogError;

/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a request to JetStream may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest pause between two attempts to connect again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long replicas that have just started may take: they elect who leads all streams, then who
/// leads each.
const ELECTED_WITHIN: Duration = Duration::from_secs(20);
/// The pause between two attempts meanwhile.
const ELECTION_PAUSE: Duration = Duration::from_millis(250);
/// A connection that answers no ping for two of these is given up.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How to reach NATS.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// One address or several, parted by commas: `nats://host:4222`, `tls://host:4222`.
    pub url: String,
    /// A `.creds` file.
    pub credentials: Option<PathBuf>,
    /// A file that holds an nkey seed.
    pub nkey_seed_file: Option<PathBuf>,
    /// User name, with [`Self::password`].
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// Certificates (PEM) to trust besides the system's.
    pub tls_ca: Option<PathBuf>,
    /// What the names of subjects and streams begin with, so that installations can share a server.
    pub prefix: String,
    /// What the subjects of answers begin with; who has a login of its own hears no others' answers.
    pub inbox: String,
    /// Copies of each message that a cluster keeps, 1 to 5.
    pub replicas: usize,
}

impl NatsConfig {
    /// One replica, the prefix `signcall`, no credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            nkey_seed_file: None,
            user: None,
            password: None,
            tls_ca: None,
            prefix: "signcall".to_owned(),
            inbox: "_INBOX".to_owned(),
            replicas: 1,
        }
    }
}

/// A connection that comes back by itself. Cheap to clone.
#[derive(Clone)]
pub struct Nats {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    pub(crate) subjects: Subjects,
    pub(crate) replicas: usize,
    /// The address without secrets, for messages.
    pub(crate) place: String,
}

impl Nats {
    /// Subscribes, and waits until the server knows of it: it answers in the order it was asked.
    pub(crate) async fn subscribe(&self, subject: String) -> Result<Subscriber, LogError> {
        let subscribed = self.client.subscribe(subject).await;
        let subscriber = subscribed.map_err(|error| self.unreachable(error))?;
        self.settle().await?;
        Ok(subscriber)
    }

    /// As [`Self::subscribe`], in a group of which one member gets each message.
    pub(crate) async fn share(&self, subject: String, group: &str) -> Result<Subscriber, LogError> {
        let subscribed = self.client.queue_subscribe(subject, group.to_owned()).await;
        let subscriber = subscribed.map_err(|error| self.unreachable(error))?;
        self.settle().await?;
        Ok(subscriber)
    }

    async fn settle(&self) -> Result<(), LogError> {
        let asked = self.elected(|| async {
            self.jetstream.query_account().await.map_err(|error| self.unreachable(error))
        });
        asked.await.map(drop)
    }

    /// What an attempt comes to once it reaches those who lead. A lone server answers at once or not
    /// at all; replicas are asked again for a while, for all of them may have just started.
    pub(crate) async fn elected<T, F: Future<Output = Result<T, LogError>>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, LogError> {
        let patience = if self.replicas > 1 { ELECTED_WITHIN } else { Duration::ZERO };
        let deadline = Instant::now() + patience;
        loop {
            let answer = attempt().await;
            let Err(error @ LogError::Unreachable { .. }) = &answer else { return answer };
            if Instant::now() + ELECTION_PAUSE > deadline {
                return answer;
            }
            tracing::info!(%error, "the replicas of NATS don't answer yet; asking again");
            tokio::time::sleep(ELECTION_PAUSE).await;
        }
    }

    /// Whether the server keeps a stream of this name.
    pub(crate) async fn has_stream(&self, name: String) -> Result<bool, LogError> {
        let Err(error) = self.jetstream.get_stream(name).await else { return Ok(true) };
        if let GetStreamErrorKind::JetStream(refused) = error.kind()
            && refused.error_code() == ErrorCode::STREAM_NOT_FOUND
        {
            return Ok(false);
        }
        Err(self.unreachable(error))
    }

    pub(crate) fn unreachable(&self, source: impl Into<async_nats::Error>) -> LogError {
        LogError::Unreachable { place: self.place.clone(), source: source.into() }
    }
}

/// Connects, or says within seconds why not.
pub async fn connect(config: &NatsConfig) -> Result<Nats, LogError> {
    let place = without_secrets(&config.url);
    let unreachable = |source: async_nats::Error| {
        let place = place.clone();
        LogError::Unreachable { place, source }
    };
    let subjects = Subjects::new(&config.prefix).map_err(|wrong| LogError::Unsuitable {
        place: place.clone(),
        reason: wrong.to_string(),
    })?;
    let options = options(config).await.map_err(unreachable)?;
    let addresses: Vec<_> = config.url.split(',').map(str::trim).collect();
    let client = tokio::time::timeout(CONNECT_TIMEOUT, options.connect(addresses))
        .await
        .map_err(|_| unreachable(format!("no answer within {CONNECT_TIMEOUT:?}").into()))?
        .map_err(|error| unreachable(error.into()))?;
    let jetstream =
        jetstream::context::ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone());
    Ok(Nats { client, jetstream, subjects, replicas: config.replicas, place })
}

async fn options(config: &NatsConfig) -> Result<ConnectOptions, async_nats::Error> {
    let about = |path: &PathBuf| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let mut options = ConnectOptions::new()
        .name("signcall")
        .custom_inbox_prefix(&config.inbox)
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(|attempts| {
            let pause = Duration::from_millis(50 * attempts as u64);
            pause.min(RECONNECT_PAUSE_MAX)
        })
        .event_callback(|event| async move { report(&event) });
    if let Some(path) = &config.credentials {
        options = options.credentials_file(path).await.map_err(about(path))?;
    }
    if let Some(path) = &config.nkey_seed_file {
        let seed = tokio::fs::read_to_string(path).await.map_err(about(path))?;
        options = options.nkey(seed.trim().to_owned());
    }
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        options = options.user_and_password(user.clone(), password.expose_secret().to_owned());
    }
    if let Some(path) = &config.tls_ca {
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    Ok(options)
}

fn report(event: &Event) {
    if matches!(event, Event::Connected) {
        tracing::info!("connected to NATS");
    } else {
        tracing::warn!(%event, "the connection to NATS");
    }
}

/// Addresses without the user and password that they may carry.
fn without_secrets(url: &str) -> String {
    let clean = |address: &str| {
        let (scheme, rest) = address.split_once("://").unwrap_or(("nats", address));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{host}")
    };
    url.split(',').map(|address| clean(address.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        assert_eq!(without_secrets("nats://a:4222, tls://me:pa@ss@b"), "nats://a:4222,tls://b");
        assert_eq!(without_secrets("localhost:4222"), "nats://localhost:4222");
    }
}
