//! `signcall` processes of a run's own: started, killed, started again, gone with their handle.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a process may take to be ready, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long files may take to be closed.
const RELEASED_WITHIN: Duration = Duration::from_secs(10);
/// How much of what a process said is told when it fails.
const LAST_WORDS: usize = 2000;

/// A process that says on its first line that it is ready.
pub struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    errors: PathBuf,
    child: Option<Child>,
}

/// The server's program: built beside this one.
pub fn signcall() -> anyhow::Result<PathBuf> {
    let mut folder = std::env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("signcall");
    if !program.is_file() {
        bail!("there is no {}: build it with `cargo build -p signcall`", program.display());
    }
    Ok(program)
}

/// A port of loopback that nobody listens on.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    /// Starts a process and waits until it is ready; what it says on standard error goes to
    /// `NAME.log` in `folder`.
    pub async fn start(
        program: &Path,
        arguments: Vec<String>,
        folder: &Path,
        name: &str,
    ) -> anyhow::Result<Self> {
        let errors = folder.join(format!("{name}.log"));
        let mut server = Self { program: program.to_owned(), arguments, errors, child: None };
        server.restart().await?;
        Ok(server)
    }

    /// Kills the process as hard as can be, if it runs.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Starts it, if need be killing it before, and waits until it is ready.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        let errors = File::options().create(true).append(true).open(&self.errors)?;
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SIGNCALL_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let output = child.stdout.take().context("standard output is piped")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let ready = timeout(READY_WITHIN, output.read_line(&mut line)).await;
        if !matches!(ready, Ok(Ok(1..))) {
            bail!("{:?} is not ready:\n{}", self.arguments, self.last_words());
        }
        self.child = Some(child);
        Ok(())
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?.is_some(),
            None => false,
        })
    }

    /// The end of what it said on standard error.
    pub fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let start = said.len().saturating_sub(LAST_WORDS);
        said.get(start..).unwrap_or(&said).to_owned()
    }
}

/// Waits until this process holds no file below `folder` open: handles of databases are closed by
/// threads of their own.
pub async fn released(folder: &Path) -> anyhow::Result<()> {
    let until = Instant::now() + RELEASED_WITHIN;
    loop {
        let open = std::fs::read_dir("/proc/self/fd")?
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .find(|path| path.starts_with(folder));
        let Some(path) = open else { return Ok(()) };
        if Instant::now() > until {
            bail!("{} is still open", path.display());
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Lets this process, and those it starts, have as many files open as the machine allows.
pub fn raise_file_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// What a process holds (`VmRSS`) or has held at most (`VmHWM`) in memory, in MiB to one decimal.
pub fn memory_mb(pid: u32, which: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib = kib.and_then(|kib| kib.trim().strip_suffix("kB"));
    let kib = kib.with_context(|| format!("{path} has no {which}"))?;
    Ok((kib.trim().parse::<f64>()? / 102.4).round() / 10.0)
}
