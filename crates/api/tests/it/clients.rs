//! The generated halves of the clients in `clients/` are what the document says; `SIGNCALL_BLESS=1`
//! writes them anew.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use streams::testing::skip;

#[test]
fn the_clients_are_written_from_the_document() {
    let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/generate.py");
    let mut python = Command::new("python3");
    python.arg(generator).arg("-").stdin(Stdio::piped()).stderr(Stdio::piped());
    if std::env::var_os("SIGNCALL_BLESS").is_none() {
        python.arg("--check");
    }
    let Ok(mut child) = python.spawn() else {
        return skip("clients::the_clients_are_written_from_the_document", "there is no python3");
    };
    child.stdin.take().unwrap().write_all(api::openapi().to_string().as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
