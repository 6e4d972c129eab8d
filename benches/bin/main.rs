//! Every benchmark and rig of this package in one program, so that it is linked once:
//! `benches NAME [OPTIONS]`, as `cargo xtask bench`, `chaos`, `power-loss` and `fuzz` start it.

mod caption;
mod chaos;
mod deciders;
mod fuzz;
mod http;
mod live;
mod load;
mod log;
mod power_loss;
mod rebuild;
mod recognize;
mod start;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "caption" => caption::main(),
        "chaos" => chaos::main(),
        "deciders" => deciders::main(),
        "fuzz" => fuzz::main(),
        "http" => http::main(),
        "live" => live::main(),
        "load" => load::main(),
        "log" => log::main(),
        "power_loss" => power_loss::main(),
        "rebuild" => rebuild::main(),
        "recognize" => recognize::main(),
        "start" => start::main(),
        other => {
            eprintln!("error: there is no program {other:?} here; see `cargo xtask help`");
            ExitCode::from(2)
        }
    }
}
