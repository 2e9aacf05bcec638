//! How much a file or a trait may hold, and how a file begins.

use crate::Finding;
use crate::scan;
use crate::source::Source;

const LINES_MAX: usize = 600;
const LINES_ASK: usize = 400;
const METHODS_MAX: usize = 7;

/// A file that nobody reads to its end is two files.
pub(crate) fn length(source: &Source) -> Vec<Finding> {
    let lines = lines(source);
    let ask = || {
        Finding::at(
            lines,
            format!("{lines} lines without tests; {LINES_MAX} are refused: find the second noun"),
        )
    };
    (lines > LINES_MAX).then(ask).into_iter().collect()
}

/// Past this a file should have a reason.
pub(crate) fn long(source: &Source) -> Option<String> {
    let lines = lines(source);
    let is_long = lines > LINES_ASK && lines <= LINES_MAX;
    is_long.then(|| {
        format!(
            "{}: {lines} lines without tests; from {LINES_ASK} on look for the second noun",
            source.path
        )
    })
}

fn lines(source: &Source) -> usize {
    if source.is_test { source.code.lines().count() } else { source.production().count() }
}

/// `//!` first: what always holds, what the noun is, in which order things happen.
pub(crate) fn head(source: &Source) -> Vec<Finding> {
    let has = source.text.starts_with("//!");
    (!has)
        .then(|| Finding::at(1, "begin with `//!`: what this file is, and what always holds"))
        .into_iter()
        .collect()
}

/// A port with more methods than that is two ports.
pub(crate) fn trait_methods(source: &Source) -> Vec<Finding> {
    let code = &source.code;
    scan::places(code, "trait ")
        .filter_map(|at| {
            let open = at + code[at..].find('{')?;
            let body = &code[open + 1..scan::closing(code, open)];
            let methods = methods(body);
            let name = scan::identifiers(&code[at + 6..]).next().unwrap_or_default();
            let ask = format!("trait {name} has {methods} methods; {METHODS_MAX} is the most");
            (methods > METHODS_MAX).then(|| Finding::at(scan::line_of(code, at), ask))
        })
        .collect()
}

/// The functions of a trait's body, not those inside their default bodies.
fn methods(body: &str) -> usize {
    let depth = |at: usize| body[..at].matches('{').count() - body[..at].matches('}').count();
    scan::places(body, "fn ").filter(|at| depth(*at) == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks;

    #[test]
    fn six_hundred_and_one_lines_are_refused() {
        let text = "fn a() {}\n".repeat(601);
        let asked = "601: 601 lines without tests; 600 are refused: find the second noun";
        assert_eq!(asks(length, "src/a.rs", &text), [asked]);
    }

    #[test]
    fn tests_do_not_count_towards_the_length() {
        let text =
            format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(599), "\n".repeat(99));
        assert_eq!(asks(length, "src/a.rs", &text), [""; 0]);
    }

    #[test]
    fn from_four_hundred_lines_on_there_is_a_warning() {
        assert!(long(&Source::new("src/a.rs", &"\n".repeat(401))).is_some());
        assert!(long(&Source::new("src/a.rs", &"\n".repeat(400))).is_none());
    }

    #[test]
    fn a_file_without_a_head_is_reported() {
        assert_eq!(asks(head, "src/a.rs", "use std::fmt;\n").len(), 1);
        assert_eq!(asks(head, "src/a.rs", "//! A noun.\n").len(), 0);
    }

    #[test]
    fn the_eighth_method_of_a_trait_is_one_too_many() {
        let seven = "    fn a(&self) { fn inner() {} }\n".repeat(7);
        assert_eq!(asks(trait_methods, "src/a.rs", &format!("trait A {{\n{seven}}}\n")), [""; 0]);
        let eight = format!("\npub trait Port: Send {{\n{seven}    fn b();\n}}\n");
        let asked = "2: trait Port has 8 methods; 7 is the most";
        assert_eq!(asks(trait_methods, "src/a.rs", &eight), [asked]);
    }
}
