//! The HTTP side's many limits, which the API crate owns: the same layers as every other option,
//! here over its own table (`[api]` in the file, `SIGNCALL_API_…`, `--api KEY=VALUE`).

use anyhow::{Context, Result, anyhow};
use api::ApiConfig;
use serde::Deserialize as _;
use toml::{Table, Value};

/// What their variables begin with.
pub(super) const VARIABLES: &str = "SIGNCALL_API_";

/// A key such as `throttles.chat.burst`, and its value.
pub(crate) type Assignment = (String, Value);

/// Reads `KEY=VALUE`.
pub(super) fn assignment(text: &str) -> Result<Assignment, String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.trim().to_owned(), value_of(value)))
}

/// Defaults < file < environment < flags.
pub(super) fn resolve(
    file: Table,
    variables: &[(String, String)],
    flags: Vec<Assignment>,
) -> Result<ApiConfig> {
    let mut table = Table::try_from(ApiConfig::default()).context("api")?;
    let known = keys(&table, "");
    overlay(&mut table, file);
    for (name, value) in variables {
        let variable =
            |key: &&String| name[VARIABLES.len()..] == key.replace('.', "_").to_uppercase();
        let key = known.iter().find(variable).ok_or_else(|| {
            anyhow!(
                "the environment has {name}, which is no option; `signcall config check` lists them"
            )
        })?;
        overlay(&mut table, nested(key, value_of(value)));
    }
    for (key, value) in flags {
        overlay(&mut table, nested(&key, value));
    }
    // Read again from text: only so does the message name the key.
    let text = toml::to_string(&table).context("api")?;
    let config = ApiConfig::deserialize(toml::Deserializer::parse(&text).context("api")?);
    let config = config.context("in [api]")?;
    config.check().context("in [api]")?;
    Ok(config)
}

/// A TOML value, or else plain text.
fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Every key of a table, with dots.
fn keys(table: &Table, above: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in table {
        if let Value::Table(inner) = value {
            all.extend(keys(inner, &format!("{above}{key}.")));
        } else {
            all.push(format!("{above}{key}"));
        }
    }
    all
}

fn nested(key: &str, value: Value) -> Table {
    match key.split_once('.') {
        Some((outer, inner)) => Table::from_iter([(outer.to_owned(), nested(inner, value).into())]),
        None => Table::from_iter([(key.to_owned(), value)]),
    }
}

/// Puts a table over another, key by key.
fn overlay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => overlay(inner, over),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
