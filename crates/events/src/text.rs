//! What text is allowed to be: NFC, no U+0000, lengths in Unicode scalar values after
//! normalization. Used by `decide`, so the same rule holds for every way in.

use icu_properties::props::DefaultIgnorableCodePoint;
use icu_properties::{CodePointSetData, CodePointSetDataBorrowed};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::command::Rejection;
use crate::sealed::Clear;

/// Limits of a text field, in Unicode scalar values.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Fewest allowed.
    pub min: usize,
    /// Most allowed.
    pub max: usize,
}

/// A user name: 1 to 50.
pub const USERNAME: Limits = Limits { min: 1, max: 50 };
/// An e-mail address: 3 to 100.
pub const EMAIL: Limits = Limits { min: 3, max: 100 };
/// A chat message, a typed caption, a correction: 1 to 4,000.
pub const MESSAGE: Limits = Limits { min: 1, max: 4000 };
/// The reason of a block: 1 to 500.
pub const REASON: Limits = Limits { min: 1, max: 500 };

/// A language or a model's name: 1 to 64.
pub const TAG: Limits = Limits { min: 1, max: 64 };
/// What a guest wants to be called: 1 to 50.
pub const DISPLAY_NAME: Limits = Limits { min: 1, max: 50 };

/// NFC form of a text.
pub fn nfc(text: &str) -> String {
    // ASCII is NFC already, and most chat is.
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// A name as it is shown: NFC, trimmed.
pub fn shown_name(text: &str) -> String {
    nfc(text.trim())
}

/// A name as it is compared: NFKC, case folded, twice, since each can undo the other; without the
/// joiners that only shape letters, so that no name differs from another by them alone.
pub fn compared_name(text: &str) -> String {
    let seen = text.trim().chars().filter(|c| !is_joiner(*c));
    let folded: String = seen.nfkc().flat_map(fold).collect();
    let folded: String = folded.nfkc().flat_map(fold).collect();
    folded.nfkc().collect()
}

/// Folds the case as Unicode has it: by way of capitals, so that ß is ss and ς is σ. The dotless ı
/// shares its capital with i, and is another letter.
fn fold(letter: char) -> impl Iterator<Item = char> {
    let capitals = move |c: char| {
        let capital = c.to_uppercase();
        let kept = (c == 'ı').then_some(c);
        capital.filter(move |_| kept.is_none()).chain(kept)
    };
    letter.to_lowercase().flat_map(capitals).flat_map(char::to_lowercase)
}

/// An e-mail address as it is stored and compared: trimmed, NFC, lower case.
pub fn email(text: &str) -> String {
    nfc(&text.trim().to_lowercase())
}

/// Normalizes a body of text and checks its length; names the field in the refusal.
pub fn body(field: &'static str, text: &Clear, limits: Limits) -> Result<String, Rejection> {
    checked(field, nfc(text.expose()), limits)
}

/// Checks a name: as [`body`], and without characters that are invisible or change direction. Joiners
/// (U+200C, U+200D) may stand between letters, as Persian and the scripts of India need them.
pub fn name(field: &'static str, text: &Clear, limits: Limits) -> Result<String, Rejection> {
    visible(field, shown_name(text.expose()), limits, true)
}

/// Checks an e-mail address and gives it as it is stored: as [`name`], without any joiners.
pub fn address(field: &'static str, text: &Clear) -> Result<String, Rejection> {
    visible(field, email(text.expose()), EMAIL, false)
}

fn visible(
    field: &'static str,
    name: String,
    limits: Limits,
    joiners: bool,
) -> Result<String, Rejection> {
    let name = checked(field, name, limits)?;
    let letters = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() || is_combining_mark(c));
    let (mut before, mut rest) = (None, name.chars());
    let bad = loop {
        let Some(c) = rest.next() else { break None };
        let joins = joiners && is_joiner(c) && letters(before) && letters(rest.clone().next());
        if c.is_control() || (is_invisible(c) && !joins) {
            break Some(c);
        }
        before = Some(c);
    };
    match bad {
        Some(bad) => Err(Rejection::Invalid {
            field,
            detail: format!("contains the invisible character U+{:04X}; remove it", bad as u32),
        }),
        None => Ok(name),
    }
}

