//! Checks what neither the compiler nor clippy sees: who may depend on whom, who owns which
//! library, how long files are, which words stand nowhere, and that history is only added to.

mod files;
mod graph;
mod history;
mod words;

use std::collections::BTreeMap;
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
    let texts = read_texts()?;
    let mut faults = graph::check(&metadata, &texts);
    faults.extend(files::check(&metadata, &texts));
    faults.extend(words::check(&texts));
    faults.extend(history::check()?);
    faults.sort();
    for fault in &faults {
        println!("{fault}");
    }
    println!("tidy: {} files, {} faults", texts.len(), faults.len());
    Ok(faults.is_empty())
}

fn read_texts() -> Result<Texts> {
    let root = shell::root()?;
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let list = shell::output(shell::program("git")?.args(args))?;
    let paths = list.split_terminator('\0');
    // A file that cannot be read as text is a picture or weights, or is deleted but not yet committed.
    Ok(paths
        .filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(root.join(path)).ok()?)))
        .collect())
}
