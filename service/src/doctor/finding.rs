//! A finding: something that is not as it should be, how bad that is, and what mends it.

use std::fmt::{self, Write};

use serde_json::{Value, json};

/// How many names a line holds.
const NAMES: usize = 4;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// To know.
    Note,
    /// It works, and will not for ever.
    Warning,
    /// It does not work, or loses something.
    Error,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, such as a server or topics.
    pub of: String,
    /// What is so, and what follows from it.
    pub words: String,
    /// What mends it; none if no command does.
    pub command: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl Finding {
    /// It does not work, or loses something.
    pub fn error(of: impl Into<String>, words: impl Into<String>) -> Self {
        Self { severity: Severity::Error, of: of.into(), words: words.into(), command: None }
    }

    /// It works, and will not for ever.
    pub fn warning(of: impl Into<String>, words: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(of, words) }
    }

    /// To know.
    pub fn note(of: impl Into<String>, words: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(of, words) }
    }

    /// With what mends it.
    pub fn mended_by(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }
}

/// A finding a paragraph, the worst first.
pub fn told(findings: &[Finding]) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut out = String::new();
    for Finding { severity, of, words, command } in sorted {
        let _ = writeln!(out, "{severity:<8} {}: {words}", in_short(of));
        if let Some(command) = command {
            let _ = writeln!(out, "{:<8}   {command}", "");
        }
    }
    out
}

/// A line holds the names of a few topics, not of all.
fn in_short(of: &str) -> String {
    let names: Vec<_> = of.split(", ").collect();
    match names.get(..NAMES) {
        Some(few) if names.len() > NAMES => {
            format!("{} and {} more", few.join(", "), names.len() - NAMES)
        }
        Some(_) | None => of.to_owned(),
    }
}

/// The same for a program.
pub fn json_of(findings: &[Finding]) -> Value {
    let finding = |Finding { severity, of, words, command }: &Finding| json!({"severity": severity.to_string(), "of": of, "words": words, "command": command});
    findings.iter().map(finding).collect()
}

/// How many of them are errors, if any is, in words.
pub fn errors(findings: &[Finding]) -> Option<String> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    (errors > 0).then(|| format!("{errors} of {} findings are errors", findings.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told_first_with_what_mends_it() {
        let findings = [
            Finding::note("kafka", "has one broker"),
            Finding::error("topic a", "is not there").mended_by("feedmill topics create"),
        ];
        let expected = "error    topic a: is not there\n           feedmill topics create\n\
                        note     kafka: has one broker\n";
        assert_eq!(told(&findings), expected);
        let many = Finding::note("topics a, b, c, d, e, f", "are small");
        assert_eq!(told(&[many]), "note     topics a, b, c, d and 2 more: are small\n");
        assert_eq!(errors(&findings).as_deref(), Some("1 of 2 findings are errors"));
        assert_eq!(errors(&findings[..1]), None);
        let expected = json!([
            {"severity": "note", "of": "kafka", "words": "has one broker", "command": null},
            {"severity": "error", "of": "topic a", "words": "is not there",
             "command": "feedmill topics create"},
        ]);
        assert_eq!(json_of(&findings), expected);
    }
}
