//! Each way to log in to NATS: a credentials file, an nkey, and TLS. User and password are in
//! `config.rs` and `roles.rs`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use streams::LogError;
use streams::nats::NatsConfig;
use streams::testing::{NatsServer, find_nats_server, skip};

use crate::place::{fill, read_all};

fn program(test: &str) -> Option<PathBuf> {
    let found = find_nats_server();
    if found.is_none() {
        skip(&format!("streams logins::{test}"), "nats-server is not installed");
    }
    found
}

/// The log can be made, written and read with this login.
async fn works(config: NatsConfig) {
    let nats = streams::nats::connect(&config).await.unwrap();
    let log = streams::log::nats::open(&nats).await.unwrap();
    let blocks = fill(&log, 3).await;
    assert_eq!(read_all(&log, events::Head::empty(log.id()), 1000).await, blocks);
}

async fn is_refused(config: NatsConfig) {
    let refused = streams::nats::connect(&config).await.err().expect("it is refused");
    assert!(matches!(refused, LogError::Unreachable { .. }), "{refused}");
}

#[tokio::test]
async fn an_nkey_is_asked_for_and_given() {
    let Some(program) = program("an_nkey_is_asked_for_and_given") else { return };
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let users = format!("authorization {{ users: [{{ nkey: {} }}] }}", user.public_key());
    let server = NatsServer::start(program, &users).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let with = |key: &KeyPair| {
        let file = folder.path().join(key.public_key());
        std::fs::write(&file, format!("{}\n", key.seed().unwrap())).unwrap();
        NatsConfig { nkey_seed_file: Some(file), ..NatsConfig::new(server.url()) }
    };
    is_refused(NatsConfig::new(server.url())).await;
    is_refused(with(&other)).await;
    works(with(&user)).await;
}

/// A claim about `subject`, signed.
fn token(signer: &KeyPair, subject: &str, claims: &Value) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let body = part(json!({
        "jti": subject, "iat": 1_700_000_000, "iss": signer.public_key(), "sub": subject,
        "name": "of a test", "nats": claims,
    }));
    let signed = format!("{header}.{body}");
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

fn credentials(file: &Path, token: &str, seed: &str) {
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    std::fs::write(file, text).unwrap();
}

#[tokio::test]
async fn a_credentials_file_is_asked_for_and_given() {
    let Some(program) = program("a_credentials_file_is_asked_for_and_given") else { return };
    let (operator, account, system) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let stranger = KeyPair::new_account();
    let of_operator =
        json!({ "type": "operator", "version": 2, "system_account": system.public_key() });
    let unlimited = json!({ "type": "account", "version": 2, "limits": {
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    }});
    let without_streams = json!({ "type": "account", "version": 2, "limits": {
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1,
    }});
    let configuration = format!(
        "operator: {}\nsystem_account: {sys}\nresolver: MEMORY\n\
         resolver_preload {{ {acc}: {}\n {sys}: {} }}",
        token(&operator, &operator.public_key(), &of_operator),
        token(&operator, &account.public_key(), &unlimited),
        token(&operator, &system.public_key(), &without_streams),
        sys = system.public_key(),
        acc = account.public_key(),
    );
    let server = NatsServer::start(program, &configuration).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, signer: &KeyPair| {
        let user = KeyPair::new_user();
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let file = folder.path().join(name);
        credentials(&file, &token(signer, &user.public_key(), &claims), &user.seed().unwrap());
        NatsConfig { credentials: Some(file), ..NatsConfig::new(server.url()) }
    };
    is_refused(NatsConfig::new(server.url())).await;
    is_refused(with("stranger.creds", &stranger)).await;
    works(with("good.creds", &account)).await;
    let missing = folder.path().join("missing.creds");
    let config = NatsConfig { credentials: Some(missing), ..NatsConfig::new(server.url()) };
    let refused = streams::nats::connect(&config).await.err().unwrap().to_string();
    assert!(refused.contains("missing.creds"), "{refused}");
}

#[tokio::test]
async fn tls_is_spoken_and_the_server_is_known_by_its_certificate() {
    let test = "tls_is_spoken_and_the_server_is_known_by_its_certificate";
    let Some(program) = program(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let write = |name: &str, text: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let certificate = write("cert.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    let foreign = write("foreign.pem", other.cert.pem());
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}",
        certificate.display().to_string(),
        key.display().to_string()
    );
    let server = NatsServer::start(program, &tls).await.unwrap();
    let url = server.url().replace("nats://127.0.0.1", "tls://localhost");
    let trusting = |ca: &Path| NatsConfig { tls_ca: Some(ca.into()), ..NatsConfig::new(&url) };
    is_refused(NatsConfig::new(&url)).await;
    is_refused(trusting(&foreign)).await;
    works(trusting(&certificate)).await;
}
