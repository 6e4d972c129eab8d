//! Checks what neither the compiler nor clippy sees: who may depend on whom, who owns which
//! library, how long files are, which words stand nowhere, that history is only added to, and that
//! the documentation names what is there.

mod docs;
mod files;
mod graph;
mod history;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;

use crate::shell;

/// One broken rule: where, what, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    place: String,
    what: String,
    remedy: String,
}

impl Fault {
    fn new(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.what, self.remedy)
    }
}

/// Every text file that git tracks or would track: path from the root, `/` between, and content.
type Texts = BTreeMap<String, String>;

/// Prints every fault; true when there is none.
pub(crate) fn run() -> Result<bool> {
    let metadata = shell::metadata()?;
    let paths = list()?;
    let texts = read_texts(&paths)?;
    let mut faults = graph::check(&metadata, &texts);
    faults.extend(files::check(&metadata, &texts));
    faults.extend(words::check(&texts));
    faults.extend(docs::check(&texts, &paths));
    faults.extend(history::check()?);
    faults.sort();
    for fault in &faults {
        println!("{fault}");
    }
    println!("tidy: {} files, {} faults", texts.len(), faults.len());
    Ok(faults.is_empty())
}

/// Every file that git tracks or would track.
fn list() -> Result<BTreeSet<String>> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let list = shell::output(shell::program("git")?.args(args))?;
    Ok(list.split_terminator('\0').map(str::to_owned).collect())
}

fn read_texts(paths: &BTreeSet<String>) -> Result<Texts> {
    let root = shell::root()?;
    // A file that cannot be read as text is a picture or weights, or is deleted but not yet committed.
    let text = |path: &String| std::fs::read_to_string(root.join(path)).ok();
    Ok(paths.iter().filter_map(|path| Some((path.clone(), text(path)?))).collect())
}
