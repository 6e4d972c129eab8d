//! Searching transcripts and users, with the same answer on both databases.
//!
//! What a word is, and which words are the same, is decided here and not by the databases: FTS5's
//! tokenizer and PostgreSQL's dictionaries know different versions of Unicode, cut at different
//! signs and fold different letters, so that the same question would get different rows. Each row
//! keeps its words as they are folded here; the databases index them verbatim.

use events::RoomId;
use unicode_normalization::UnicodeNormalization as _;

use crate::db::{Db, Dialect};
use crate::error::StoreError;
use crate::projections::transcript::TranscriptRow;
use crate::projections::user::UserRow;
use crate::value::{Record as _, Table, Value};

/// Words in one search at most.
pub const SEARCH_WORDS_MAX: usize = 8;
/// Characters of a word that count; what is longer is the same when it begins the same.
const WORD_CHARS: usize = 64;
/// Rows whose words are filled in at once.
const FILL_ROWS: i64 = 1000;
/// Before the room's id, as a word of its own among a row's words: so a search in one room never
/// walks through the others'. No word begins with it, for it is no letter.
const ROOM_MARK: char = '\u{E000}';

/// A search: all of its words must be there, whatever their case and accents; the last one may go
/// on. Signs only part words: there are no operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    words: Vec<String>,
}

/// More words than a search may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has {found} words: at most {SEARCH_WORDS_MAX} can be searched for at once")]
pub struct TooManyWords {
    /// How many it has.
    pub found: usize,
}

impl Search {
    /// Reads what somebody typed. Words are counted as people count them, parted by spaces.
    pub fn parse(text: &str) -> Result<Self, TooManyWords> {
        let typed = text.split_whitespace().map(folded);
        let pieces: Vec<Vec<String>> = typed.map(Iterator::collect).collect();
        let found = pieces.iter().filter(|pieces: &&Vec<String>| !pieces.is_empty()).count();
        if found > SEARCH_WORDS_MAX {
            return Err(TooManyWords { found });
        }
        Ok(Self { words: pieces.concat() })
    }

    /// Whether there is nothing to look for; such a search finds nothing.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The condition that a row of `transcript` is found, its parameter being the `n`-th.
    pub(crate) fn condition(dialect: Dialect, n: usize) -> String {
        match dialect {
            Dialect::Sqlite => format!(
                "id IN (SELECT rowid FROM transcript_search WHERE transcript_search MATCH ${n})"
            ),
            Dialect::Postgres => {
                format!("array_to_tsvector(string_to_array(words, ' ')) @@ ${n}::tsquery")
            }
        }
    }

    /// The parameter of [`Self::condition`]. Words are letters and digits: nothing in them means
    /// anything to a database between quotes.
    pub(crate) fn parameter(&self, dialect: Dialect, room: RoomId) -> String {
        let (quote, and, prefix) = match dialect {
            Dialect::Sqlite => ('"', " AND ", " *"),
            Dialect::Postgres => ('\'', " & ", ":*"),
        };
        let room = room_word(room);
        let all = std::iter::once(&room).chain(&self.words);
        let quoted: Vec<String> = all.map(|word| format!("{quote}{word}{quote}")).collect();
        quoted.join(and) + prefix
    }
}

/// What the column `words` holds for a text: each of its words once, sorted, and the room's.
pub(crate) fn words(room: RoomId, text: &str) -> String {
    let mut words: Vec<String> = folded(text).collect();
    words.sort_unstable();
    words.dedup();
    words.push(room_word(room));
    words.join(" ")
}

fn room_word(room: RoomId) -> String {
    format!("{ROOM_MARK}{room}")
}

/// Fills in what rows that an older version wrote are searched by.
pub(crate) async fn fill(db: &Db) -> Result<(), StoreError> {
    fill_users(db).await?;
    fill_transcripts(db).await
}

