//! Configuration, once: defaults < file < environment < flags, in one struct that `main` reads.
//!
//! Every option has one name in three spellings: `--nats-user`, `SIGNCALL_NATS_USER`, and
//! `nats_user` in the file. The table below is the only list of them.

mod api_table;
mod otlp;
mod secrets;
mod value;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use reactor::mail::MailConfig;
use recognizer::cuda::Place;
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};

pub(crate) use otlp::Otlp;
pub(crate) use value::{LogFormat, LogPlace, Part, Role, Roles, Secret, ServiceUrl};

/// Largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Variables that are read elsewhere: by `play`, by tests and benchmarks.
const NOT_OPTIONS: [&str; 8] = [
    "SIGNCALL_CONFIG",
    "SIGNCALL_TOKEN",
    "SIGNCALL_NATS_SERVER",
    "SIGNCALL_NATS_SERVER_OLD",
    "SIGNCALL_PG_BIN",
    "SIGNCALL_SKIPS",
    "SIGNCALL_BROWSER",
    "SIGNCALL_MACHINE",
];

macro_rules! options {
    (
        defaulted { $($(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $env:literal, $shown:literal;)* }
        optional { $($(#[$odoc:meta])* $oname:ident: $otype:ty, $oenv:literal, $oshown:literal;)* }
    ) => {
        /// What one layer (the file, or environment and flags) says.
        #[derive(Debug, Clone, Default, clap::Args, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Options {
            /// A file with options, as `name = value` lines (TOML)
            #[arg(long, env = "SIGNCALL_CONFIG", value_name = "FILE")]
            #[serde(skip)]
            pub(crate) config: Option<PathBuf>,
            /// A limit or choice of the HTTP side, such as bcrypt_cost=13 (see `config check`)
            #[arg(long = "api", value_name = "KEY=VALUE", value_parser = api_table::assignment)]
            #[serde(skip)]
            pub(crate) api_set: Vec<api_table::Assignment>,
            /// The file's table of the HTTP side.
            #[arg(skip)]
            pub(crate) api: toml::Table,
            $($(#[$doc])* #[arg(long, env = $env, value_name = $shown, hide_env_values = true)]
            pub(crate) $name: Option<$type>,)*
            $($(#[$odoc])* #[arg(long, env = $oenv, value_name = $oshown, hide_env_values = true)]
            pub(crate) $oname: Option<$otype>,)*
        }

        /// The whole configuration, as it holds.
        #[derive(Debug, Clone, Serialize)]
        pub(crate) struct Config {
            $($(#[$doc])* pub(crate) $name: $type,)*
            $($(#[$odoc])* #[serde(skip_serializing_if = "Option::is_none")]
            pub(crate) $oname: Option<$otype>,)*
            /// The limits and choices of the HTTP side.
            pub(crate) api: api::ApiConfig,
        }

        const VARIABLES: &[&str] = &[$($env,)* $($oenv,)*];

        impl Options {
            /// Fills the gaps: what the flags and the environment leave open, the file says; what
            /// the file leaves open, the defaults.
            fn over(self, file: Self, variables: &[(String, String)]) -> Result<Config> {
                let api = api_table::resolve(file.api, variables, self.api_set)?;
                $(let $name = self.$name.or(file.$name).unwrap_or_else(|| $default);)*
                Ok(Config { $($name,)* $($oname: self.$oname.or(file.$oname),)* api })
            }
        }
    };
}

options! {
    defaulted {
        /// The folder that holds everything of one server [default: signcall-data]
        data: PathBuf = PathBuf::from("signcall-data"), "SIGNCALL_DATA", "DIR";
        /// Where to answer HTTP; port 0 takes a free one [default: 127.0.0.1:8080]
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)), "SIGNCALL_LISTEN", "ADDR";
        /// The log: `embedded` (in the data folder, the default), or nats://HOST:PORT
        log: LogPlace = LogPlace::Embedded, "SIGNCALL_LOG", "PLACE";
        /// The tables: sqlite:FILE or postgres://… [default: DATA/tables.db]
        database: ServiceUrl = ServiceUrl::sqlite(&data.join("tables.db")), "SIGNCALL_DATABASE", "URL";
        /// The keys of personal data: sqlite:FILE or postgres://… [default: DATA/vault.db]
        vault: ServiceUrl = ServiceUrl::sqlite(&data.join("vault.db")), "SIGNCALL_VAULT", "URL";
        /// The folder of secrets that `signcall init` makes [default: DATA/secrets]
        secrets: PathBuf = data.join("secrets"), "SIGNCALL_SECRETS", "DIR";
        /// What this process does: api, decider, projector, recognizer, reactor [default: all]
        roles: Roles = Roles::all(), "SIGNCALL_ROLES", "LIST";
        /// How log lines look [default: text]
        log_format: LogFormat = LogFormat::Text, "SIGNCALL_LOG_FORMAT", "FORMAT";
        /// Which log lines appear, such as `info,decider=debug` [default: info]
        log_level: String = "info".to_owned(), "SIGNCALL_LOG_LEVEL", "FILTER";
        /// What the names of this installation on NATS begin with [default: signcall]
        nats_prefix: String = "signcall".to_owned(), "SIGNCALL_NATS_PREFIX", "NAME";
        /// On how many NATS servers each stream lies [default: 1]
        nats_replicas: usize = 1, "SIGNCALL_NATS_REPLICAS", "N";
        /// Whether a copy of the log's blocks is kept beside the tables when the log is on NATS, from
        /// which a tail that the servers have lost can be brought back [default: true]
        event_archive: bool = true, "SIGNCALL_EVENT_ARCHIVE", "BOOL";
        /// The model that writes captions where a room names none and `signcall model default` chose
        /// none: a built-in one, or a folder. All others that are there are served beside it
        /// [default: asl-basic]
        model: String = "asl-basic".to_owned(), "SIGNCALL_MODEL", "NAME|DIR";
        /// What the models are computed on: `cpu`, or `cuda:N`, which takes the binary signcall-cuda
        /// [default: cpu]
        device: Place = Place::Cpu, "SIGNCALL_DEVICE", "DEVICE";
        /// How many copies of the model work at once on the CPU, each on a thread of its own
        /// [default: one less than there are cores]
        recognizer_engines: NonZeroUsize = engines(), "SIGNCALL_RECOGNIZER_ENGINES", "N";
        /// Which part of the rooms this recognizer serves, such as 2/3: the second of three [default:
        /// 1/1]
        recognizer_part: Part = Part::ALL, "SIGNCALL_RECOGNIZER_PART", "I/N";
        /// How many of all traces are exported, 0 to 1: the same ones by every process [default: 1]
        otlp_share: f64 = 1.0, "SIGNCALL_OTLP_SHARE", "SHARE";
    }
    optional {
        /// The key that wraps all keys of personal data, 64 hexadecimal characters, if it is not to lie
        /// in the folder of secrets; a command line can be seen by others
        key_encryption_key: Secret, "SIGNCALL_KEY_ENCRYPTION_KEY", "KEY";
        /// A file with that key, such as a secret of Docker's or Kubernetes', or a credential of systemd
        key_encryption_file: PathBuf, "SIGNCALL_KEY_ENCRYPTION_FILE", "FILE";
        /// The server's certificate and those between it and the root (PEM); switches TLS on, and is
        /// read again at SIGHUP
        tls_cert: PathBuf, "SIGNCALL_TLS_CERT", "FILE";
        /// The certificate's private key (PEM)
        tls_key: PathBuf, "SIGNCALL_TLS_KEY", "FILE";
        /// The secret shared with the TURN servers of [api.ice], for passwords that are good for a while
        turn_secret: Secret, "SIGNCALL_TURN_SECRET", "SECRET";
        /// The mail server that sends links for new passwords, such as
        /// smtps://USER:PASSWORD@HOST; without one, administrators hand them out
        smtp_url: Secret, "SIGNCALL_SMTP_URL", "URL";
        /// Who mail is from, such as `Signcall <calls@example.org>`
        mail_from: String, "SIGNCALL_MAIL_FROM", "ADDRESS";
        /// Where people reach the page, for links in mail, such as `https://call.example.org`
        public_url: String, "SIGNCALL_PUBLIC_URL", "URL";
        /// Where to serve metrics; nowhere, unless given
        metrics_listen: SocketAddr, "SIGNCALL_METRICS_LISTEN", "ADDR";
        /// A collector that takes traces over OTLP/HTTP, such as `http://127.0.0.1:4318`; none,
        /// unless given
        otlp_endpoint: String, "SIGNCALL_OTLP_ENDPOINT", "URL";
        /// What the collector has to be told with them: NAME=VALUE,NAME=VALUE, such as a key
        otlp_headers: Secret, "SIGNCALL_OTLP_HEADERS", "HEADERS";
        /// A file with the same, where neither flags nor environment may hold a key
        otlp_headers_file: PathBuf, "SIGNCALL_OTLP_HEADERS_FILE", "FILE";
        /// A NATS credentials file
        nats_credentials: PathBuf, "SIGNCALL_NATS_CREDENTIALS", "FILE";
        /// A file with a NATS nkey seed
        nats_nkey: PathBuf, "SIGNCALL_NATS_NKEY", "FILE";
        /// A NATS user
        nats_user: String, "SIGNCALL_NATS_USER", "NAME";
        /// That user's password
        nats_password: Secret, "SIGNCALL_NATS_PASSWORD", "PASSWORD";
        /// Certificates (PEM) that the NATS server's is checked against
        nats_tls_ca: PathBuf, "SIGNCALL_NATS_TLS_CA", "FILE";
    }
}

impl Options {
    /// These options over the defaults alone, whatever the environment says.
    pub(crate) fn over_defaults(self) -> Result<Config> {
        self.over(Self::default(), &[])
    }

    /// The effective configuration, or what is wrong with it. Variables that look like options and
    /// are none may be somebody else's: here they are told of, in [`Self::check`] they are errors.
    pub(crate) fn resolve(self) -> Result<Config> {
        let (config, unknown) = self.read_all()?;
        for name in unknown {
            eprintln!("warning: {}", no_option(&name));
        }
        Ok(config)
    }

    /// As [`Self::resolve`], and strict.
    pub(crate) fn check(self) -> Result<Config> {
        let (config, unknown) = self.read_all()?;
        match unknown.first() {
            Some(name) => bail!(no_option(name)),
            None => Ok(config),
        }
    }

    fn read_all(self) -> Result<(Config, Vec<String>)> {
        let variables = Variables::sort(std::env::vars_os());
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let config = self.over(file, &variables.api)?;
        config.check()?;
        Ok((config, variables.unknown))
    }
}

fn no_option(name: &str) -> String {
    format!("the environment has {name}, which is no option; `signcall serve --help` lists them")
}

impl Config {
    /// Where the digest of the bootstrap secret lies while it is good.
    pub(crate) fn bootstrap_file(&self) -> PathBuf {
        self.secrets.join("bootstrap")
    }

    /// Where the page's landmarker lies once it is installed.
    pub(crate) fn landmarker_folder(&self) -> PathBuf {
        self.data.join("landmarker")
    }

    /// Where models that were brought lie.
    pub(crate) fn models_folder(&self) -> PathBuf {
        self.data.join(MODELS_FOLDER)
    }

    /// Makes the data folder if it is not there, for its owner alone.
    pub(crate) fn make_data_folder(&self) -> Result<()> {
        keep_files_private();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.data);
        made.with_context(|| format!("cannot make {}", self.data.display()))
    }

    /// Certificate and key, if TLS is on.
    pub(crate) fn tls(&self) -> Result<Option<api::Tls>> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(api::Tls::load(certificate, key)?)),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("tls_cert needs tls_key, the certificate's private key"),
            (None, Some(_)) => bail!("tls_key needs tls_cert, the certificate that it belongs to"),
        }
    }

    /// How mail leaves, if it does.
    pub(crate) fn mail(&self) -> Result<Option<MailConfig>> {
        let Some(smtp_url) = &self.smtp_url else { return Ok(None) };
        let from = self.mail_from.clone().context("smtp_url needs mail_from: who mail is from")?;
        let public_url = self.public_url.clone();
        let public_url = public_url.context("smtp_url needs public_url: where links lead to")?;
        Ok(Some(MailConfig { smtp_url: smtp_url.expose().to_owned(), from, public_url }))
    }

    /// What is contradictory although each value is fine.
    fn check(&self) -> Result<()> {
        self.tls()?;
        self.mail()?;
        if self.key_encryption_key.is_some() && self.key_encryption_file.is_some() {
            bail!("key_encryption_key and key_encryption_file: name one of them");
        }
        self.otlp()?;
        if self.roles.is_empty() {
            bail!("roles: name at least one of {}", Roles::all());
        }
        if !self.log.is_embedded() {
            return Ok(());
        }
        let has = |role| self.roles.contains(role);
        for role in [Role::Api, Role::Recognizer, Role::Reactor] {
            if has(role) && !has(Role::Decider) {
                bail!(
                    "roles: {role} without decider needs a log on NATS (log = {:?}): \
                     with the embedded log they run in one process",
                    self.log.to_string()
                );
            }
        }
        if has(Role::Recognizer) && !has(Role::Api) {
            bail!("roles: recognizer without api needs a log on NATS, which passes the frames on");
        }
        Ok(())
    }
}

/// From here on every file that this process makes is its owner's alone, wherever it lies: a log, a
/// vault, tables.
pub(crate) fn keep_files_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Of the data folder, where models that were brought lie.
pub(crate) const MODELS_FOLDER: &str = "models";

fn engines() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores - 1).unwrap_or(NonZeroUsize::MIN)
}

