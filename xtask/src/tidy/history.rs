//! Golden files and migrations are shipped history: added, and never changed again. git tells.
//! They are shipped from the commit on that added [`SHIPPED`]; before it, they were drafts.

use anyhow::Result;

use super::Fault;
use crate::shell;

/// Where files are only ever added.
const FROZEN: [&str; 2] = ["crates/events/golden/**/*.json", "migrations/**/*.sql"];

/// The file whose first commit declares what lies in [`FROZEN`] to be shipped.
const SHIPPED: &str = "migrations/README.md";

pub(super) fn check() -> Result<Vec<Fault>> {
    let mut added = shell::program("git")?;
    added.args(["log", "--diff-filter=A", "--format=%H", "--", SHIPPED]);
    let Some(shipped) = shell::output(&mut added)?.lines().last().map(str::to_owned) else {
        return Ok(Vec::new());
    };
    let since = format!("{shipped}..HEAD");
    let committed =
        ["log", "--no-renames", "--diff-filter=MDT", "--name-only", "--format=> %h", &since];
    let uncommitted = ["diff", "--no-renames", "--diff-filter=MDT", "--name-only", "HEAD"];
    let mut faults = changed(&git(&committed)?);
    faults.extend(changed(&git(&uncommitted)?));
    Ok(faults)
}

fn git(args: &[&str]) -> Result<String> {
    let frozen = FROZEN.map(|pattern| format!(":(glob){pattern}"));
    shell::output(shell::program("git")?.args(args).arg("--").args(frozen))
}

/// Paths, under the `> commit` that changed them or, before any such line, in the work tree.
fn changed(listing: &str) -> Vec<Fault> {
    let mut by = "the work tree".to_owned();
    let mut faults = Vec::new();
    for line in listing.lines().filter(|line| !line.is_empty()) {
        if let Some(commit) = line.strip_prefix("> ") {
            by = format!("commit {commit}");
        } else {
            let remedy =
                "put it back as it was and add a new file (a new .vN tag, a later migration)";
            faults.push(Fault::new(line, format!("changed by {by} after it was shipped"), remedy));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn each_change_is_told_with_its_commit() {
        let found = changed("> abc123\n\nmigrations/sqlite/1_users.sql\n> def456\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "migrations/sqlite/1_users.sql");
        assert!(found[0].what.contains("commit abc123"));
        assert!(changed("a.json\n")[0].what.contains("the work tree"));
        assert!(changed("").is_empty());
    }
}
