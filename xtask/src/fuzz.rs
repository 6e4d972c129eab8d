//! `cargo xtask fuzz-api`: schemathesis, from PyPI, against a private server and the OpenAPI document
//! that it serves. It finds answers that break the server, or that the document does not tell of.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::shell;

/// The release that is known to understand the document.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// Readers of exports that are not ours.
const READERS: [&str; 2] = ["webvtt-py==0.6.0", "srt==3.5.3"];
/// Texts that have tried to break out of a file format.
const NASTY: [&str; 5] = [
    "hello",
    "1 --> 2\n\n00:00:00.000 --> 00:00:01.000",
    "<b>&amp; </v> {\\an8}",
    "WEBVTT\n\nNOTE nothing",
    "\u{202e}right to left\u{1b}[31m",
];
/// Reads both exports and says how many captions each has.
const READ: &str = "import sys, webvtt, srt; \
    print(len(webvtt.read(sys.argv[1])), len(list(srt.parse(open(sys.argv[2]).read()))))";
/// Cases unless said.
const CASES: u32 = 2_000;
/// What each answer is held against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
     response_schema_conformance,negative_data_rejection,unsupported_method";
/// These end the log-in or the room that the others need: they come last.
const LAST: [(&str, &str); 7] = [
    ("DELETE", "/api/v1/users/{id}"),
    ("POST", "/api/v1/rooms/{code}/close"),
    ("DELETE", "/api/v1/rooms/{code}"),
    ("DELETE", "/api/v1/tokens/{id}"),
    ("DELETE", "/api/v1/sessions/current"),
    ("DELETE", "/api/v1/tokens/current"),
    ("DELETE", "/api/v1/tokens"),
];
/// An event stream has no end to wait for.
const NEVER: [&str; 1] = ["/api/v1/rooms/{code}/events"];
/// What it can't know by itself.
const HOOKS: &str = include_str!("fuzz_hooks.py");
/// Answers that refuse what the document does not allow.
const REFUSALS: &str = "400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 422, 426, 428, 429";
const PASSWORD: &str = "an administrator of fuzzed things";

