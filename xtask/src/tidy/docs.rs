//! The documentation: links lead somewhere, the book lists every page, the tests that it names as
//! evidence are there, and no item of the security standard is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Fault, Texts};

const BOOK: &str = "docs/SUMMARY.md";
const STANDARD: &str = "docs/security.md";

/// OWASP ASVS 5.0.0: each section with the levels of its items, in their order.
const ITEMS: &str = "1.1 22 1.2 1111122223 1.3 112222222223 1.4 222 1.5 123 2.1 122 2.2 112 \
    2.3 12223 2.4 23 3.1 3 3.2 113 3.3 12223 3.4 11222233 3.5 11122333 3.6 3 3.7 22333 4.1 12233 \
    4.2 23333 4.3 22 4.4 1222 5.1 2 5.2 112333 5.3 113 5.4 222 6.1 122 6.2 111111112222 \
    6.3 11223333 6.4 112233 6.5 22222333 6.6 2223 6.7 33 6.8 2222 7.1 222 7.2 1111 7.3 22 \
    7.4 11222 7.5 223 7.6 22 8.1 1233 8.2 1123 8.3 133 8.4 23 9.1 111 9.2 1222 10.1 22 10.2 223 \
    10.3 22223 10.4 1111122222233333 10.5 22222 10.6 22 10.7 222 11.1 2233 11.2 22233 11.3 11233 \
    11.4 1222 11.5 23 11.6 23 11.7 33 12.1 12233 12.2 11 12.3 22223 13.1 2333 13.2 222223 \
    13.3 2233 13.4 1222233 14.1 22 14.2 12223333 14.3 122 15.1 12233 15.2 12233 15.3 1222222 \
    15.4 3333 16.1 2 16.2 22222 16.3 2222 16.4 222 16.5 2223 17.1 23 17.2 22223333 17.3 22";
/// Items of a higher level are not asked for.
const LEVEL_MAX: u32 = 2;

pub(super) fn check(texts: &Texts, paths: &BTreeSet<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (page, text) in texts.iter().filter(|(path, _)| is_page(path)) {
        for link in links(text) {
            if !leads_somewhere(page, link, paths) {
                let remedy = "mend the link, or the page";
                faults.push(Fault::new(
                    page,
                    format!("a link to {link}, which is not there"),
                    remedy,
                ));
            }
        }
        for (krate, function) in tests_named(text) {
            if !exists(krate, function, texts) {
                let what = format!("names the test `{krate}::{function}`, which is not there");
                faults.push(Fault::new(page, what, "name the test that shows it now"));
            }
        }
    }
    faults.extend(lost_pages(texts));
    faults.extend(texts.get(STANDARD).into_iter().flat_map(|text| standard(text)));
    faults
}

fn is_page(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "md")
}

/// Where a text's links lead within the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let ours = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    ours.filter(|target| !target.starts_with("mailto:") && !target.contains(' '))
}

fn leads_somewhere(page: &str, link: &str, paths: &BTreeSet<String>) -> bool {
    let file = link.split('#').next().unwrap_or_default();
    let mut place: Vec<&str> = page.split('/').collect();
    place.pop();
    for piece in file.split('/') {
        match piece {
            ".." if place.pop().is_none() => return false,
            "" | "." | ".." => {}
            name => place.push(name),
        }
    }
    let place = place.join("/");
    let folder = format!("{place}/");
    paths.contains(&place)
        || paths.range(folder.clone()..).next().is_some_and(|p| p.starts_with(&folder))
}

/// Pages of the documentation that its table of contents does not have.
fn lost_pages(texts: &Texts) -> Vec<Fault> {
    let Some(book) = texts.get(BOOK) else { return Vec::new() };
    let listed: BTreeSet<&str> = links(book).collect();
    let pages = texts.keys().filter_map(|path| path.strip_prefix("docs/"));
    let lost =
        pages.filter(|page| is_page(page) && *page != "SUMMARY.md" && !listed.contains(page));
    lost.map(|page| Fault::new(format!("docs/{page}"), "not in docs/SUMMARY.md", "list it"))
        .collect()
}

/// The words `crate::function` between backticks.
fn tests_named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|words| words.split_once("::"));
    let plain =
        |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    named.filter_map(move |(krate, rest)| {
        let function = rest.rsplit("::").next()?;
        let long = function.matches('_').count() > 1;
        (plain(krate) && plain(function) && long && krate != "crate").then_some((krate, function))
    })
}

