//! Project chores in Rust, so that a bare machine needs no other tool. `cargo xtask` lists them.

mod bench;
mod browser;
mod ci;
mod coverage;
mod cuda;
mod fuzz;
mod machine;
mod planted;
mod sbom;
mod shell;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
cargo xtask test [--json] [-p CRATE]… [FILTER]…   get what the tests need, run them all, count them
cargo xtask test -p e2e [FILTER]…                 the page in a real browser, alone
cargo xtask tidy                                  edges, owners, files, words, history
cargo xtask ci [STEP]…                            every gate: fmt tidy deny clippy doc test
cargo xtask bench NAME [--json] [--quick] […]     one set of figures against its peers
cargo xtask bench criterion [FILTER]              the criterion benchmarks
cargo xtask chaos [--cycles N] [--seed S] […]     kill -9 under load
cargo xtask chaos --class NAME[,NAME]… [--runs N] faults by class (`all`); --list names them
cargo xtask chaos --mixed MINUTES                 several faults at once
cargo xtask fuzz [TARGET]… [--seconds N]         hostile .pose, live wire, JPEG, model, log and text bytes
cargo xtask fuzz --coverage [TARGET]… [--seconds N]   the same under libFuzzer, which sees what was reached
cargo xtask fuzz --coverage --keep [TARGET]…      keeps the fewest inputs that reach as much, to be committed
cargo xtask power-loss [--cycles N] [--no-sync]   cuts the power of a recorded disk under log and vault
cargo xtask fuzz-api [--cases N]                  schemathesis against the served OpenAPI document
cargo xtask planted [NAME]…                       plants defects in a copy, and sees that tests find them
cargo xtask sbom                                  what the binary is linked from, as CycloneDX
cargo xtask cuda build [--cap 80|90]              signcall-cuda, without a card or a toolkit
cargo xtask cuda check                            lint the CUDA path, without its compiler
cargo xtask machine [--json]                      what the figures of this machine rest on";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `Ok(false)` when the chore ran and found fault.
fn dispatch(args: &[String]) -> Result<bool> {
    let Some((chore, rest)) = args.split_first() else {
        println!("{USAGE}");
        return Ok(true);
    };
    match chore.as_str() {
        "test" => test::run(rest),
        "tidy" => tidy::run(),
        "ci" => ci::run(rest),
        "bench" => bench::run(rest),
        "chaos" => bench::program("chaos", rest),
        "fuzz" if rest.first().is_some_and(|arg| arg == "--coverage") => coverage::run(&rest[1..]),
        "fuzz" => bench::program("fuzz", rest),
        "planted" => planted::run(rest),
        "power-loss" => bench::program("power_loss", rest),
        "cuda" => cuda::run(rest),
        "fuzz-api" => fuzz::run(rest),
        "sbom" => sbom::run(),
        "machine" => machine::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(true)
        }
        other => anyhow::bail!("unknown chore {other:?}; these exist:\n{USAGE}"),
    }
}
