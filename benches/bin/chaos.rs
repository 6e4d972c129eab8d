//! `cargo xtask chaos [--cycles N] [--seed S] [--sabotage] [--json]`: kill -9 under load.
//! `--class NAME[,NAME]… [--runs N]` runs fault classes (`all` is every one of them, `--list` names
//! them), `--mixed MINUTES` several faults at once; with `--json` each run leaves a line. Exits with 1
//! when something was lost, doubled or diverged, or another promise broken, which with `--sabotage` it
//! must.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use benches::chaos::{self, CLASSES, Course, Plan, Told, sabotage};
use benches::{report, server};

const CYCLES: u64 = 100;
const CYCLES_QUICK: u64 = 6;
const RUNS: u64 = 100;
const RUNS_QUICK: u64 = 1;
const BACKLOG: usize = 1_000_000;
const BACKLOG_QUICK: usize = 20_000;
const OPTIONS: &str = "--cycles N --seed S --sabotage --class NAME[,NAME]… --runs N --backlog EVENTS \
                       --mixed MINUTES --list --quick --json";

/// What is asked for.
enum Asked {
    Kills(Plan),
    Classes(Course),
    Mixed { time: Duration, seed: u64, signcall: PathBuf, json: bool },
    List,
}

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    match run(&args).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    if let [serve, data, address] = args
        && serve == "serve-sabotaged"
    {
        sabotage::serve(Path::new(data), address.parse()?).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let told = match asked(args)? {
        Asked::Kills(plan) => return kill(&plan).await,
        Asked::Classes(course) => course.run().await?,
        Asked::Mixed { time, seed, signcall, json } => {
            chaos::mixed(time, seed, &signcall, json).await?
        }
        Asked::List => {
            for class in CLASSES {
                println!("{:<20} {:<8} {}", class.name, class.faults, class.about);
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    Ok(tell(&told))
}

fn tell(told: &Told) -> ExitCode {
    for finding in told.findings() {
        eprintln!("{finding}");
    }
    for (class, why) in told.skipped() {
        eprintln!("SKIPPED {class}: {why}");
    }
    report::print("chaos", &told.figures());
    ExitCode::from(u8::from(told.found()))
}

async fn kill(plan: &Plan) -> anyhow::Result<ExitCode> {
    let found = chaos::run(plan).await?;
    for finding in found.findings() {
        eprintln!("{finding}");
    }
    report::print("chaos", &found.figures());
    match (plan.sabotage, found.found()) {
        (true, true) => eprintln!("the sabotage was caught"),
        (true, false) => eprintln!("the sabotage was NOT caught: this rig proves nothing"),
        (false, _) => {}
    }
    Ok(ExitCode::from(u8::from(found.found())))
}

fn asked(args: &[String]) -> anyhow::Result<Asked> {
    let given = args;
    let has = |flag: &str| given.iter().any(|arg| arg == flag);
    let (quick, json) = (has("--quick"), has("--json"));
    let (mut cycles, mut runs, mut backlog) =
        if quick { (CYCLES_QUICK, RUNS_QUICK, BACKLOG_QUICK) } else { (CYCLES, RUNS, BACKLOG) };
    let (mut seed, mut classes, mut minutes) = (1, None, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        let number = |value: &String| -> anyhow::Result<u64> {
            value.parse().with_context(|| format!("{arg} {value:?} is not a whole number"))
        };
        match arg.as_str() {
            "--cycles" => cycles = number(value()?)?,
            "--runs" => runs = number(value()?)?,
            "--seed" => seed = number(value()?)?,
            "--backlog" => backlog = usize::try_from(number(value()?)?)?,
            "--mixed" => minutes = Some(number(value()?)?),
            "--class" => {
                let names = value()?.split(',').map(str::to_owned);
                let names: Vec<String> = names.filter(|name| name != "all").collect();
                classes = Some(chaos::named(&names)?);
            }
            "--sabotage" | "--list" | "--quick" | "--json" => {}
            other => anyhow::bail!("unknown option {other:?}; these exist: {OPTIONS}"),
        }
    }
    if has("--list") {
        return Ok(Asked::List);
    }
    let signcall = server::signcall()?;
    Ok(match (minutes, classes) {
        (Some(minutes), _) => {
            Asked::Mixed { time: Duration::from_secs(minutes * 60), seed, signcall, json }
        }
        (None, Some(classes)) => {
            Asked::Classes(Course { classes, runs, seed, signcall, json, backlog })
        }
        (None, None) => Asked::Kills(Plan { cycles, seed, sabotage: has("--sabotage"), signcall }),
    })
}