/// Checks a language or a model's name, if one is given: letters, digits and `-_.:/@`.
pub fn tag(field: &'static str, tag: Option<&str>) -> Result<(), Rejection> {
    let Some(tag) = tag else { return Ok(()) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/@".contains(c);
    if tag.len() < TAG.min || tag.len() > TAG.max || !tag.chars().all(allowed) {
        let detail = format!("is not {} to {} letters, digits and -_.:/@", TAG.min, TAG.max);
        return Err(Rejection::Invalid { field, detail });
    }
    Ok(())
}

fn checked(field: &'static str, text: String, limits: Limits) -> Result<String, Rejection> {
    if text.contains('\0') {
        let detail = "contains U+0000, which can't be stored; remove it".to_owned();
        return Err(Rejection::Invalid { field, detail });
    }
    if limits.min > 0 && !text.is_empty() && !text.chars().any(is_visible) {
        let detail = "is blank: nothing in it can be seen; write something".to_owned();
        return Err(Rejection::Invalid { field, detail });
    }
    let length = text.chars().count();
    if length < limits.min || length > limits.max {
        let Limits { min, max } = limits;
        let detail = format!("has {length} characters; {min} to {max} are allowed");
        return Err(Rejection::Invalid { field, detail });
    }
    Ok(text)
}

/// A text without what could change more than itself where it is written out: control characters
/// other than line ends and tabs, and everything that turns the direction of what follows. What
/// parts words stays a line end, so that none are glued together.
pub fn harmless(text: &str) -> String {
    let kept = |c: char| match c {
        '\n' | '\t' => Some(c),
        '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
            Some('\n')
        }
        _ => (!is_direction(c) && !c.is_control()).then_some(c),
    };
    text.replace("\r\n", "\n").chars().filter_map(kept).collect()
}

/// Zero-width joiner and non-joiner: they shape the letters beside them.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Embeddings, overrides and isolates of direction.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !is_invisible(c)
}

/// What Unicode lets programs show as nothing (Default_Ignorable_Code_Point): bidirectional controls,
/// zero-width characters, fillers, variation selectors, tags, and what is reserved for more of them.
const IGNORABLE: CodePointSetDataBorrowed<'static> =
    CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// The ignorable, and what shows as nothing all the same: line and paragraph separators, the empty
