//! `cargo xtask power-loss [--cycles N] [--seed S] [--no-sync] [--json]`: cuts the power of a recorded
//! disk. Exits with 1 when something acknowledged was lost, which with `--no-sync` it must be.
//! With `--io-errors` instead, every N-th (`--step N`) call on a file fails, once and from there on.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use benches::power::work::Shape;
use benches::power::{self, Plan, faults};
use benches::report;

const CYCLES: u64 = 500;
const CYCLES_QUICK: u64 = 10;

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
    if let [work, folder, seed] = args
        && let Some(shape) = shape(work)
    {
        power::work::work(Path::new(folder), seed.parse()?, shape).await?;
        // As if killed: nothing is closed, and the next start has something to recover.
        std::process::exit(0);
    }
    let plan = plan(args)?;
    let writer = std::env::current_exe()?;
    if let Some(step) = plan.io_errors {
        let found = faults::run(step, plan.seed, &writer).await?;
        found.failures().iter().for_each(|failure| eprintln!("{failure}"));
        report::print("io-errors", &found.figures());
        return Ok(ExitCode::from(u8::from(!found.failures().is_empty())));
    }
    let found = power::run(&plan, &writer).await?;
    if let Some((_, what)) = found.first() {
        eprintln!("{what}");
    }
    report::print("power-loss", &found.figures());
    if plan.no_sync && !found.lossy() {
        eprintln!("no loss without syncs: this rig proves nothing");
    }
    Ok(ExitCode::from(u8::from(found.lossy())))
}

fn shape(name: &str) -> Option<Shape> {
    match name {
        "work" => Some(Shape::LONG),
        "work-short" => Some(Shape::SHORT),
        "work-brief" => Some(Shape::BRIEF),
        _ => None,
    }
}

fn plan(args: &[String]) -> anyhow::Result<Plan> {
    let quick = args.iter().any(|arg| arg == "--quick");
    let cycles = if quick { CYCLES_QUICK } else { CYCLES };
    let mut plan = Plan { cycles, seed: 1, no_sync: false, io_errors: None };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || -> anyhow::Result<u64> {
            let value = args.next().with_context(|| format!("{arg} needs a number"))?;
            value.parse().with_context(|| format!("{arg} {value:?} is not a whole number"))
        };
        match arg.as_str() {
            "--cycles" => plan.cycles = number()?,
            "--seed" => plan.seed = number()?,
            "--no-sync" => plan.no_sync = true,
            "--io-errors" => plan.io_errors = plan.io_errors.or(Some(1)),
            "--step" => plan.io_errors = Some(number()?.max(1)),
            "--quick" | "--json" => {}
            other => anyhow::bail!(
                "unknown option {other:?}; these exist: --cycles N --seed S --no-sync --io-errors --step N \
                 --quick --json"
            ),
        }
    }
    Ok(plan)
}