async fn fill_users(db: &Db) -> Result<(), StoreError> {
    const MISSING: &str = "WHERE folded IS NULL ORDER BY id LIMIT $1";
    const FILL: &str = "UPDATE \"user\" SET folded = $1 WHERE id = $2";
    while is_any(db, UserRow::TABLE, MISSING).await? {
        let mut tx = db.begin().await?;
        let mut session = tx.session();
        let rows = session.select(UserRow::TABLE, MISSING, vec![Value::Int(FILL_ROWS)]).await?;
        for row in rows.into_iter().map(UserRow::from_values) {
            let mut row = row?;
            row.fold();
            let folded = Value::Text(row.folded.unwrap_or_default());
            session.execute(FILL, vec![folded, Value::Int(row.id.get() as i64)]).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

async fn fill_transcripts(db: &Db) -> Result<(), StoreError> {
    const MISSING: &str = "WHERE words IS NULL AND ts_content IS NOT NULL ORDER BY id LIMIT $1";
    const FILL: &str = "UPDATE transcript SET words = $1 WHERE id = $2 AND ts_content = $3";
    while is_any(db, TranscriptRow::TABLE, MISSING).await? {
        let mut tx = db.begin().await?;
        let mut session = tx.session();
        let rows =
            session.select(TranscriptRow::TABLE, MISSING, vec![Value::Int(FILL_ROWS)]).await?;
        for row in rows.into_iter().map(TranscriptRow::from_values) {
            let TranscriptRow { id, room_id, ts_content, .. } = row?;
            let text = ts_content.unwrap_or_default();
            let words = words(room_id, &text);
            let args = vec![Value::Text(words), Value::Int(id.get() as i64), Value::Text(text)];
            session.execute(FILL, args).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Looked up by reading: writers of SQLite wait for each other, and who starts beside a busy
/// projector would wait in vain.
async fn is_any(db: &Db, table: &Table, which: &str) -> Result<bool, StoreError> {
    let found = db.lease().await?.session().select(table, which, vec![Value::Int(1)]).await?;
    Ok(!found.is_empty())
}

/// The words of a text, folded, in its order.
fn folded(text: &str) -> impl Iterator<Item = String> {
    let text = fold(text);
    let words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_CHARS).collect())
        .collect();
    words.into_iter()
}

/// Without case and accents. By way of capitals, so that ß and ss, ς and σ are the same.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let bare = text.nfkd().filter(|letter| !is_accent(*letter));
    let lower = bare.flat_map(char::to_lowercase);
    let lower = lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    // Small letters can come apart once more: İ is an i with a dot.
    let bare = lower.nfkd().filter(|letter| !is_accent(*letter));
    bare.nfc().flat_map(plain).collect()
}

/// Marks on letters, but not those that make another letter in their script, such as か and が.
fn is_accent(letter: char) -> bool {
    matches!(
        letter,
        '\u{300}'..='\u{36F}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{FE20}'..='\u{FE2F}'
    )
}

/// Letters with a stroke, or grown together, that Unicode does not take apart.
fn plain(letter: char) -> impl Iterator<Item = char> {
    let (first, second) = match letter {
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        folded(text).collect()
    }

    #[test]
    fn case_and_accents_do_not_count() {
        for (written, typed) in [
            ("Crème BRÛLÉE", "creme brulee"),
            ("STRASSE Straße", "strasse STRAẞE"),
            ("ΣΊΣΥΦΟΣ", "σισυφος"),
            ("İstanbul Łódź Ørsted", "istanbul lodz orsted"),
            ("ﬁn ① ½", "fin 1 1⁄2"),
        ] {
            assert_eq!(of(written), of(typed), "{written}");
        }
        assert_ne!(of("か"), of("が"));
        assert_eq!(of("don't — stop"), ["don", "t", "stop"]);
        assert_eq!(of("手話 한국어"), ["手話", "한국어"]);
        assert_eq!(of(&"x".repeat(99)), ["x".repeat(WORD_CHARS)]);
    }

    #[test]
    fn eight_words_and_no_more() {
        let eight = "it's a—b 3 4 5 6 7 8 - !";
        assert_eq!(Search::parse(eight).map(|search| search.words.len()), Ok(10));
        assert_eq!(Search::parse("1 2 3 4 5 6 7 8 9"), Err(TooManyWords { found: 9 }));
        assert!(Search::parse(" …*\" ").is_ok_and(|search| search.is_empty()));
    }

    #[test]
    fn nothing_typed_is_an_operator() {
        let search = Search::parse("a OR b* \"NEAR(c') -d:").unwrap();
        assert_eq!(search.words, ["a", "or", "b", "near", "c", "d"]);
        let room = RoomId::new(7);
        let sqlite = search.parameter(Dialect::Sqlite, room);
        assert_eq!(
            sqlite,
            "\"\u{E000}7\" AND \"a\" AND \"or\" AND \"b\" AND \"near\" AND \"c\" AND \"d\" *"
        );
        assert_eq!(words(room, "b a, B"), "a b \u{E000}7");
    }
}
