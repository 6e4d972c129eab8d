//! How every `bench_*` program tells its figures: a table for people, and with `--json` one object
//! as the last line, with the machine's header that `cargo xtask bench` hands over.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value};

/// A duration in milliseconds, to the microsecond.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Prints the figures of the benchmark `name`, or why there are none: how each of them ends.
pub fn end(name: &str, figures: anyhow::Result<Map<String, Value>>) -> ExitCode {
    match figures {
        Ok(figures) => {
            print(name, &figures);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the figures of the benchmark `name`.
pub fn print(name: &str, figures: &Map<String, Value>) {
    println!("{name}");
    for (key, value) in figures {
        line(1, key, value);
    }
    if std::env::args().any(|arg| arg == "--json") {
        let mut all = figures.clone();
        let machine = std::env::var("SIGNCALL_MACHINE").ok();
        let machine = machine.and_then(|text| serde_json::from_str(&text).ok());
        all.insert("machine".to_owned(), machine.unwrap_or(Value::Null));
        println!("{}", Value::Object(all));
    }
}

fn line(depth: usize, key: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if fields.values().all(|field| !field.is_object()) => {
            let shown: Vec<String> =
                fields.iter().map(|(key, value)| format!("{key} {value}")).collect();
            println!("{indent}{key:<12} {}", shown.join("  "));
        }
        Value::Object(fields) => {
            println!("{indent}{key}");
            fields.iter().for_each(|(key, value)| line(depth + 1, key, value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            println!("{indent}{key:<12} {value}");
        }
    }
}
