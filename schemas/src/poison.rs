//! What a decoder says about bytes it cannot take.
//!
//! A [`Poison`] means: dead-letter this record and go on. It names what was decoded, the field, what
//! that field should hold and what stood there, in one line that a person can act on.

use std::fmt;

/// The most of a faulty value that an error repeats.
const FOUND_CHARS_MAX: usize = 80;

/// One field that does not hold what it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field's name, with dots into objects: `ctx.position`.
    pub field: &'static str,
    /// What it must hold.
    pub expected: &'static str,
    /// What stood there, as text, cut short; `nothing` if the field is absent or null.
    pub found: String,
}

impl FieldFault {
    /// Says that `field` should be `expected` but is `found`, which is cut after 80 characters.
    pub fn new(field: &'static str, expected: &'static str, found: impl fmt::Display) -> Self {
        let mut text = found.to_string();
        if let Some((end, _)) = text.char_indices().nth(FOUND_CHARS_MAX) {
            text.truncate(end);
            text.push('…');
        }
        Self { field, expected, found: text }
    }

    /// Says that `field` should be `expected`, and what it is in our own words, which are not cut.
    pub fn told(field: &'static str, expected: &'static str, words: impl Into<String>) -> Self {
        Self { field, expected, found: words.into() }
    }

    /// Says that a required `field` is absent or null.
    pub fn missing(field: &'static str, expected: &'static str) -> Self {
        Self { field, expected, found: "nothing".into() }
    }

    /// The words without the field's name: `expected a time, found "soon"`.
    pub fn message(&self) -> String {
        format!("expected {}, found {}", self.expected, self.found)
    }

    /// The same fault as the reason why a `what` cannot be decoded.
    pub fn of(self, what: &'static str) -> Poison {
        Poison { what, fault: self }
    }
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.field, self.expected, self.found)
    }
}

impl std::error::Error for FieldFault {}

/// Bytes that will never decode: dead-letter them and go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// What was being decoded: `like`, `event`, `by-post`.
    pub what: &'static str,
    /// The first field that was wrong.
    pub fault: FieldFault,
}

impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decode {}: {}", self.what, self.fault)
    }
}

impl std::error::Error for Poison {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poison_reads_as_one_line_that_names_the_field() {
        let poison = FieldFault::new("created_at", "a time", "\"soon\"").of("like");
        assert_eq!(poison.to_string(), "decode like: created_at: expected a time, found \"soon\"");
        assert_eq!(poison.fault.message(), "expected a time, found \"soon\"");
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let fault = FieldFault::new("bio", "text", "ä".repeat(500));
        assert_eq!(fault.found, format!("{}…", "ä".repeat(80)));
    }
}
