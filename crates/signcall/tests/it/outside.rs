//! What reaches out of the server or is reached from outside, and what it leaves on the disk: TLS with a certificate of its own,
//! and a link for a new password that really arrives by mail.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::bad_input::refuses_to_start;
use crate::client::Client;
use crate::harness::{Process, signcall};
use crate::signing::Signing;

const PATIENCE: Duration = Duration::from_secs(30);
const ROLES: &str = "api,decider,projector,reactor";

/// A server without captions; where it answers.
fn start(folder: &Path, more: &[&str]) -> (Process, String) {
    let data = folder.join("data").display().to_string();
    let made = signcall().args(["init", "--data", &data]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let fixed = ["serve", "--data", &data, "--roles", ROLES, "--listen", "127.0.0.1:0"];
    let cheap = ["--api", "bcrypt_cost=4"];
    let arguments = fixed.iter().chain(&cheap).chain(more).map(|text| (*text).to_owned());
    let mut process = Process::start(ROLES, arguments.collect(), folder);
    let url = process.wait_until_ready().unwrap();
    (process, url)
}

/// Takes one mail at a time and hands over what it says.
pub(crate) async fn mail_server() -> (String, mpsc::UnboundedReceiver<String>) {
    let (tell, mails) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take_mails(stream, tell.clone()));
        }
    });
    (url, mails)
}

async fn take_mails(stream: TcpStream, tell: mpsc::UnboundedSender<String>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer: &[u8] = match line.split(' ').next().unwrap_or_default() {
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    mail.push_str(&line);
                    mail.push('\n');
                }
                let _ = tell.send(mail);
                b"250 taken\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_by_mail() {
    let folder = tempfile::tempdir().unwrap();
    let (smtp, mut mails) = mail_server().await;
    let mail = ["--smtp-url", &smtp, "--mail-from", "Signcall <calls@example.org>"];
    let more = ["--public-url", "https://call.example.org", "--log-level", "debug"];
    let (mut process, url) = start(folder.path(), &[mail, more].concat());
    Client::register(&url, "ada").await;
    let anonymous = Client::anonymous(&url);
    for email in ["nobody@example.org", "ada@example.org"] {
        let (status, _) = anonymous.post("/password-resets", json!({ "email": email })).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    let mail = tokio::time::timeout(PATIENCE, mails.recv()).await.unwrap().unwrap();
    assert!(mail.contains("To: ada@example.org"), "{mail}");
    let link = mail.split("https://call.example.org/reset/").nth(1).unwrap();
    let secret = link.split_whitespace().next().unwrap().to_owned();
    let path = format!("/password-resets/{secret}");
    let new = json!({ "new": "an entirely different sentence" });
    assert_eq!(anonymous.put(&path, new.clone()).await.0, StatusCode::NO_CONTENT);
    assert_eq!(anonymous.put(&path, new).await.0, StatusCode::GONE, "a link works once");
    let log_in = json!({ "username": "ada", "password": "an entirely different sentence" });
    assert_eq!(anonymous.post("/tokens", log_in).await.0, StatusCode::CREATED);
    assert!(mails.try_recv().is_err(), "nobody else got mail");
    assert!(process.terminate().success());
    let said = process.errors();
    assert!(!said.contains(&secret) && !said.contains("ada@example.org"), "{said}");
}

/// A certificate for `localhost`, signed by itself.
fn certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

async fn answer_over_tls(port: &str, certificate: &[u8]) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.to_vec().into()).unwrap();
    let config = ClientConfig::builder_with_provider(crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    // The server closes without a farewell, which is fine after a whole answer.
    let _ = stream.read_to_string(&mut answer).await;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_and_a_new_certificate_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let pem = certificate(folder.path());
    let shown = |name: &str| folder.path().join(name).display().to_string();
    let tls = ["--tls-cert", &shown("cert.pem"), "--tls-key", &shown("key.pem")];
    let (mut process, url) = start(folder.path(), &tls);
    let port = url.strip_prefix("https://127.0.0.1:").unwrap().to_owned();
    let der = |pem: &str| {
        use tokio_rustls::rustls::pki_types::pem::PemObject as _;
        tokio_rustls::rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes())
            .unwrap()
            .to_vec()
    };
    let answer = answer_over_tls(&port, &der(&pem)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(answer.to_lowercase().contains("strict-transport-security: max-age="), "{answer}");

    // `play` gets as far as the token, which is none: so it spoke TLS.
    let output = signcall()
        .args(["play", "--room", "K3W9QX7TM", "--token", "x", "--url"])
        .arg(format!("https://localhost:{port}"))
        .arg(&Signing::get("signcall outside::tls_is_spoken", folder.path()).files[0])
        .env("SSL_CERT_FILE", shown("cert.pem"))
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("invalid_token"), "{said}");

    let renewed = certificate(folder.path());
    process.hang_up();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while answer_over_tls(&port, &der(&renewed)).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the new certificate is not taken up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(process.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_for_their_owner_alone_and_tables_for_their_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (mut process, url) = start(folder.path(), &[]);
    Client::register(&url, "ada").await;
    for name in ["log.db", "vault.db", "tables.db", "tables.db-wal", "secrets/cookie.key"] {
        let mode = std::fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(process.terminate().success());
    let other = tempfile::tempdir().unwrap();
    let place = other.path().display().to_string();
    assert!(signcall().args(["init", "--data", &place]).output().unwrap().status.success());
    let tables = format!("sqlite:{}", data.join("tables.db").display());
    let said =
        refuses_to_start(&["--data", &place, "--listen", "127.0.0.1:0", "--database", &tables]);
    assert!(said.contains("the tables were made from log"), "{said}");
}
