//! `cargo xtask fuzz [pose|live|jpeg|model|block|text]… [--seconds N] [--seed S]`: hostile bytes for everything
//! that reads bytes from outside, so long for each. Exits with 1 when it found something; the input
//! lies in `target/fuzz/` then.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use benches::fuzz::{self, Target};

const SECONDS: u64 = 60;

pub(crate) fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[String]) -> anyhow::Result<bool> {
    let (mut seconds, mut seed, mut targets) = (SECONDS, 1, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().with_context(|| format!("{arg} needs a number"))?;
            value.parse::<u64>().with_context(|| format!("{arg} {value:?} is no number"))
        };
        match arg.as_str() {
            "--seconds" => seconds = number()?,
            "--seed" => seed = number()?,
            name => match Target::named(name) {
                Some(target) => targets.push(target),
                None => bail!("{name:?} is none of pose, live, jpeg, model, block, text"),
            },
        }
    }
    if targets.is_empty() {
        targets.extend(Target::ALL);
    }
    // A panic is a find: it is told once, with its input.
    std::panic::set_hook(Box::new(|_| {}));
    let mut clean = true;
    for target in targets {
        let found = fuzz::run(target, seed, Duration::from_secs(seconds))?;
        println!(
            "{:<6} {} inputs in {seconds} s, {} taken, {} sorts of answer, slowest {:?}, {} finds",
            target.name(),
            found.inputs,
            found.taken,
            found.answers,
            found.slowest,
            found.finds.len()
        );
        for (number, (what, input)) in found.finds.iter().enumerate() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fuzz");
            std::fs::create_dir_all(&folder)?;
            let file = folder.join(format!("{}-{seed}-{number}", target.name()));
            std::fs::write(&file, input)?;
            println!("       {what}: {}", file.display());
            clean = false;
        }
    }
    Ok(clean)
}
