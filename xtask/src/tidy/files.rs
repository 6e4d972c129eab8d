//! Files: short, opened by a reason, reached by a `mod`, and laid out as `foo.rs` + `foo/`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::graph::is_rust;
use super::{Fault, Texts};

/// Lines a source file may have, tests included.
const LINES_MAX: usize = 400;
/// Whose length counts.
const MEASURED: [&str; 3] = [".rs", ".js", ".mjs"];

pub(super) fn check(metadata: &Value, texts: &Texts) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in texts {
        let lines = text.lines().count();
        if MEASURED.iter().any(|ending| path.ends_with(ending)) && lines > LINES_MAX {
            let what = format!("{lines} lines, at most {LINES_MAX}");
            faults.push(Fault::new(path, what, "split it by what it does"));
        }
        if !is_rust(path) {
            continue;
        }
        if !text.starts_with("//!") {
            faults.push(Fault::new(path, "no opening //!", "say in a line why the file exists"));
        }
        if path.ends_with("/mod.rs") {
            faults.push(Fault::new(path, "mod.rs", "name it after its folder, beside the folder"));
        }
    }
    faults.extend(orphans(metadata, texts));
    if !texts.contains_key("Cargo.lock") {
        faults.push(Fault::new("Cargo.lock", "not committed", "builds must repeat: commit it"));
    }
    faults
}

/// Rust files of a package that no target reaches: code that is never compiled.
fn orphans(metadata: &Value, texts: &Texts) -> Vec<Fault> {
    let root = format!("{}/", metadata["workspace_root"].as_str().unwrap_or_default());
    let within = |path: &Value| path.as_str()?.strip_prefix(&root).map(str::to_owned);
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut folders = Vec::new();
    let mut reached = BTreeSet::new();
    for package in packages {
        folders
            .extend(within(&package["manifest_path"]).map(|path| path.replace("Cargo.toml", "")));
        let targets = package["targets"].as_array().into_iter().flatten();
        for target in targets.filter_map(|target| within(&target["src_path"])) {
            let folder = parent(&target).to_owned();
            reach(target, &folder, texts, &mut reached);
        }
    }
    let ours = texts.keys().filter(|path| {
        is_rust(path) && folders.iter().any(|folder| path.starts_with(folder.as_str()))
    });
    let lost = ours.filter(|path| !reached.contains(*path));
    lost.map(|path| {
        Fault::new(path, "reached by no mod", "declare it where it belongs, or delete it")
    })
    .collect()
}

/// Follows the `mod name;` and `include!("…")` lines of `path`, whose modules lie in `folder`.
fn reach(path: String, folder: &str, texts: &Texts, reached: &mut BTreeSet<String>) {
    let Some(text) = texts.get(&path) else { return };
    let beside = parent(&path).to_owned();
    if !reached.insert(path) {
        return;
    }
    let mut given_path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            given_path = rest.split('"').next();
        } else if let Some((_, rest)) = line.split_once("include!(\"") {
            let name = rest.split('"').next().unwrap_or_default();
            reach(format!("{beside}{name}"), &beside, texts, reached);
        } else if let Some(name) = declared(line) {
            let (file, inner) = match given_path.take() {
                Some(given) => (format!("{beside}{given}"), beside.clone()),
                None => (format!("{folder}{name}.rs"), format!("{folder}{name}/")),
            };
            reach(file, &inner, texts, reached);
        }
    }
}

/// The name in `mod name;`, `pub mod name;`, `pub(crate) mod name;`.
fn declared(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("mod ")?;
    let visible = before.is_empty()
        || before == "pub "
        || (before.starts_with("pub(") && before.ends_with(") "));
    let name = rest.split_once(';')?.0;
    (visible && !name.contains(' ')).then_some(name)
}

/// The folder of a path, with its closing slash.
fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..=slash])
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::Texts;
    use serde_json::json;

    /// What is said of a crate with these files; `lib.rs` and `tests/it/main.rs` are its targets.
    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let metadata = json!({"workspace_root": "/w", "packages": [{
            "manifest_path": "/w/a/Cargo.toml",
            "targets": [{"src_path": "/w/a/src/lib.rs"}, {"src_path": "/w/a/tests/it/main.rs"}]}]});
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let mut texts: Texts = files.collect();
        texts.insert("Cargo.lock".into(), String::new());
        check(&metadata, &texts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn modules_are_found_where_rust_looks_for_them() {
        let found = faults(&[
            ("a/src/lib.rs", "//! A.\nmod b;\npub(crate) mod d;\n#[path = \"x/y.rs\"]\nmod z;\n"),
            ("a/src/b.rs", "//! B.\n    pub mod c; // why\n"),
            ("a/src/b/c.rs", "//! C.\n"),
            ("a/src/d.rs", "//! D.\n"),
            ("a/src/x/y.rs", "//! Y.\n"),
            ("a/tests/it/main.rs", "//! Tests.\nmod e;\n"),
            ("a/tests/it/e.rs", "//! E.\n"),
            ("b/build.rs", "//! Of no package of the workspace.\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn files_that_nothing_reaches_are_named() {
        let found = faults(&[("a/src/lib.rs", "//! A.\n// mod b;\n"), ("a/src/b.rs", "//! B.\n")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a/src/b.rs: reached by no mod: "));
    }

    #[test]
    fn length_opening_and_layout_are_checked() {
        let long = "//! A.\nmod b;\n".to_owned() + &"\n".repeat(399);
        let found = faults(&[("a/src/lib.rs", &long), ("a/src/b/mod.rs", "use x;\n")]);
        let expected =
            ["a/src/lib.rs: 401 lines", "a/src/b/mod.rs: no opening //!", "a/src/b/mod.rs: mod.rs"];
        for start in expected {
            assert!(found.iter().any(|fault| fault.starts_with(start)), "{start} in {found:?}");
        }
    }

    #[test]
    fn a_script_may_be_no_longer_than_a_source() {
        let found =
            faults(&[("a/web/call.mjs", &"\n".repeat(401)), ("a/README.md", &"\n".repeat(999))]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a/web/call.mjs: 401 lines"));
    }
}
