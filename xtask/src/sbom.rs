//! `cargo xtask sbom`: what the binary is linked from, as CycloneDX 1.6 (JSON) on standard output. The
//! same `Cargo.lock` gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::shell;

/// The package whose binary it is about.
const ROOT: &str = "signcall";

/// Prints it.
pub(crate) fn run() -> Result<bool> {
    let args = ["metadata", "--format-version=1", "--locked"];
    let metadata: Value = serde_json::from_str(&shell::output(&mut shell::cargo(&args)?)?)?;
    let lock = std::fs::read_to_string(shell::root()?.join("Cargo.lock"))?;
    println!("{:#}", bill(&metadata, &checksums(&lock))?);
    Ok(true)
}

/// Name and version to the SHA-256 of what was downloaded.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut all = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let start = format!("{name} = \"");
            let line = package.lines().find_map(|line| line.strip_prefix(&start))?;
            line.strip_suffix('"').map(str::to_owned)
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name"), field("version"), field("checksum"))
        {
            all.insert((name, version), sum);
        }
    }
    all
}

fn bill(metadata: &Value, sums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let by_id = |list: &Value| -> BTreeMap<String, Value> {
        let all = list.as_array().into_iter().flatten();
        all.filter_map(|one| Some((one["id"].as_str()?.to_owned(), one.clone()))).collect()
    };
    let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
    let root = packages.iter().find(|(_, package)| package["name"] == ROOT);
    let (root, _) = root.context("the workspace has no package signcall")?;
    let mut linked = BTreeSet::new();
    let mut open = vec![root.clone()];
    while let Some(id) = open.pop() {
        if linked.insert(id.clone()) {
            open.extend(needed(&nodes[&id]));
        }
    }
    let reference = |id: &String| {
        let package = &packages[id];
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        format!("pkg:cargo/{}@{}", text("name"), text("version"))
    };
    let components: Vec<Value> = linked
        .iter()
        .filter(|id| *id != root)
        .map(|id| component(&packages[id], &reference(id), sums))
        .collect();
    let dependencies: Vec<Value> = linked
        .iter()
        .map(|id| {
            let on: BTreeSet<String> = needed(&nodes[id]).iter().map(reference).collect();
            json!({ "ref": reference(id), "dependsOn": on })
        })
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": {
            "type": "application", "bom-ref": reference(root), "purl": reference(root),
            "name": ROOT, "version": packages[root]["version"],
            "licenses": [{ "expression": packages[root]["license"] }],
        } },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// What a package is linked with: neither what builds it nor what tests it.
fn needed(node: &Value) -> Vec<String> {
    let all = node["deps"].as_array().into_iter().flatten();
    let linked = all.filter(|dep| {
        let mut kinds = dep["dep_kinds"].as_array().into_iter().flatten();
        kinds.any(|kind| kind["kind"].is_null())
    });
    linked.filter_map(|dep| Some(dep["pkg"].as_str()?.to_owned())).collect()
}

fn component(package: &Value, reference: &str, sums: &BTreeMap<(String, String), String>) -> Value {
    let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
    let mut component = json!({
        "type": "library", "bom-ref": reference, "purl": reference,
        "name": text("name"), "version": text("version"),
    });
    if package["license"].is_string() {
        component["licenses"] = json!([{ "expression": text("license").replace('/', " OR ") }]);
    }
    if let Some(sum) = sums.get(&(text("name"), text("version"))) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::{bill, checksums};
    use serde_json::json;

    #[test]
    fn what_is_linked_is_listed_and_nothing_else() {
        let package = |name: &str, license: &str| json!({"id": name, "name": name, "version": "1.0.0", "license": license});
        let dep = |name: &str, kind| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [package("signcall", "Apache-2.0"), package("a", "MIT/Apache-2.0"), package("b", "MIT"), package("test", "MIT")],
            "resolve": {"nodes": [
                {"id": "signcall", "deps": [dep("a", None::<&str>), dep("test", Some("dev"))]},
                {"id": "a", "deps": [dep("b", None)]}, {"id": "b", "deps": []}, {"id": "test", "deps": []},
            ]},
        });
        let lock = "[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n";
        let bill = bill(&metadata, &checksums(lock)).unwrap();
        let names: Vec<_> =
            bill["components"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["components"][1]["hashes"][0]["content"], "00ff");
        assert_eq!(bill["dependencies"][2]["dependsOn"], json!(["pkg:cargo/a@1.0.0"]));
    }
}
