//! The reference pages of `docs/`, written from the code: `SIGNCALL_BLESS=1` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Args as _, Command, CommandFactory as _};
use serde_json::Value;

use super::Cli;
use crate::config::Options;

/// Says that the page is what the code says, or writes it so.
fn holds(page: &str, title: &str, body: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let test = test.rsplit("::").next().unwrap_or_default().to_owned();
    let text = format!(
        "# {title}\n\nThis page is written from the code by `SIGNCALL_BLESS=1 cargo test -p \
         signcall {test}`.\n{body}"
    );
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(page);
    if std::env::var_os("SIGNCALL_BLESS").is_some() {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, &text).unwrap();
    }
    let there = fs::read_to_string(&place).unwrap_or_default();
    assert!(there == text, "{} is old: SIGNCALL_BLESS=1 writes it anew", place.display());
}

/// One line of Markdown, fit for a table.
fn line(text: Option<&StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    cell(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// What every command that needs a configuration takes.
fn shared() -> Command {
    Options::augment_args(Command::new("options"))
}

fn spelling(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let values = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let takes = arg.get_action().takes_values();
    match arg.get_long() {
        Some(long) if takes => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None => values,
    }
}

/// A command and those below it.
fn describe(command: &Command, above: &str, text: &mut String) {
    let name = format!("{above}{}", command.get_name());
    let inner: Vec<_> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
    if above.is_empty() {
        writeln!(text, "\n{}.", line(command.get_about()).trim_end_matches('.')).unwrap();
    } else {
        writeln!(text, "\n## {name}\n\n{}.", line(command.get_about())).unwrap();
    }
    let options = shared();
    let is_shared = |arg: &&Arg| options.get_arguments().any(|one| one.get_id() == arg.get_id());
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        .collect();
    let own: Vec<_> = arguments.iter().filter(|arg| !is_shared(arg)).collect();
    if !own.is_empty() {
        text.push_str("\n| argument | meaning |\n|---|---|\n");
        for arg in &own {
            let default = arg.get_default_values().first();
            let default = default.map(|value| format!(" [default: {}]", value.to_string_lossy()));
            let (spelling, help) = (cell(&spelling(arg)), line(arg.get_help()));
            writeln!(text, "| `{spelling}` | {help}{} |", default.unwrap_or_default()).unwrap();
        }
    }
    if own.len() < arguments.len() {
        text.push_str("\nAlso takes the [options of every command](configuration.md).\n");
    }
    for one in inner {
        describe(one, &format!("{name} "), text);
    }
}

#[test]
fn the_commands_are_in_the_reference() {
    let mut text = String::new();
    describe(&Cli::command(), "", &mut text);
    holds("commands.md", "Commands", &text);
}

#[test]
fn the_options_are_in_the_reference() {
    let mut text = String::from(
        "\nDefaults < file (`--config`) < environment < flags; unknown names are errors. `signcall \
         config check` prints what holds, with secrets hidden. In the file, an option's name has \
         underscores: `log_level = \"debug\"`.\n\n| flag | variable | meaning |\n|---|---|---|\n",
    );
    for arg in shared().get_arguments() {
        let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
        let (flag, help) = (cell(&spelling(arg)), line(arg.get_help()));
        writeln!(text, "| `{flag}` | {} | {help} |", variable.unwrap_or_default()).unwrap();
    }
    text.push_str(
        "\n## The HTTP side\n\nIn the file in the table `[api]`, in the environment as \
         `SIGNCALL_API_` and the key with underscores for dots, as a flag `--api KEY=VALUE`.\n\n\
         | key | default |\n|---|---|\n",
    );
    let defaults = serde_json::to_value(api::ApiConfig::default()).unwrap();
    let mut keys = BTreeMap::new();
    flat(&defaults, "", &mut keys);
    for (key, value) in keys {
        writeln!(text, "| `{key}` | `{value}` |").unwrap();
    }
    holds("configuration.md", "Configuration", &text);
}

fn flat(value: &Value, above: &str, keys: &mut BTreeMap<String, String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if value.is_object() {
            flat(value, &format!("{above}{name}."), keys);
        } else {
            keys.insert(format!("{above}{name}"), value.to_string());
        }
    }
}

#[test]
fn the_routes_are_in_the_reference() {
    let document = api::openapi();
    let mut groups: BTreeMap<&str, String> = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let said = |field: &str| cell(operation[field].as_str().unwrap_or_default());
            let answers = operation["responses"].as_object().unwrap();
            let good: Vec<_> = answers.keys().filter(|code| code.as_str() < "400").collect();
            let good = good.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(", ");
            let group = groups.entry(operation["tags"][0].as_str().unwrap()).or_default();
            writeln!(
                group,
                "| `{} {path}` | {} | {} | {good} |",
                method.to_uppercase(),
                said("summary"),
                said("description").trim_start_matches("For: ").trim_end_matches('.'),
            )
            .unwrap();
        }
    }
    let mut text = String::from(
        "\nThe whole of it, with bodies, answers and problem codes, is served by every server: \
         `/docs` for people, `/api/v1/openapi.json` (OpenAPI 3.1) for programs.\n",
    );
    for (group, rows) in groups {
        writeln!(text, "\n## {group}\n\n| route | does | for | answers |\n|---|---|---|---|")
            .unwrap();
        text.push_str(&rows);
    }
    text.push_str("\n## What webhooks are told\n\n| `type` | when |\n|---|---|\n");
    for (kind, webhook) in document["webhooks"].as_object().unwrap() {
        writeln!(text, "| `{kind}` | {} |", webhook["post"]["summary"].as_str().unwrap()).unwrap();
    }
    text.push_str("\n## Problem codes\n\n| code | status |\n|---|---|\n");
    for (code, statuses) in codes(document) {
        writeln!(text, "| `{code}` | {} |", statuses.join(", ")).unwrap();
    }
    holds("api.md", "HTTP interface", &text);
}

/// Each problem's code with the statuses that it comes under.
fn codes(document: &Value) -> BTreeMap<String, Vec<String>> {
    let mut codes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let methods = document["paths"].as_object().unwrap().values();
    for operation in methods.flat_map(|methods| methods.as_object().unwrap().values()) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            for code in answer["x-problem-codes"].as_array().into_iter().flatten() {
                let statuses = codes.entry(code.as_str().unwrap().to_owned()).or_default();
                if !statuses.contains(status) {
                    statuses.push(status.clone());
                }
            }
        }
    }
    codes
}