/// The variables with our prefix that clap does not read.
#[derive(Debug, Default)]
struct Variables {
    /// Of the HTTP side, with their values.
    api: Vec<(String, String)>,
    /// Misspelled, or somebody else's.
    unknown: Vec<String>,
}

impl Variables {
    fn sort(all: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut sorted = Self::default();
        for (name, value) in all {
            let name = name.to_string_lossy().into_owned();
            let known = VARIABLES.contains(&name.as_str()) || NOT_OPTIONS.contains(&name.as_str());
            if name.starts_with(api_table::VARIABLES) {
                sorted.api.push((name, value.to_string_lossy().into_owned()));
            } else if name.starts_with("SIGNCALL_") && !known {
                sorted.unknown.push(name);
            }
        }
        sorted
    }
}

fn read(file: &Path) -> Result<Options> {
    let text = read_text(file)?;
    toml::from_str(&text).with_context(|| format!("{} is not a configuration", file.display()))
}

/// A file that a person wrote.
fn read_text(file: &Path) -> Result<String> {
    let shown = file.display();
    let found = std::fs::metadata(file).with_context(|| format!("cannot read {shown}"))?;
    if found.len() > FILE_BYTES_MAX {
        bail!("{shown} has {} bytes, more than a configuration has", found.len());
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))
}

#[cfg(test)]
mod tests;
