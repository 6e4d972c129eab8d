//! What text is allowed to be: NFC, no U+0000, lengths in Unicode scalar values after
//! normalization. Used by `decide`, so the same rule holds for every way in.

use unicode_normalization::UnicodeNormalization as _;

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
/// The reason of a block: at most 500.
pub const REASON: Limits = Limits { min: 0, max: 500 };

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

/// A name as it is compared: NFKC, case folded by lower-casing twice around normalization.
pub fn compared_name(text: &str) -> String {
    let folded: String = text.trim().nfkc().flat_map(char::to_lowercase).collect();
    folded.nfkc().flat_map(char::to_lowercase).collect()
}

/// An e-mail address as it is stored and compared: trimmed, NFC, lower case.
pub fn email(text: &str) -> String {
    nfc(&text.trim().to_lowercase())
}

/// Normalizes a body of text and checks its length; names the field in the refusal.
pub fn body(field: &'static str, text: &Clear, limits: Limits) -> Result<String, Rejection> {
    checked(field, nfc(text.expose()), limits)
}

/// Checks a name: as [`body`], and without characters that are invisible or change direction.
pub fn name(field: &'static str, text: &Clear, limits: Limits) -> Result<String, Rejection> {
    let name = checked(field, shown_name(text.expose()), limits)?;
    match name.chars().find(|c| c.is_control() || is_invisible(*c)) {
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
    let length = text.chars().count();
    if length < limits.min || length > limits.max {
        let Limits { min, max } = limits;
        let detail = format!("has {length} characters; {min} to {max} are allowed");
        return Err(Rejection::Invalid { field, detail });
    }
    Ok(text)
}

/// Bidirectional controls, zero-width characters, separators, and other format characters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
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
        assert!(name("username", &Clear::new("a\u{202E}b"), USERNAME).is_err());
    }
}
