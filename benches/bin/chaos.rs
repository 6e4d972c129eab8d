//! `cargo xtask chaos [--cycles N] [--seed S] [--sabotage] [--json]`: kill -9 under load. Exits with
//! 1 when it found something lost, doubled or diverged, which with `--sabotage` it must.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use benches::chaos::{self, Plan, sabotage};
use benches::{report, server};

const CYCLES: u64 = 100;
const CYCLES_QUICK: u64 = 6;

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
    let plan = plan(args)?;
    let found = chaos::run(&plan).await?;
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

fn plan(args: &[String]) -> anyhow::Result<Plan> {
    let quick = args.iter().any(|arg| arg == "--quick");
    let cycles = if quick { CYCLES_QUICK } else { CYCLES };
    let mut plan = Plan { cycles, seed: 1, sabotage: false, signcall: server::signcall()? };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || -> anyhow::Result<u64> {
            let value = args.next().with_context(|| format!("{arg} needs a number"))?;
            value.parse().with_context(|| format!("{arg} {value:?} is not a whole number"))
        };
        match arg.as_str() {
            "--cycles" => plan.cycles = number()?,
            "--seed" => plan.seed = number()?,
            "--sabotage" => plan.sabotage = true,
            "--quick" | "--json" => {}
            other => anyhow::bail!(
                "unknown option {other:?}; these exist: --cycles N --seed S --sabotage --quick --json"
            ),
        }
    }
    Ok(plan)
}
