//! Starts, kills and restarts `signcall` processes in the set-ups that the product promises.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::{Duration, Instant};

use projector::testing::PrivatePostgres;
use streams::testing::NatsServer;
use tempfile::TempDir;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long a process may take to be ready, on a busy machine.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long a clean stop may take, as the product promises.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Which processes there are, and on what they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// One process, embedded log, SQLite.
    OneProcess,
    /// Three processes on NATS, with SQLite.
    ThreeOnNats,
    /// Four processes on NATS, with PostgreSQL.
    FourOnNatsAndPostgres,
}

impl Setup {
    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::OneProcess => &["api,decider,projector,recognizer,reactor"],
            Self::ThreeOnNats => &["api", "decider,projector", "recognizer"],
            Self::FourOnNatsAndPostgres => &["api", "decider", "projector", "recognizer"],
        }
    }
}

/// One installation at a time: deadlines mean something only on a machine that is not overrun.
static ALONE: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);

/// A running installation, gone when dropped.
pub(crate) struct World {
    pub(crate) processes: Vec<Process>,
    /// Where the API answers.
    pub(crate) url: String,
    /// The tables' address.
    pub(crate) database: String,
    nats: Option<NatsServer>,
    _postgres: Option<Arc<PrivatePostgres>>,
    /// What every process is told besides.
    more: Vec<String>,
    folder: TempDir,
    _alone: OwnedMutexGuard<()>,
}

/// One `signcall` process.
pub(crate) struct Process {
    pub(crate) roles: &'static str,
    arguments: Vec<String>,
    errors: PathBuf,
    child: Child,
}

/// The binary with a clean environment.
pub(crate) fn signcall() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signcall"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGNCALL_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    signcall().args(arguments).output().unwrap()
}

impl World {
    /// Starts a set-up; a note and `None` where its services are missing.
    pub(crate) async fn start(test: &str, setup: Setup) -> Option<Self> {
        Self::start_with(test, setup, &[]).await
    }

    /// As [`Self::start`], each process with these arguments more.
    pub(crate) async fn start_with(test: &str, setup: Setup, more: &[&str]) -> Option<Self> {
        let alone = Arc::clone(&ALONE).lock_owned().await;
        let folder = tempfile::tempdir().unwrap();
        let (mut nats, mut postgres) = (None, None);
        if setup != Setup::OneProcess {
            nats = Some(NatsServer::for_test(test).await.unwrap()?);
        }
        if setup == Setup::FourOnNatsAndPostgres {
            postgres = Some(PrivatePostgres::for_test(test).await.unwrap()?);
        }
        let database = match &postgres {
            Some(server) => server.database().await.unwrap(),
            None => format!("sqlite:{}", folder.path().join("data/tables.db").display()),
        };
        let mut world = Self {
            processes: vec![],
            url: String::new(),
            database,
            nats,
            _postgres: postgres,
            more: more.iter().map(|text| (*text).to_owned()).collect(),
            folder,
            _alone: alone,
        };
        if setup != Setup::OneProcess {
            let made = signcall().arg("init").arg("--data").arg(world.data()).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        // The decider first: the others ask it.
        for roles in setup.roles().iter().rev() {
            let process = Process::start(roles, world.arguments(roles), world.folder());
            world.processes.push(process);
        }
        for process in &mut world.processes {
            if let Some(url) = process.wait_until_ready() {
                world.url = url;
            }
        }
        world.keep_the_port();
        Some(world)
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What every process and every offline command of this installation is told.
    pub(crate) fn shared(&self) -> Vec<String> {
        let data = self.data();
        let mut shared = vec!["--data".to_owned(), data.display().to_string()];
        shared.extend(["--database".to_owned(), self.database.clone()]);
        if let Some(nats) = &self.nats {
            shared.extend(["--log".to_owned(), nats.url()]);
        }
        shared
    }

    /// What a process of these roles is started with.
    pub(crate) fn arguments(&self, roles: &str) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(self.shared());
        let fixed = ["--roles", roles, "--listen", "127.0.0.1:0", "--api", "bcrypt_cost=4"];
        arguments.extend(fixed.map(str::to_owned));
        arguments.extend(self.more.clone());
        arguments
    }

    /// A restarted API answers where it answered before.
    fn keep_the_port(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        for process in &mut self.processes {
            for argument in &mut process.arguments {
                if argument == "127.0.0.1:0" {
                    argument.clone_from(&address);
                }
            }
        }
    }

    /// Where the NATS server keeps its streams, if there is one.
    pub(crate) fn nats_store(&self) -> Option<PathBuf> {
        self.nats.as_ref().map(NatsServer::store)
    }

    /// A folder for the test's own files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills a process as hard as can be, and starts it again.
    pub(crate) fn kill_and_restart(&mut self, victim: usize) {
        tokio::task::block_in_place(|| self.processes[victim].kill_and_restart());
    }

    /// Stops NATS, lets its files be changed, and starts it again.
    pub(crate) async fn change_nats_store(&mut self, change: impl FnOnce(&Path)) {
        let nats = self.nats.as_mut().unwrap();
        nats.kill();
        change(&nats.store());
        nats.restart().await.unwrap();
    }

    /// Starts the processes again after [`Self::stop`].
    pub(crate) fn start_again(&mut self) {
        tokio::task::block_in_place(|| {
            for process in &mut self.processes {
                process.kill_and_restart();
            }
        });
    }

    /// Runs an offline command of this installation.
    pub(crate) fn offline(&self, command: &[&str]) -> Output {
        signcall().args(command).args(self.shared()).output().unwrap()
    }

    /// Stops every process and checks that each ends cleanly and in time.
    pub(crate) fn stop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let status = process.terminate();
            assert!(status.success(), "{} ended with {status}", process.roles);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in &self.processes {
                eprintln!("---- {} said:\n{}", process.roles, process.errors());
            }
        }
    }
}

impl Process {
    /// Starts a process; what it says on standard error goes to a file.
    pub(crate) fn start(roles: &'static str, arguments: Vec<String>, folder: &Path) -> Self {
        let errors = folder.join(format!("{}.log", roles.replace(',', "-")));
        let child = spawn(&arguments, &errors);
        Self { roles, arguments, errors, child }
    }

    /// Waits for the line that says so; the address, if this process answers HTTP.
    pub(crate) fn wait_until_ready(&mut self) -> Option<String> {
        let Some(output) = self.child.stdout.take() else { panic!("{} was awaited", self.roles) };
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        match lines.recv_timeout(READY_WITHIN) {
            Ok(line) => line.strip_prefix("listening on ").map(str::to_owned),
            Err(why) => panic!("{} is not ready, {why}:\n{}", self.roles, self.errors()),
        }
    }

    fn kill_and_restart(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.child = spawn(&self.arguments, &self.errors);
        self.wait_until_ready();
    }

    /// Ends it by SIGTERM.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        wait(&mut self.child, STOP_WITHIN)
            .unwrap_or_else(|| panic!("{} does not stop:\n{}", self.roles, self.errors()))
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(&mut self, within: Duration) -> ExitStatus {
        wait(&mut self.child, within)
            .unwrap_or_else(|| panic!("{} runs on:\n{}", self.roles, self.errors()))
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// What it said.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String], errors: &Path) -> Child {
    let errors = File::options().create(true).append(true).open(errors).unwrap();
    signcall().args(arguments).stdout(Stdio::piped()).stderr(errors).spawn().unwrap()
}

/// The end of a process, if it comes in time.
pub(crate) fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + within;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}