/// Runs it; `Ok(false)` when it found something.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let cases = match args {
        [] => CASES,
        [flag, number] if flag == "--cases" => {
            number.parse().with_context(|| format!("{number:?} is no number of cases"))?
        }
        _ => bail!("usage: cargo xtask fuzz-api [--cases N]"),
    };
    shell::run(&mut shell::cargo(&["build", "--quiet", "-p", "signcall"])?)?;
    let target = target()?;
    let tool = install(&target)?;
    let folder = target.join(format!("fuzz-api-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let server = Server::start(&target.join("debug/signcall"), &folder)?;
    let config = server.prepare(&folder)?;
    let document = server.ask("GET", "/api/v1/openapi.json", None, None)?.1;
    let operations = document["paths"].as_object().context("no paths in the document")?;
    let count: usize =
        operations.values().filter_map(Value::as_object).map(serde_json::Map::len).sum();
    let each = cases.div_ceil(u32::try_from(count)?).max(1);
    println!("{count} operations, up to {each} generated cases each");
    let mut clean = true;
    for last in [false, true] {
        let mut run = shell::program(&tool)?;
        // It keeps notes where it runs.
        run.current_dir(&folder);
        run.arg("--config-file").arg(&config).args(["run", &server.url("/api/v1/openapi.json")]);
        run.args(["--checks", CHECKS, "--max-examples", &each.to_string()]);
        run.args(["--phases", "coverage,fuzzing", "--continue-on-failure"]);
        run.args(["--suppress-health-check", "all", "--request-timeout", "40", "--no-color"]);
        run.args(["--warnings", "off"]);
        for path in NEVER {
            run.args(["--exclude-path", path]);
        }
        for (method, path) in LAST {
            let name = format!("{method} {path}");
            run.args([if last { "--include-name" } else { "--exclude-name" }, &name]);
        }
        clean &= shell::succeeds(&mut run)?;
    }
    drop(server);
    fs::remove_dir_all(&folder)?;
    Ok(clean)
}

/// Where cargo builds to.
fn target() -> Result<PathBuf> {
    let metadata = shell::metadata()?;
    let folder = metadata["target_directory"].as_str().context("cargo names no target folder")?;
    Ok(PathBuf::from(folder))
}

/// The tool, in a Python environment of its own.
fn install(target: &Path) -> Result<PathBuf> {
    let home = target.join("fuzz-venv");
    let tool = home.join("bin/schemathesis");
    if !tool.exists() {
        println!("installing {SCHEMATHESIS} (PyPI) into {}", home.display());
        shell::run(shell::program("python3")?.args(["-m", "venv"]).arg(&home))?;
        let mut pip = shell::program(home.join("bin/pip"))?;
        pip.args(["install", "-q", "--disable-pip-version-check", SCHEMATHESIS]).args(READERS);
        shell::run(&mut pip)?;
    }
    Ok(tool)
}

/// A server of our own, with cheap hashes and without throttles; stopped when dropped.
struct Server {
    child: Child,
    address: String,
    binary: PathBuf,
    data: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let data = folder.join("data");
        let mut serve = shell::program(binary)?;
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        serve.args(["--api", "bcrypt_cost=4"]);
        for name in
            ["registrations", "logins", "wrong_passwords", "chat", "unknown_codes", "resets"]
        {
            serve.args(["--api", &format!("throttles.{name}.burst=0")]);
        }
        let log = fs::File::create(folder.join("server.log"))?;
        let mut child = serve.stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").map(str::to_owned);
        let address = address.with_context(|| format!("the server did not start: {line:?}"))?;
        Ok(Self { child, address, binary: binary.to_owned(), data })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// An administrator with a room in which something was said, and somebody else; the file that
    /// tells the tool of them.
    fn prepare(&self, folder: &Path) -> Result<PathBuf> {
        let mut bootstrap = shell::program(&self.binary)?;
        let secret =
            shell::output(bootstrap.args(["admin", "bootstrap", "--data"]).arg(&self.data))?;
        let body = json!({ "secret": secret.trim(), "username": "root",
            "email": "root@example.org", "password": PASSWORD });
        let root = self.created("/api/v1/admin/bootstrap", &body, None)?;
        let token = root["token"].as_str().context("no token")?.to_owned();
        let body = json!({ "username": "bob", "email": "bob@example.org", "password": PASSWORD });
        let bob = self.created("/api/v1/users", &body, None)?;
        let room = self.created("/api/v1/rooms", &json!({ "guests": true }), Some(&token))?;
        let code = room["room_code"].as_str().context("no room code")?;
        let base = format!("/api/v1/rooms/{code}");
        let bobs = bob["token"].as_str();
        self.created(&format!("{base}/participants"), &json!({}), bobs)?;
        let body = json!({ "consent": true });
        let consent = self.ask("PUT", &format!("{base}/captions/me"), Some(&body), Some(&token))?;
        ensure!(consent.0 == 204, "captions could not be switched on: {}", consent.1);
        let said = json!({ "msg_content": "hello" });
        let said = self.created(&format!("{base}/messages"), &said, Some(&token))?;
        let mut typed = Value::Null;
        for text in NASTY {
            let body = json!({ "ts_content": text });
            typed = self.created(&format!("{base}/transcripts"), &body, Some(&token))?;
        }
        self.read_exports(folder, &base, &token)?;
        let file = folder.join("schemathesis.toml");
        let hooks = folder.join("fuzz_hooks.py");
        fs::write(&hooks, HOOKS)?;
        let at = |path: &str, id: &Value| {
            format!(
                "[[operations]]\ninclude-path-regex = \"{path}\"\nparameters = {{ id = {id}, \
                 code = \"{code}\", user_id = {} }}\n",
                bob["user"]["id"]
            )
        };
        let text = [
            format!("hooks = {:?}\n", hooks.display().to_string()),
            format!("headers = {{ Authorization = \"Bearer {token}\" }}\n"),
            at("^/api/v1/users/", &bob["user"]["id"]),
            at("/messages", &said["id"]),
            at("/transcripts", &typed["id"]),
            at(
                "/rooms/[^/]+($|/[a-z]*$|/(participants|captions|frames)/|/transcript\\\\.)",
                &json!(1),
            ),
            format!("[checks.negative_data_rejection]\nexpected-statuses = [{REFUSALS}]\n"),
        ];
        fs::write(&file, text.concat())?;
        Ok(file)
    }

    /// The exports, as readers of others take them.
    fn read_exports(&self, folder: &Path, base: &str, token: &str) -> Result<()> {
        let mut read = shell::program(folder.with_file_name("fuzz-venv").join("bin/python"))?;
        read.args(["-c", READ]);
        for ending in ["vtt", "srt"] {
            let path = format!("{base}/transcript.{ending}");
            let (status, text) = self.text("GET", &path, None, Some(token))?;
            ensure!(status == 200, "GET {path} was answered with {status}: {text}");
            let file = folder.join(format!("transcript.{ending}"));
            fs::write(&file, text)?;
            read.arg(file);
        }
        let counted = shell::output(&mut read)?;
        let count = NASTY.len();
        println!("captions of {count} that webvtt-py and srt read: {}", counted.trim());
        ensure!(counted.trim() == format!("{count} {count}"), "an export was read otherwise");
        Ok(())
    }

    fn created(&self, path: &str, body: &Value, token: Option<&str>) -> Result<Value> {
        let (status, answer) = self.ask("POST", path, Some(body), token)?;
        ensure!(status == 201, "POST {path} was answered with {status}: {answer}");
        Ok(answer)
    }

    /// One request; its status and its JSON.
    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<(u16, Value)> {
        let (status, text) = self.text(method, path, body, token)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// One request; its status and its body.
    fn text(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<(u16, String)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}Content-Type: \
             application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            bearer.unwrap_or_default(),
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }
}
