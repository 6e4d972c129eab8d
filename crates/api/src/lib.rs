//! HTTP, WebSocket, server-sent events and the page.
//!
//! [`Parts`] is what an API process stands on; [`serve`] answers with it until it is told to stop.
//! Who asks and what they may is taken from the Follower (`auth`, `access`); what is asked goes to
//! the decider (`command`); what is read comes from the tables (`query`); what happens is told as it
//! happens (`live`). [`routes`] is the table of it all.

mod access;
mod activity;
mod answer;
mod audit;
mod auth;
pub mod bootstrap;
mod command;
mod config;
mod context;
mod cookies;
mod envelope;
mod error;
mod extract;
mod forwarded;
mod guesses;
mod keeper;
mod keys;
mod list;
mod live;
mod models;
mod openapi;
mod operator;
pub mod page;
mod password;
mod query;
mod recent;
mod retry;
mod router;
mod secret;
mod server;
mod state;
mod teaching;
mod throttle;
mod tickets;
mod tls;

pub use config::{ApiConfig, ConfigError, Ice, Rate, Step, Throttles, WebhookTargets};
pub use error::{FieldError, Problem};
pub use models::{Alike, Lesson, ModelInfo, Models, NotTaught, SharedModels, Taught};
pub use openapi::document as openapi;
pub use operator::{PasswordRefused, hash_new_password};
pub use router::{BASE, Route, Who, routes};
pub use secret::Secret;
pub use state::{Parts, ResetMail};
pub use tls::{Tls, TlsError};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::state::App;

/// Why the API could not start.
#[derive(Debug, thiserror::Error)]
#[error("the API can't start: {0}")]
pub struct StartError(String);

/// Answers on this socket until `shutdown`; then lets open requests end and closes every live
/// connection, within [`ApiConfig::shutdown_within`].
pub async fn serve(
    listener: TcpListener,
    parts: Parts,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    parts.config.check().map_err(|error| StartError(error.to_string()))?;
    let app = App::new(parts, shutdown.clone()).map_err(|error| StartError(error.to_string()))?;
    let activity = tokio::spawn(activity::keep_writing(app.clone()));
    let keeping = tokio::spawn(keeper::keep_keeping(app.clone()));
    // Before the first request: what others say from now on is heard.
    let hub = tokio::spawn(live::hub::run(app.clone(), app.live.subscribe()));
    let router = router::router(&app);
    let open = server::accept_loop(listener, app.tls.clone(), router, &app.config, &shutdown).await;
    let ended = async {
        open.wait().await;
        app.hub.emptied().await;
        drop(tokio::join!(activity, keeping, hub));
    };
    if tokio::time::timeout(app.config.shutdown_within, ended).await.is_err() {
        tracing::warn!(requests = open.len(), "not everything had ended at shutdown");
    }
    Ok(())
}
