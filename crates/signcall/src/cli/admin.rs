//! `signcall admin`: what the operator of the machine may do, whoever is an administrator.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use decider::system_clock;
use events::sealed::label;
use events::user::command::account::ChangePassword;
use events::{Actor, Clear, CommandId, Envelope, KeyScope, SystemRole};

use crate::config::{Config, Options};
use crate::server::Books;

/// Bytes of a password that are read from standard input.
const PASSWORD_BYTES_MAX: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Print a one-time secret, good for 15 minutes, with which the first administrator registers
    Bootstrap {
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Give a user another password and end all their log-ins; the server may run or not
    ResetPassword {
        /// Who
        username: String,
        /// Read the new password from standard input, instead of making one and printing it
        #[arg(long)]
        stdin: bool,
        #[command(flatten)]
        options: Box<Options>,
    },
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Bootstrap { options } => bootstrap(&options.resolve()?),
            Self::ResetPassword { username, stdin, options } => {
                reset_password(&username, stdin, &options.resolve()?).await
            }
        }
    }
}

fn bootstrap(config: &Config) -> Result<ExitCode> {
    config.open_secrets().context("there is no server's data here")?;
    let secret = api::bootstrap::issue(&config.bootstrap_file(), system_clock()())?;
    println!("{}", secret.expose());
    eprintln!("good for 15 minutes, once: POST /api/v1/admin/bootstrap, or the page's first visit");
    Ok(ExitCode::SUCCESS)
}

async fn reset_password(username: &str, stdin: bool, config: &Config) -> Result<ExitCode> {
    let password = if stdin { read_line()? } else { made_up()? };
    let books = Books::open_existing(config).await?;
    let digest = books.secrets.username_digest(username);
    let found = books.follower().await?.read(|state| {
        let user = state.users.by_username(digest)?;
        Some((user, state.users.get(user)?.email.clone()))
    });
    let Some((user, sealed)) = found else { bail!("there is no user {username:?}") };
    let label = label("user.email", user.get());
    let email = books.vault.read(KeyScope::User(user), &label, &sealed).await?.into_text();
    let names = [username, email.as_deref().unwrap_or_default()];
    let cost = config.api.bcrypt_cost;
    let hash = api::hash_new_password(&books.secrets, cost, &names, &password).await?;
    let change = ChangePassword { user, password_hash: Clear::new(hash), passwords: None };
    let envelope = Envelope {
        id: CommandId::from_uuid(uuid::Uuid::new_v4()),
        actor: Actor::System(SystemRole::Operator),
        correlation: None,
        causation: None,
        body: None,
        command: change.into(),
    };
    books.decide(envelope).await??;
    if !stdin {
        println!("{password}");
    }
    eprintln!("{username} has a new password; all their log-ins have ended");
    Ok(ExitCode::SUCCESS)
}

/// 120 random bits, which no policy finds too easy.
fn made_up() -> Result<String> {
    let mut random = [0; 15];
    getrandom::fill(&mut random).context("no secure random numbers")?;
    Ok(hex::encode(random))
}

fn read_line() -> Result<String> {
    eprint!("new password: ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    let input = std::io::stdin().lock().take(PASSWORD_BYTES_MAX);
    BufReader::new(input).read_line(&mut line).context("cannot read standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "no password was given");
    Ok(password.to_owned())
}
