//! The accept loop. It is our own because a connection that says nothing, or drips its header,
//! must be closed, and because shutdown has to be bounded.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::ApiConfig;
use crate::context::Peer;
use crate::tls::Tls;

/// Bytes of a request's head, at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Pause after a failed accept: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts and serves until `shutdown`; what is still open then is in the answer.
pub(crate) async fn accept_loop(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    config: &ApiConfig,
    shutdown: &CancellationToken,
) -> TaskTracker {
    let places = Arc::new(Semaphore::new(config.connections_max));
    let connections = TaskTracker::new();
    loop {
        let (stream, place, address) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let peer = Peer { address, https: tls.is_some(), hang_up: CancellationToken::new() };
        let (router, head_timeout) = (router.clone(), config.head_timeout);
        let (acceptor, shutdown) = (tls.as_ref().map(Tls::acceptor), shutdown.clone());
        connections.spawn(async move {
            match acceptor {
                None => serve_one(stream, router, peer, head_timeout, shutdown).await,
                Some(acceptor) => {
                    let agreed = tokio::time::timeout(head_timeout, acceptor.accept(stream));
                    let agreed = tokio::select! {
                        agreed = agreed => agreed.map_err(io::Error::other).flatten(),
                        () = shutdown.cancelled() => return,
                    };
                    match agreed {
                        Ok(stream) => serve_one(stream, router, peer, head_timeout, shutdown).await,
                        Err(error) => tracing::debug!(%error, "a connection spoke no TLS"),
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit, IpAddr)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place, address.ip()))
}

async fn serve_one(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: Peer,
    head_timeout: Duration,
    shutdown: CancellationToken,
) {
    let hang_up = peer.hang_up.clone();
    let service =
        TowerToHyperService::new(router.map_request(move |request: Request<Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(peer.clone());
            request
        }));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = hang_up.cancelled() => return,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
