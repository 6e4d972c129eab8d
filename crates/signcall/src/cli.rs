//! The command line: one file for each subcommand.

mod admin;
mod backup;
mod bench;
mod compact;
mod config;
mod demo;
mod doctor;
mod evaluate;
mod init;
mod keys;
mod log;
mod migrate;
mod model;
mod page;
mod play;
mod recognize;
#[cfg(test)]
mod reference;
mod replay;
mod rerecognize;
mod serve;
mod synthesize;
mod train;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Self-hosted backend for signed video calls: rooms, chat, and captions of what is signed.
#[derive(Debug, Parser)]
#[command(name = "signcall", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a data folder with its secrets
    Init(init::Args),
    /// Run the server, whole or some roles of it
    Serve(serve::Args),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Args),
    /// Look at everything that a server stands on, and say what to do about what is wrong
    Doctor(doctor::Args),
    /// Walk the whole path in a temporary folder, with synthetic signing
    Demo(demo::Args),
    /// Play .pose clips into a room, as if somebody signed there
    Play(play::Args),
    /// Write synthetic signing into a .pose file, to play without a camera
    Synthesize(synthesize::Args),
    /// Rebuild the tables from the log, or compare them with it
    Replay(replay::Args),
    /// Look into the log, check it, take it elsewhere; the server may run
    #[command(subcommand)]
    Log(log::Args),
    /// Copy log, keys, secrets and tables into a folder; the server may run
    Backup(backup::Args),
    /// Put back from a backup what is missing, and leave what is there
    Restore(backup::RestoreArgs),
    /// Rewrite the files without the remains of what was deleted
    Compact(compact::Args),
    /// Bring what an older version left up to date, or say why this one can't
    Migrate(migrate::Args),
    /// The keys of personal data
    #[command(subcommand)]
    Vault(keys::Args),
    /// Train a model on a folder of .pose clips
    Train(train::Args),
    /// Measure a model on a folder of clips, through the serving path
    Evaluate(evaluate::Args),
    /// Measure how fast a model is on a device, beside what the device could do at best
    Bench(bench::Args),
    /// Look at the models that are there
    #[command(subcommand)]
    Model(model::Args),
    /// Add to the page what it does not carry itself
    #[command(subcommand)]
    Page(page::Args),
    /// What the operator of the machine may do
    #[command(subcommand)]
    Admin(admin::Args),
    /// Read kept landmarks once more with another model (--model), and compare or revise
    Rerecognize(rerecognize::Args),
    /// Run a recognition worker only: serve --roles recognizer
    Recognize(recognize::Args),
}

impl Cli {
    /// Runs the subcommand and prints what went wrong, if something did.
    pub(crate) fn run(self) -> ExitCode {
        // `replay` tells "could not run" from "the tables differ".
        let failed = if matches!(self.command, Command::Replay(_)) { 2 } else { 1 };
        match self.command.run() {
            Ok(code) => code,
            Err(error) => {
                report(&error);
                ExitCode::from(failed)
            }
        }
    }
}

impl Command {
    fn run(self) -> Result<ExitCode> {
        match self {
            Self::Init(args) => args.run(),
            Self::Serve(args) => wait_for(args.run()),
            Self::Config(args) => args.run(),
            Self::Demo(args) => wait_for(args.run()),
            Self::Doctor(args) => wait_for(args.run()),
            Self::Play(args) => wait_for(args.run()),
            Self::Synthesize(args) => args.run(),
            Self::Replay(args) => wait_for(args.run()),
            Self::Log(args) => wait_for(args.run()),
            Self::Backup(args) => wait_for(args.run()),
            Self::Restore(args) => wait_for(args.run()),
            Self::Compact(args) => wait_for(args.run()),
            Self::Migrate(args) => wait_for(args.run()),
            Self::Vault(args) => wait_for(args.run()),
            Self::Train(args) => args.run(),
            Self::Evaluate(args) => args.run(),
            Self::Bench(args) => args.run(),
            Self::Model(args) => args.run(),
            Self::Page(args) => args.run(),
            Self::Admin(args) => wait_for(args.run()),
            Self::Rerecognize(args) => wait_for(args.run()),
            Self::Recognize(args) => wait_for(args.run()),
        }
    }
}

/// Runs a subcommand that waits for files, sockets or clocks.
fn wait_for(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(work);
    // What is still running by now has had its time.
    runtime.shutdown_background();
    result
}

/// `error: what: why`, with each cause on its own line.
fn report(error: &anyhow::Error) {
    eprintln!("error: {error}");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some errors repeat their source in their own text.
        if !said.contains(&cause) {
            eprintln!("  because: {cause}");
            said = cause;
        }
    }
}
