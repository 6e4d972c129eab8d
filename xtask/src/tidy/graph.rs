//! The edges between the crates and the owners of the big libraries: the table of ARCHITECTURE.md,
//! checked against `cargo metadata`. Dependencies of tests are free.

use serde_json::Value;

use super::words::stands;
use super::{Fault, Texts};

/// Which of our crates each crate may name. `signcall` ties all together; `benches` are free.
const EDGES: [(&str, &[&str]); 12] = [
    ("events", &[]),
    ("clips", &["events"]),
    ("streams", &["events"]),
    ("vault", &["events"]),
    ("decider", &["events", "streams", "vault"]),
    ("projector", &["events", "streams", "vault"]),
    ("reactor", &["events", "streams", "vault"]),
    ("recognizer", &["events", "clips", "streams"]),
    ("api", &["events", "clips", "streams", "vault", "decider", "projector"]),
    ("signcall", ALL),
    ("benches", ALL),
    ("xtask", &[]),
];
const ALL: &[&str] = &[
    "events",
    "clips",
    "streams",
    "vault",
    "decider",
    "projector",
    "reactor",
    "recognizer",
    "api",
    "signcall",
];

/// Libraries (or families of them, by prefix) with owners; `benches` may name any.
const OWNERS: [(&str, &[&str]); 5] = [
    ("async-nats", &["streams"]),
    ("candle", &["recognizer"]),
    ("axum", &["api"]),
    ("bcrypt", &["api"]),
    ("sqlx", &["projector", "vault", "reactor", "streams"]),
];

/// What the pure crates do without: I/O, async, and for `events` chance.
const IMPURE: [(&str, &[&str]); 2] = [
    ("events", &["tokio", "futures", "hyper", "reqwest", "rand", "getrandom"]),
    ("clips", &["tokio", "futures", "hyper", "reqwest"]),
];

/// Declared for what they switch on, not to be named.
const SILENT: [(&str, &str); 1] = [("recognizer", "gemm")];

struct Package<'a> {
    name: &'a str,
    place: String,
    /// Name, and whether only tests see it.
    dependencies: Vec<(&'a str, bool)>,
}

pub(super) fn check(metadata: &Value, texts: &Texts) -> Vec<Fault> {
    let mut faults = Vec::new();
    let packages = packages(metadata);
    let ours: Vec<&str> = packages.iter().map(|package| package.name).collect();
    for package in &packages {
        let mut fault = |what: String, remedy: &str| {
            faults.push(Fault::new(&package.place, what, remedy));
        };
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
            fault(format!("unknown crate {}", package.name), "give it a row in xtask's EDGES");
            continue;
        };
        for (used, only_tests) in &package.dependencies {
            let is_ours = ours.contains(used);
            if !is_named(package, used, texts) {
                fault(format!("{used} is declared and never named"), "remove it");
            }
            if *only_tests || package.name == "benches" {
                continue;
            }
            if is_ours && !allowed.contains(used) {
                fault(
                    format!("{} may not depend on {used}", package.name),
                    "move the code to the crate that may, see ARCHITECTURE.md",
                );
            }
            if let Some((_, owners)) = OWNERS.iter().find(|(library, _)| is_of(library, used))
                && !owners.contains(&package.name)
            {
                fault(
                    format!("{used} belongs to {} alone", owners.join(", ")),
                    "ask the owner for a function that does what you need",
                );
            }
            if IMPURE.iter().any(|(pure, without)| *pure == package.name && without.contains(used))
            {
                fault(
                    format!("{} is pure and does without {used}", package.name),
                    "take what you need as an argument",
                );
            }
        }
    }
    faults
}

/// `candle-nn` is of `candle`; `axumatic` is not of `axum`.
fn is_of(library: &str, name: &str) -> bool {
    name.strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn packages(metadata: &Value) -> Vec<Package<'_>> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| {
            let manifest = package["manifest_path"].as_str()?;
            let dependencies = package["dependencies"].as_array()?.iter();
            Some(Package {
                name: package["name"].as_str()?,
                place: manifest.strip_prefix(root)?.trim_start_matches('/').to_owned(),
                dependencies: dependencies
                    .filter_map(|dep| Some((dep["name"].as_str()?, dep["kind"] == "dev")))
                    .collect(),
            })
        })
        .collect()
}

fn is_named(package: &Package<'_>, used: &str, texts: &Texts) -> bool {
    if SILENT.contains(&(package.name, used)) {
        return true;
    }
    let folder = package.place.trim_end_matches("Cargo.toml");
    let name = used.replace('-', "_");
    let mut sources = texts.iter().filter(|(path, _)| path.starts_with(folder) && is_rust(path));
    sources.any(|(_, text)| text.lines().any(|line| stands(&name, line)))
}

pub(super) fn is_rust(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|ending| ending == "rs")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::Texts;
    use serde_json::{Value, json};

    /// A workspace of `events` and one crate with one dependency, which its source names.
    fn faults(name: &str, used: &str, kind: &Value) -> Vec<String> {
        let package = |name: &str, dependencies: Value| {
            json!({"name": name, "manifest_path": format!("/w/{name}/Cargo.toml"),
                   "dependencies": dependencies})
        };
        let mut packages = vec![package(name, json!([{"name": used, "kind": kind}]))];
        packages.extend(["events", "api"].map(|ours| package(ours, json!([]))));
        let metadata = json!({"workspace_root": "/w", "packages": packages});
        let source = format!("//! Why.\nuse {}::X;\n", used.replace('-', "_"));
        let texts = Texts::from([(format!("{name}/src/lib.rs"), source)]);
        check(&metadata, &texts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_s_edges_are_allowed_and_no_others() {
        assert!(faults("decider", "events", &Value::Null).is_empty());
        let found = faults("recognizer", "api", &Value::Null);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("recognizer/Cargo.toml: recognizer may not depend on api: "));
    }

    #[test]
    fn libraries_have_owners() {
        assert!(faults("recognizer", "candle-nn", &Value::Null).is_empty());
        assert!(faults("signcall", "candle-nn", &Value::Null)[0].contains("belongs to recognizer"));
        assert!(faults("decider", "async-nats", &Value::Null)[0].contains("belongs to streams"));
        assert!(faults("signcall", "axum", &json!("build"))[0].contains("belongs to api"));
        assert!(faults("benches", "sqlx", &Value::Null).is_empty());
    }

    #[test]
    fn pure_crates_stay_pure() {
        assert!(faults("clips", "tokio", &Value::Null)[0].contains("clips is pure"));
        assert!(faults("clips", "sqlx", &Value::Null)[0].contains("belongs to"));
    }

    #[test]
    fn dependencies_of_tests_are_free() {
        assert!(faults("clips", "api", &json!("dev")).is_empty());
        assert!(faults("decider", "sqlx", &json!("dev")).is_empty());
    }

    #[test]
    fn unknown_crates_need_a_row() {
        assert!(faults("novelty", "serde", &Value::Null)[0].contains("unknown crate novelty"));
    }

    #[test]
    fn what_is_declared_is_named() {
        let metadata = json!({"workspace_root": "/w", "packages": [{
            "name": "decider", "manifest_path": "/w/decider/Cargo.toml",
            "dependencies": [{"name": "tokio-util", "kind": null}]}]});
        let found = check(&metadata, &Texts::from([("decider/src/lib.rs".into(), "//!".into())]));
        assert!(found[0].what.contains("tokio-util is declared and never named"));
    }
}
