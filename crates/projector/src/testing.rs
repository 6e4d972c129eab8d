//! A private PostgreSQL for tests, on a free port and in a temporary folder, gone with its last
//! handle. PostgreSQL refuses to run as root: there it runs as the user `postgres`.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

pub use crate::rebuild::bare::write_bare;

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Who runs it when the tests run as root.
const UNPRIVILEGED: &str = "postgres";

/// A running server. Every test takes a database of its own from it. It can be killed, stopped and
/// started again on the same data.
pub struct PrivatePostgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
    databases: Mutex<u32>,
}

/// Where PostgreSQL's programs are: `$SIGNCALL_PG_BIN`, else the newest of Debian's folders.
pub fn find_postgres() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("SIGNCALL_PG_BIN") {
        return Some(given.into());
    }
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest =
        folders.filter_map(|folder| Some((version(&folder.path())?, folder.path()))).max()?;
    Some(newest.1.join("bin")).filter(|programs| programs.join("initdb").is_file())
}

impl PrivatePostgres {
    /// The server of this process, started if none is running; without programs to start, notes
    /// the skip of `test` and gives `None`.
    pub async fn for_test(test: &str) -> io::Result<Option<Arc<Self>>> {
        static RUNNING: tokio::sync::Mutex<Weak<PrivatePostgres>> =
            tokio::sync::Mutex::const_new(Weak::new());
        let Some(programs) = find_postgres() else {
            streams::testing::skip(test, "PostgreSQL is not installed");
            return Ok(None);
        };
        let mut running = RUNNING.lock().await;
        if let Some(server) = running.upgrade() {
            return Ok(Some(server));
        }
        let server = Arc::new(Self::start(programs).await?);
        *running = Arc::downgrade(&server);
        Ok(Some(server))
    }

    /// Starts a server of its own, and waits until it answers.
    pub async fn start(programs: PathBuf) -> io::Result<Self> {
        Self::start_in(programs, Self::folder()?).await
    }

    /// An empty folder for a server.
    pub fn folder() -> io::Result<PathBuf> {
        let made = unprivileged("mktemp").args(["-d", "-t", "signcall-pg-XXXXXX"]).output()?;
        Ok(PathBuf::from(String::from_utf8_lossy(&made.stdout).trim()))
    }

    /// The same in this folder, which everybody may write in, and which goes with the server.
    pub async fn start_in(programs: PathBuf, folder: PathBuf) -> io::Result<Self> {
        let data = folder.join("data");
        let initialized = unprivileged(programs.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=signcall", "--encoding=UTF8"])
            .args(["--locale=C", "-D"])
            .arg(&data)
            .output()?;
        if !initialized.status.success() {
            let said = String::from_utf8_lossy(&initialized.stderr).into_owned();
            return Err(io::Error::other(format!("initdb failed:\n{said}")));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = Self { programs, folder, port, child: None, databases: Mutex::new(0) };
        server.restart().await?;
        Ok(server)
    }

    /// Ends the server as a crash would: its first process by SIGKILL, upon which the others go.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // It may have ended by itself, which is what is wanted.
        if let Some(pid) = self.pid() {
            let _killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        let _killed = child.kill();
        let _ended = child.wait();
    }

    /// Stops the server as `pg_ctl stop -m MODE` does: `fast` ends sessions, `immediate` crashes.
    pub fn stop(&mut self, mode: &str) {
        let Some(mut child) = self.child.take() else { return };
        // Best effort: what fails here is found by the next start.
        let _stopped = unprivileged(self.programs.join("pg_ctl"))
            .args(["stop", "-m", mode, "-D"])
            .arg(self.folder.join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let _ended = child.wait();
    }

    /// Starts the server on its data, if need be killing it before, and waits until it answers.
    /// After a kill it is tried again until the last of the old sessions has gone.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?.is_some(),
                None => true,
            };
            if ended {
                self.child = Some(self.spawn()?);
            } else if PgConnection::connect(&self.url("postgres")).await.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the private PostgreSQL does not answer"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        unprivileged(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off"])
            .args(["-c", "full_page_writes=off", "-c", "max_connections=200"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }

    /// The number of its first process, which as root is not the one that was started here.
    fn pid(&self) -> Option<u32> {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://signcall@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database; returns its address.
    pub async fn database(&self) -> Result<String, sqlx::Error> {
        let name = {
            let mut made = self.databases.lock();
            *made += 1;
            format!("test_{made}")
        };
        let mut connection = PgConnection::connect(&self.url("postgres")).await?;
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        connection.close().await?;
        Ok(self.url(&name))
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // What fails here can only leave a temporary folder behind.
        self.stop("immediate");
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

/// A program to run as somebody who is not root.
fn unprivileged(program: impl AsRef<Path>) -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let mut command = if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", UNPRIVILEGED, "--"]).arg(program.as_ref());
        command
    } else {
        Command::new(program.as_ref())
    };
    command.current_dir("/");
    command
}
