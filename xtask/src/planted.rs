//! `cargo xtask planted [NAME]…`: are the tests any good? Plants one defect after the other in a copy
//! of the last commit, each of a kind that would cost people their words, their privacy or their
//! trust, and runs the tests that should find it. A defect that no test finds is a failure.

mod defects;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::defects::{DEFECTS, Defect};
use crate::{shell, tools};

/// How a defect fared.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Found,
    /// All tests passed.
    Missed,
    /// It does not compile, or no test ran: the list has to be mended.
    Void,
}

/// Runs it; `Ok(false)` when one was missed.
pub(crate) fn run(names: &[String]) -> Result<bool> {
    if let Some(unknown) = names.iter().find(|name| DEFECTS.iter().all(|one| one.name != **name)) {
        let known: Vec<_> = DEFECTS.iter().map(|one| one.name).collect();
        bail!("there is no defect {unknown:?}; these exist: {}", known.join(" "));
    }
    let tree = shell::root()?.join("target/planted/tree");
    copy(&tree)?;
    let services = tools::services()?;
    let chosen = |one: &&Defect| names.is_empty() || names.iter().any(|name| name == one.name);
    let (mut found, mut all) = (0, 0);
    for defect in DEFECTS.iter().filter(chosen) {
        let begun = Instant::now();
        let fate = plant(defect, &tree, &services)?;
        let seconds = begun.elapsed().as_secs();
        println!("{fate:?} after {seconds} s: {}, by {}", defect.name, defect.tests);
        all += 1;
        found += usize::from(fate == Fate::Found);
    }
    println!("{found} of {all} planted defects found");
    Ok(found == all)
}

/// A copy of the last commit; what was built for it before stays.
fn copy(tree: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(tree);
    shell::run(shell::program("git")?.args(["worktree", "prune"]))?;
    let mut add = shell::program("git")?;
    add.args(["worktree", "add", "--quiet", "--force", "--detach"]).arg(tree).arg("HEAD");
    shell::run(&mut add)?;
    // The copy lies inside the repository, whose settings apply; a second time they would be other
    // flags, and everything below would be built again.
    let settings = tree.join(".cargo");
    fs::remove_dir_all(&settings).with_context(|| format!("cannot remove {}", settings.display()))
}

/// Plants it, runs its tests, takes it out again.
fn plant(defect: &Defect, tree: &Path, services: &[(&str, std::path::PathBuf)]) -> Result<Fate> {
    let file = tree.join(defect.file);
    let source = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    ensure!(source.matches(defect.right).count() == 1, "{}: not found once", defect.name);
    fs::write(&file, source.replacen(defect.right, defect.wrong, 1))?;
    let nextest = |last: &[&str]| -> Result<std::process::ExitStatus> {
        let mut command = shell::cargo(&["nextest", "run", "--workspace", "--locked"])?;
        command.current_dir(tree).args(last).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("CARGO_TARGET_DIR", tree.with_file_name("build"));
        command.envs(services.iter().map(|(name, path)| (name, path)));
        Ok(command.status()?)
    };
    let builds = nextest(&["--no-run"])?.success();
    let code = if builds { nextest(&["-E", defect.tests])?.code() } else { None };
    let fate = match code {
        Some(0) => Fate::Missed,
        // nextest's code for failed tests; others tell of an empty filter or of its own trouble.
        Some(100) => Fate::Found,
        Some(_) | None => Fate::Void,
    };
    fs::write(&file, source)?;
    Ok(fate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_can_still_be_planted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(DEFECTS.len() >= 20);
        for defect in DEFECTS {
            let source = fs::read_to_string(root.join(defect.file)).unwrap();
            let places = source.matches(defect.right).count();
            assert_eq!(places, 1, "{}: {:?} in {}", defect.name, defect.right, defect.file);
        }
    }
}
