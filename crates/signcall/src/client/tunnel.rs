//! The way to an https server: a door on this machine's own loopback, behind which bytes go through
//! TLS. The client's libraries have no TLS of their own, and one way serves requests and sockets.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Opens a door to `HOST` or `HOST:PORT`; its address. It stays open until the process ends.
pub(super) async fn open(authority: &str) -> Result<String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().with_context(|| format!("{port:?} is no port"))?)
        }
        Some(_) | None => (authority, 443),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host.clone());
    let name = name.with_context(|| format!("{host:?} is no name of a server"))?;
    let connector = tls_connector()?;
    // Told now rather than at the first request.
    connect(&connector, &name, &host, port).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
    let door = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (connector, name, host) = (connector.clone(), name.clone(), host.clone());
            tokio::spawn(async move {
                match connect(&connector, &name, &host, port).await {
                    // Either side may end it.
                    Ok(mut far) => drop(copy_bidirectional(&mut near, &mut far).await),
                    Err(error) => eprintln!("{error:#}"),
                }
            });
        }
    });
    Ok(door.to_string())
}

async fn connect(
    connector: &TlsConnector,
    name: &ServerName<'static>,
    host: &str,
    port: u16,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.with_context(|| format!("no connection to {host}:{port}"))?;
    let agreed = connector.connect(name.clone(), stream).await;
    agreed.with_context(|| format!("{host} is not who it should be, or speaks no TLS"))
}

/// Trusts the machine's certificate authorities (`SSL_CERT_FILE` names others), and Mozilla's.
pub(crate) fn tls_connector() -> Result<TlsConnector> {
    let mut roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<RootCertStore>();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