/// Braille cell, interlinear annotations.
fn is_invisible(c: char) -> bool {
    IGNORABLE.contains(c)
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{2800}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_after_normalization() {
        let e_acute = Clear::new("e\u{301}".repeat(50));
        assert_eq!(name("username", &e_acute, USERNAME).unwrap().chars().count(), 50);
        assert!(name("username", &Clear::new("x".repeat(51)), USERNAME).is_err());
        assert!(body("msg_content", &Clear::new("a\0b"), MESSAGE).is_err());
    }

    #[test]
    fn names_that_look_alike_compare_equal() {
        assert_eq!(compared_name("ＡＤＡ"), compared_name(" ada"));
        assert_eq!(compared_name("İ"), compared_name("i\u{307}"));
        assert_eq!(compared_name("STRASSE"), compared_name("Straße"));
        assert_eq!(compared_name("STRAẞE"), "strasse");
        assert_eq!(compared_name("ΟΔΟΣ"), compared_name("οδος"));
        assert_eq!(compared_name("ﬀ"), "ff");
        assert_ne!(compared_name("ı"), compared_name("i"));
        assert!(name("username", &Clear::new("a\u{202E}b"), USERNAME).is_err());
    }

    #[test]
    fn what_shows_as_nothing_is_blank() {
        for blank in [" ", "\n\t", "\u{3000}", "\u{200B}\u{2800}", "\u{202E}", "\u{1b}\u{7}"] {
            assert!(body("msg_content", &Clear::new(blank), MESSAGE).is_err(), "{blank:?}");
            assert!(name("display_name", &Clear::new(blank), DISPLAY_NAME).is_err(), "{blank:?}");
            assert!(body("reason", &Clear::new(blank), REASON).is_err(), "{blank:?}");
        }
        assert_eq!(body("msg_content", &Clear::new(" a "), MESSAGE).unwrap(), " a ");
    }

    #[test]
    fn what_can_be_told_from_nothing_by_no_eye_is_in_no_name() {
        let ranges = [
            ('\u{AD}', '\u{AD}'),
            ('\u{34F}', '\u{34F}'),
            ('\u{61C}', '\u{61C}'),
            ('\u{115F}', '\u{1160}'),
            ('\u{17B4}', '\u{17B5}'),
            ('\u{180B}', '\u{180F}'),
            ('\u{200B}', '\u{200F}'),
            ('\u{2028}', '\u{202E}'),
            ('\u{2060}', '\u{206F}'),
            ('\u{2800}', '\u{2800}'),
            ('\u{3164}', '\u{3164}'),
            ('\u{FE00}', '\u{FE0F}'),
            ('\u{FEFF}', '\u{FEFF}'),
            ('\u{FFA0}', '\u{FFA0}'),
            ('\u{FFF0}', '\u{FFFB}'),
            ('\u{1BCA0}', '\u{1BCA3}'),
            ('\u{1D173}', '\u{1D17A}'),
            ('\u{E0000}', '\u{E0FFF}'),
        ];
        let name = |text: &str| name("username", &Clear::new(text), USERNAME);
        for c in ranges.into_iter().flat_map(|(first, last)| first..=last) {
            assert!(name(&format!("1{c}2")).is_err(), "{c:?}");
            assert!(is_joiner(c) || name(&format!("ad{c}a")).is_err(), "{c:?}");
            assert!(address("email", &Clear::new(format!("ad{c}a@example.org"))).is_err(), "{c:?}");
        }
        // As an eye tells them apart, or colours them.
        for fine in ["Ada \u{1F680}", "Zo\u{EB}", "\u{5E9}\u{5C1}", "\u{1F44B}\u{1F3FD}"] {
            assert!(name(fine).is_ok(), "{fine:?}");
        }
        // Who took such a name before it was refused is still found by it.
        assert_eq!(compared_name("Ada\u{FE0F}"), "ada\u{FE0F}");
        assert!(body("msg_content", &Clear::new("\u{2764}\u{FE0F}"), MESSAGE).is_ok());
    }

    #[test]
    fn joiners_join_letters_and_make_no_second_name() {
        let name = |text: &str| name("username", &Clear::new(text), USERNAME);
        let persian = "\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645}";
        let indic = "\u{915}\u{94D}\u{200D}\u{937}";
        for fine in [persian, indic] {
            assert_eq!(name(fine).unwrap(), fine);
            assert_eq!(compared_name(fine), compared_name(&fine.replace(is_joiner, "")));
        }
        for wrong in
            ["\u{200D}ada", "ada\u{200C}", "a\u{200D}\u{200D}b", "a\u{200C} b", "1\u{200D}2"]
        {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_harmless_text_turns_nothing_around_and_commands_no_terminal() {
        assert_eq!(harmless("a\u{202E}b\u{2066}\u{1b}[31m\r\n\tc"), "ab[31m\n\tc");
        assert_eq!(harmless("\u{645}\u{200C}\u{62E}"), "\u{645}\u{200C}\u{62E}");
        for parts in ["a\rb", "a\u{b}b", "a\u{c}b", "a\u{85}b", "a\u{1c}b", "a\u{2028}b"] {
            assert_eq!(harmless(parts), "a\nb", "{parts:?}");
        }
    }
}
