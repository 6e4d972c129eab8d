//! Words that stand nowhere, or nowhere in some folder, each with what to write instead. They are
//! spelt in two halves here, so that this file holds none of them.

use super::{Fault, Texts};

/// One banned word.
struct Word {
    text: &'static str,
    /// Only paths that begin so; empty for all.
    within: &'static str,
    /// But not paths that begin so.
    except: &'static [&'static str],
    /// Whether comments are searched too.
    in_comments: bool,
    instead: &'static str,
}

const ANYWHERE: Word = Word { text: "", within: "", except: &[], in_comments: false, instead: "" };
const IN_EVENTS: Word =
    Word { within: "crates/events/src/", instead: "time arrives with the command", ..ANYWHERE };
const IN_CLIPS: Word = Word { within: "crates/clips/src/", ..IN_EVENTS };

/// Looked for in code: files that end in one of `CODE`.
const WORDS: [Word; 15] = [
    Word { text: concat!("to", "do!("), instead: "finish it", ..ANYWHERE },
    Word { text: concat!("unimple", "mented!("), instead: "finish it", ..ANYWHERE },
    Word { text: concat!("FIX", "ME"), in_comments: true, instead: "fix it", ..ANYWHERE },
    Word { text: concat!("XX", "X"), in_comments: true, instead: "mend it", ..ANYWHERE },
    Word { text: concat!("#[ig", "nore"), instead: "mend the test, or note a skip", ..ANYWHERE },
    Word {
        text: concat!("#[al", "low("),
        instead: "write #[expect(.., reason = \"..\")]",
        ..ANYWHERE
    },
    Word {
        text: concat!("#![al", "low("),
        instead: "write #![expect(.., reason = \"..\")]",
        ..ANYWHERE
    },
    Word { text: concat!("#[should", "_panic"), instead: "test for the error value", ..ANYWHERE },
    Word {
        text: concat!("sq", "lx"),
        within: "crates/streams/src/",
        except: &["crates/streams/src/log/embedded", "crates/streams/src/error.rs"],
        instead: "only the embedded log speaks SQL",
        ..ANYWHERE
    },
    Word { text: concat!("Utc::", "now"), ..IN_EVENTS },
    Word { text: concat!("SystemTime::", "now"), ..IN_EVENTS },
    Word { text: concat!("Instant::", "now"), ..IN_EVENTS },
    Word { text: concat!("Utc::", "now"), ..IN_CLIPS },
    Word { text: concat!("SystemTime::", "now"), ..IN_CLIPS },
    Word { text: concat!("Instant::", "now"), ..IN_CLIPS },
];
const CODE: [&str; 8] = [".rs", ".js", ".mjs", ".css", ".html", ".py", ".sh", ".sql"];

/// Registries' hosts, looked for in every text but `Cargo.lock`: names of packages are enough.
const HOSTS: [&str; 6] = [
    concat!("crates", ".io"),
    concat!("py", "pi.org"),
    concat!("pythonho", "sted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("deb.de", "bian.org"),
];

pub(super) fn check(texts: &Texts) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| *path != "Cargo.lock") {
        let is_code = CODE.iter().any(|ending| path.ends_with(ending));
        let words: Vec<&Word> =
            WORDS.iter().filter(|word| is_code && applies(word, path)).collect();
        for (number, line) in (1..).zip(text.lines()) {
            let place = || format!("{path}:{number}");
            let is_comment = line.trim_start().starts_with("//");
            for word in &words {
                if (word.in_comments || !is_comment) && stands(word.text, line) {
                    faults.push(Fault::new(place(), word.text, word.instead));
                }
            }
            for host in HOSTS.iter().filter(|host| line.contains(**host)) {
                faults.push(Fault::new(
                    place(),
                    *host,
                    "name the package, not the registry's host",
                ));
            }
        }
    }
    faults
}

fn applies(word: &Word, path: &str) -> bool {
    path.starts_with(word.within) && !word.except.iter().any(|except| path.starts_with(except))
}

/// Whether `word` stands in `line` with no letter or digit beside its own letters.
pub(super) fn stands(word: &str, line: &str) -> bool {
    let touches = |neighbour: Option<char>, own: Option<char>| {
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        neighbour.is_some_and(letter) && own.is_some_and(letter)
    };
    line.match_indices(word).any(|(at, _)| {
        !touches(line[..at].chars().next_back(), word.chars().next())
            && !touches(line[at + word.len()..].chars().next(), word.chars().next_back())
    })
}

#[cfg(test)]
mod tests {
    use super::{HOSTS, WORDS, check};
    use crate::tidy::Texts;

    fn places(path: &str, text: &str) -> Vec<String> {
        let texts = Texts::from([(path.to_owned(), text.to_owned())]);
        check(&texts).into_iter().map(|fault| fault.place).collect()
    }

    #[test]
    fn every_word_is_found_where_it_is_banned() {
        for word in &WORDS {
            let path = format!("{}lib.rs", word.within);
            let text = format!("//! Why.\n    {}\n", word.text);
            assert_eq!(places(&path, &text), [format!("{path}:2")], "{}", word.text);
        }
    }

    #[test]
    fn parts_of_longer_words_and_comments_are_left_alone() {
        assert!(places("a.rs", &format!("let code = \"{}1\";", concat!("AXX", "X"))).is_empty());
        assert!(places("a.rs", &format!("// never write {}", concat!("to", "do!()"))).is_empty());
        assert_eq!(places("a.rs", concat!("// FIX", "ME: later")), ["a.rs:1"]);
        assert!(places("notes.md", concat!("FIX", "ME")).is_empty());
    }

    #[test]
    fn folders_have_their_own_words() {
        let line = concat!("use sq", "lx::Row;");
        assert_eq!(places("crates/streams/src/live.rs", line).len(), 1);
        assert!(places("crates/streams/src/log/embedded/file.rs", line).is_empty());
        assert!(places("crates/projector/src/store.rs", line).is_empty());
    }

    #[test]
    fn hosts_stand_only_in_the_lock_file() {
        for host in HOSTS {
            assert_eq!(places("docs/notes.md", host), ["docs/notes.md:1"]);
            assert!(places("Cargo.lock", host).is_empty());
        }
    }
}
