//! `signcall demo`: the whole path in a temporary folder, over real HTTP, with two users and
//! synthetic signing; it fails unless all of it held.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use recognizer::synthetic;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::replay;
use crate::client::{self, Client, Live, LiveEvent, Login, Pace};
use crate::config::Options;
use crate::server::Server;
use crate::{shutdown, telemetry};

/// What is signed.
const SENTENCE: [&str; 5] = ["hello", "i", "get", "coffee", "please"];
/// Of the small differences between one signing and the next.
const SEED: u64 = 7;
/// What the second user is told before the signing.
const GREETING: &str = "Hello! I sign, you read.";
/// The last caption comes at most this long after the last frame.
const LAST_CAPTION_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave the server up afterwards and print its address and a log-in
    #[arg(long)]
    keep: bool,
    /// Where to answer HTTP; a free port, unless given
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let folder = tempfile::Builder::new().prefix("signcall-demo-").tempdir()?;
        let config = Options {
            data: Some(folder.path().to_owned()),
            listen: Some(self.listen),
            log_level: Some("warn".to_owned()),
            ..Options::default()
        }
        .over_defaults()?;
        telemetry::start(&config)?;
        // An interrupted demo cleans up as well.
        let interrupted = shutdown::on_signal()?;
        println!("data folder  {} (temporary)", folder.path().display());
        let server = Server::start(&config).await?;
        let address = server.address().context("the server has no address")?;
        let url = format!("http://{address}");
        println!("server       {url} (all roles in this process)");
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run_until(stop.clone()));
        let walked = tokio::select! {
            walked = walk(&url) => walked,
            () = interrupted.cancelled() => Err(anyhow!("interrupted")),
        };
        if let (Ok(visit), true) = (&walked, self.keep) {
            println!("\nThe server stays up until Ctrl-C. Log in at {url} as");
            println!(
                "  {} / {}   or   {} / {}",
                visit.signer.name, visit.signer.password, visit.reader.name, visit.reader.password
            );
            println!("  room {}", visit.room);
            interrupted.cancelled().await;
        }
        stop.cancel();
        running.await??;
        walked?;
        println!("replay       rebuilding the tables from the log, comparing row by row");
        let report = replay::run(&config, true).await?;
        ensure!(report.differing_rows == 0, "the rebuilt tables differ from the live ones");
        println!("replay       equal");
        what_next();
        Ok(ExitCode::SUCCESS)
    }
}

/// What a walk leaves behind.
struct Visit {
    signer: Person,
    reader: Person,
    room: String,
}

struct Person {
    name: &'static str,
    password: String,
    login: Login,
}

async fn walk(url: &str) -> Result<Visit> {
    let anonymous = Client::new(url, None)?;
    let signer = arrive(&anonymous, "sam").await?;
    let reader = arrive(&anonymous, "rita").await?;
    let (sam, rita) =
        (anonymous.with_token(&signer.login.token), anonymous.with_token(&reader.login.token));
    let room = sam.create_room().await?.room_code;
    rita.join(&room).await?;
    println!("room         {room}: {} opened it, {} joined", signer.name, reader.name);
    let mut live = rita.live(&room).await?;
    sam.say(&room, GREETING).await?;
    wait_for_message(&mut live).await?;
    println!("chat         {}: {GREETING}", signer.name);
    sam.consent(&room).await?;
    println!("captions     {} switched them on for their own signing", signer.name);
    let frames = synthetic::sentence(&SENTENCE, SEED)?;
    println!(
        "signing      synthetic, {} frames at real pace: {}",
        frames.len(),
        SENTENCE.join(" ")
    );
    println!("             (average movements learned in training, with varied timing and noise)");
    let sending = tokio::spawn({
        let (sam, room) = (sam.clone(), room.clone());
        async move { client::send(&sam, &room, "demo", &frames, Pace::Real, |_| {}).await }
    });
    watch_captions(&mut live, signer.login.user.id).await?;
    sending.await??;
    let transcript = rita.transcripts(&room).await?;
    for line in &transcript {
        ensure!(line.user_id == Some(signer.login.user.id), "a caption has the wrong signer");
    }
    let words: Vec<&str> =
        transcript.iter().filter_map(|line| line.ts_content.as_deref()).collect();
    println!("transcript   {}: {}", signer.name, words.join(" "));
    ensure!(words == SENTENCE, "the transcript is {words:?}, but {SENTENCE:?} was signed");
    ensure!(rita.messages(&room).await? == [GREETING], "the chat is not what was said");
    Ok(Visit { signer, reader, room })
}

async fn arrive(anonymous: &Client, name: &'static str) -> Result<Person> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).context("no random numbers")?;
    let password = hex::encode(random);
    let login = anonymous.register(name, &password).await?;
    println!("registered   {name}");
    Ok(Person { name, password, login })
}

async fn wait_for_message(live: &mut Live) -> Result<()> {
    let message = async {
        loop {
            if let LiveEvent::Message(text) = live.next().await? {
                return anyhow::Ok(text);
            }
        }
    };
    let text =
        timeout(LAST_CAPTION_WITHIN, message).await.context("the chat message did not come")??;
    ensure!(text == GREETING, "the chat message came as {text:?}");
    Ok(())
}

/// Prints captions as they come until the whole sentence was final.
async fn watch_captions(live: &mut Live, signer: u64) -> Result<()> {
    let mut finals = 0;
    let mut shown = String::new();
    while finals < SENTENCE.len() {
        let event = timeout(LAST_CAPTION_WITHIN, live.next()).await;
        match event.context("no caption came for a while")?? {
            LiveEvent::Partial { user, text } if user == signer && text != shown => {
                println!("  partial    {text} …");
                shown = text;
            }
            LiveEvent::Final { user, text } => {
                ensure!(user == Some(signer), "a caption came under the wrong name");
                println!("  final      {text}");
                finals += 1;
                if finals > SENTENCE.len() {
                    bail!("more was written down than was signed");
                }
            }
            LiveEvent::Partial { .. } | LiveEvent::Message(_) | LiveEvent::Other => {}
        }
    }
    Ok(())
}

fn what_next() {
    println!("\nAll of it held. What to try next:");
    println!("  signcall serve --data ./data                 a server of your own");
    println!("  signcall admin bootstrap --data ./data       its first administrator");
    println!("  signcall play CLIP.pose --room CODE --token TOKEN   real clips into a room");
    println!("  signcall replay --verify --data ./data       the tables equal the log");
    println!("  signcall demo --keep                         this server again, and it stays");
}
