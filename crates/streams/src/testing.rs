//! A private nats-server for tests, on a free port and in a temporary folder, gone with its handle.
//! It can be killed and started again on the same data.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running (or killed) nats-server with JetStream.
pub struct NatsServer {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

/// Where nats-server is: `$SIGNCALL_NATS_SERVER`, else what `cargo xtask test` fetched, else `PATH`.
pub fn find_nats_server() -> Option<PathBuf> {
    let given = std::env::var_os("SIGNCALL_NATS_SERVER").map(PathBuf::from);
    given.or_else(fetched).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join("nats-server"))
            .find(|program| program.is_file())
    })
}

/// The newest of those in the workspace's cache.
fn fetched() -> Option<PathBuf> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache");
    let version = |folder: &Path| -> Option<Vec<u32>> {
        let name = folder.file_name()?.to_str()?;
        let numbers = name.strip_prefix("nats-server-")?.split('.');
        numbers.map(|number| number.parse().ok()).collect()
    };
    let folders = std::fs::read_dir(cache).ok()?.flatten().map(|entry| entry.path());
    let newest = folders.filter_map(|folder| Some((version(&folder)?, folder))).max()?;
    Some(newest.1.join("nats-server")).filter(|program| program.is_file())
}

/// Notes a test that could not run, and why, in the file that `$SIGNCALL_SKIPS` names.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED: {test}: {reason}\n");
    eprint!("{line}");
    let Some(path) = std::env::var_os("SIGNCALL_SKIPS") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("the skip can't be noted: {error}");
    }
}

impl NatsServer {
    /// Starts a server; without a program to start, notes the skip of `test` and gives `None`.
    pub async fn for_test(test: &str) -> io::Result<Option<Self>> {
        let Some(program) = find_nats_server() else {
            skip(test, "nats-server is not installed; cargo xtask test fetches it");
            return Ok(None);
        };
        Self::start(program, "").await.map(Some)
    }

    /// Starts `program` with lines added to its configuration, in which `$STORE` is where it keeps
    /// its streams, and waits until it answers.
    pub async fn start(program: PathBuf, configuration: &str) -> io::Result<Self> {
        Self::start_with(program, configuration, "").await
    }

    /// As [`Self::start`], with lines added to what the configuration says of JetStream.
    pub async fn start_with(
        program: PathBuf,
        configuration: &str,
        jetstream: &str,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let store = folder.path().join("store");
        let text = format!(
            "listen: 127.0.0.1:{port}\nSTORE: {:?}\n\
             jetstream {{ store_dir: $STORE\n{jetstream} }}\n{configuration}\n",
            store.display().to_string(),
        );
        std::fs::write(folder.path().join("nats.conf"), text)?;
        let mut server = Self { program, folder, port, child: None };
        server.restart().await?;
        Ok(server)
    }

    /// Starts `count` servers that know each other, if there is more than one, with the same lines
    /// added to the configuration of each. Which of them leads is not settled yet.
    pub async fn cluster(
        program: &Path,
        count: usize,
        configuration: &str,
    ) -> io::Result<Vec<Self>> {
        if count < 2 {
            return Ok(vec![Self::start(program.to_path_buf(), configuration).await?]);
        }
        let free = |_| std::net::TcpListener::bind("127.0.0.1:0");
        let listeners: Vec<_> = (0..count).map(free).collect::<Result<_, _>>()?;
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| Ok(listener.local_addr()?.port()))
            .collect::<io::Result<_>>()?;
        drop(listeners);
        let route = |port: &u16| format!("nats://127.0.0.1:{port}");
        let routes: Vec<String> = ports.iter().map(route).collect();
        let mut servers = Vec::new();
        for (index, port) in ports.iter().enumerate() {
            let configuration = format!(
                "server_name: n{index}\n\
                 cluster {{ name: test, listen: 127.0.0.1:{port}, routes: [{}] }}\n\
                 {configuration}",
                routes.join(", ")
            );
            servers.push(Self::start(program.to_path_buf(), &configuration).await?);
        }
        Ok(servers)
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the server keeps its streams.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Ends the server as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the server on its data, if need be killing it before, and waits until it answers.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let log = std::fs::File::create(self.folder.path().join("nats.log"))?;
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let child = self.child.insert(child);
        let deadline = Instant::now() + START_TIMEOUT;
        while !answers(self.port).await {
            if child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.path().join("nats.log"))?;
                return Err(io::Error::other(format!("nats-server does not answer:\n{log}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server greets who connects once it is up.
async fn answers(port: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut greeting = [0; 4];
    socket.read_exact(&mut greeting).await.is_ok() && &greeting == b"INFO"
}