/// Whether a crate's sources have a function of that name, or list it for a macro.
fn exists(krate: &str, function: &str, texts: &Texts) -> bool {
    let folders = [format!("crates/{krate}/"), format!("{krate}/")];
    let declared = format!("fn {function}(");
    texts.iter().any(|(path, text)| {
        folders.iter().any(|folder| path.starts_with(folder)) && text.contains(&declared)
    })
}

/// Items that have no row, more than one, or the wrong level.
fn standard(text: &str) -> Vec<Fault> {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        if cells[0].starts_with(|c: char| c.is_ascii_digit()) && cells.len() > 1 {
            rows.entry(cells[0]).or_default().push(cells[1]);
        }
    }
    let mut faults = Vec::new();
    let mut fault = |item: &str, what: &str| {
        faults.push(Fault::new(STANDARD, format!("{item} {what}"), "one row for each item"));
    };
    let words: Vec<&str> = ITEMS.split(' ').filter(|word| !word.is_empty()).collect();
    for section in words.chunks_exact(2) {
        for (index, level) in section[1].chars().filter_map(|c| c.to_digit(10)).enumerate() {
            let item = format!("{}.{}", section[0], index + 1);
            let whole = [
                format!("{}.*", section[0]),
                format!("{}.*", section[0].split('.').next().unwrap_or_default()),
            ];
            let excused = whole.iter().any(|group| rows.contains_key(group.as_str()));
            match rows.get(item.as_str()).map(Vec::as_slice) {
                None if level > LEVEL_MAX || excused => {}
                None => fault(&item, "has no row"),
                Some([one]) => {
                    let said = one.parse::<u32>();
                    if said.is_ok_and(|said| said != level) {
                        fault(&item, "has another level");
                    }
                }
                Some(_) => fault(&item, "has more than one row"),
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ITEMS, check, standard, tests_named};
    use crate::tidy::Texts;

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let texts: Texts = files.collect();
        let paths: BTreeSet<String> = texts.keys().cloned().collect();
        check(&texts, &paths).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_lead_somewhere_and_pages_are_listed() {
        let found = faults(&[
            ("README.md", "[a](docs/a.md) [b](docs/b/c.md#part) [d](docs) [gone](docs/gone.md)"),
            ("docs/SUMMARY.md", "[a](a.md)"),
            ("docs/a.md", "[up](../README.md) [out](../../out.md) [net](https://example.org/x.md)"),
            ("docs/b/c.md", ""),
        ]);
        let expected = [
            "README.md: a link to docs/gone.md",
            "docs/a.md: a link to ../../out.md",
            "docs/b/c.md: not in",
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for start in expected {
            assert!(found.iter().any(|fault| fault.starts_with(start)), "{start} in {found:?}");
        }
    }

    #[test]
    fn evidence_has_to_be_there() {
        let named: Vec<_> =
            tests_named("`api::it_holds_well` `crate::function` `Foo::bar_baz_x` x::y_z_a")
                .collect();
        assert_eq!(named, [("api", "it_holds_well")]);
        let source = ("crates/api/tests/it/a.rs", "async fn it_holds_well() {}");
        assert_eq!(faults(&[source, ("a.md", "`api::it_holds_well`")]), Vec::<String>::new());
        let found = faults(&[source, ("a.md", "`events::it_holds_well`")]);
        assert!(found[0].contains("`events::it_holds_well`, which is not there"), "{found:?}");
    }

    #[test]
    fn the_standard_has_its_items() {
        let digits = ITEMS.split(' ').filter(|word| !word.contains('.')).flat_map(str::chars);
        let count = |level| digits.clone().filter(|c| *c == level).count();
        assert_eq!(
            (count('1'), count('2'), count('3')),
            (70, 183, 92),
            "as the standard counts them"
        );
        let found = standard(
            "| 1.1.1 | 2 | a |\n| 1.1.2 | 1 | a |\n| 10.* | none |\n| 2.1.1 | 1 |\n| 2.1.1 | 1 |\n",
        );
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let says = |part: &str| found.iter().any(|fault| fault.contains(part));
        assert!(
            says("1.1.2 has another level") && says("2.1.1 has more than one row"),
            "{found:?}"
        );
        assert!(says("1.2.1 has no row") && !says("10.") && !says("1.2.10 has"), "{found:?}");
    }
}
