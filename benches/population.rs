//! Users and rooms written straight into a log, with one precomputed password hash: ten thousand
//! registrations over HTTP would measure bcrypt.

use std::path::Path;

use anyhow::{Context as _, bail};
use decider::{Writer, system_clock};
use events::command::Created;
use events::room::Settings;
use events::room::command::{create, join};
use events::user::TokenKind;
use events::user::command::{register, token};
use events::{Actor, Clear, Command, CommandId, Envelope, RoomCode, RoomId, UserId};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use streams::{Commands, Log, commands};
use tokio::sync::oneshot;
use uuid::Uuid;
use vault::{Secrets, Vault};

/// A bcrypt hash that no password matches.
const NOBODYS_HASH: &str = "$2b$04$......................0000000000000000000000000000000";
/// How long the tokens are good.
const TOKEN_S: u32 = 3600;
const TOKEN_CAP_S: u32 = 43_200;
/// Commands on their way at once.
const AT_ONCE: usize = 2048;

/// A user who is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// A bearer token.
    pub token: String,
}

/// A room, and who is in it: the first one owns it.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// Which.
    pub id: RoomId,
    /// What stands in paths.
    pub code: RoomCode,
    /// Indices of people.
    pub members: Vec<usize>,
}

/// Everybody, and where they are.
#[derive(Debug, Clone)]
pub struct Population {
    /// All users.
    pub people: Vec<Person>,
    /// All rooms.
    pub rooms: Vec<Meeting>,
}

/// Writes `people` users into `log`; each is in one of `rooms` rooms. The data folder gets its
/// secrets and its vault, if it has none.
pub async fn settle(
    log: &Log,
    data: &Path,
    people: usize,
    rooms: usize,
) -> anyhow::Result<Population> {
    let vault = format!("sqlite:{}", data.join("vault.db").display());
    settle_with(log, data, &vault, people, rooms).await
}

/// As [`settle`], with the vault at this address.
pub async fn settle_with(
    log: &Log,
    data: &Path,
    vault: &str,
    people: usize,
    rooms: usize,
) -> anyhow::Result<Population> {
    let folder = data.join("secrets");
    let secrets =
        if Secrets::exist(&folder) { Secrets::open(&folder)? } else { Secrets::init(&folder)? };
    let vault = Vault::open(vault, &secrets).await?;
    let writer = Writer::open(log.clone(), vault.clone(), system_clock()).await?;
    let (commands, queue) = commands::local();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(writer.run(queue, async {
        // A stopper that is gone stops it too.
        let _ = stopped.await;
    }));
    let population = make(&commands, &secrets, people, rooms).await;
    let _ = stop.send(());
    running.await?;
    vault.close().await;
    population
}

async fn make(
    commands: &Commands,
    secrets: &Secrets,
    people: usize,
    rooms: usize,
) -> anyhow::Result<Population> {
    let mut random = StdRng::from_rng(&mut rand::rng());
    let tokens: Vec<_> = (0..people)
        .map(|_| format!("{:016x}{:016x}", random.next_u64(), random.next_u64()))
        .collect();
    let registrations = tokens.iter().enumerate().map(|(n, token)| {
        let (username, email) = (format!("person{n}"), format!("person{n}@example.org"));
        let register = register::Register {
            username_digest: secrets.username_digest(&username),
            email_digest: secrets.email_digest(&email),
            username: Clear::new(username),
            email: Clear::new(email),
            password_hash: Clear::new(NOBODYS_HASH),
            bootstrap: false,
            token: token::NewToken {
                digest: vault::token_digest(token),
                kind: TokenKind::Api,
                lifetime_s: TOKEN_S,
                cap_s: TOKEN_CAP_S,
            },
        };
        (Actor::Anonymous, register.into())
    });
    let mut made = Vec::with_capacity(people);
    for (created, token) in submit(commands, registrations.collect()).await?.into_iter().zip(tokens)
    {
        let Created::User(id) = created else { bail!("registering made {created:?}") };
        made.push(Person { id, token });
    }
    let codes: Vec<_> = (0..rooms).map(|_| RoomCode::from_random(random.next_u64())).collect();
    let creations = made.iter().zip(&codes).map(|(owner, code)| {
        let create = create::Create { code: *code, settings: Settings::default() };
        (Actor::User(owner.id), create.into())
    });
    let mut meetings = Vec::with_capacity(rooms);
    for (n, created) in submit(commands, creations.collect()).await?.into_iter().enumerate() {
        let Created::Room(id) = created else { bail!("creating a room made {created:?}") };
        let members = (n..people).step_by(rooms).collect();
        meetings.push(Meeting { id, code: codes[n], members });
    }
    let joins = made.iter().enumerate().skip(rooms).map(|(n, person)| {
        (Actor::User(person.id), join::Join { room: meetings[n % rooms].id }.into())
    });
    submit(commands, joins.collect()).await?;
    Ok(Population { people: made, rooms: meetings })
}

/// Submits in order; what each made.
async fn submit(commands: &Commands, asked: Vec<(Actor, Command)>) -> anyhow::Result<Vec<Created>> {
    let mut made = Vec::with_capacity(asked.len());
    for some in asked.chunks(AT_ONCE) {
        let sent = some.iter().map(|(actor, command)| {
            commands.submit(Envelope {
                id: CommandId::from_uuid(Uuid::new_v4()),
                actor: *actor,
                correlation: None,
                causation: None,
                body: None,
                command: command.clone(),
            })
        });
        for outcome in join_all(sent).await {
            made.push(outcome??.created.context("the command made nothing")?);
        }
    }
    Ok(made)
}
