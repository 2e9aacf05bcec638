//! An error's kinds are all named where they are told apart: a new kind must stop the compiler, not be swallowed.

use crate::Finding;
use crate::scan;
use crate::source::Source;

/// Enums whose kinds decide a reaction. Those of other crates may grow without us, so they are not here.
const ERRORS: &[&str] =
    &["Fault::", "Failure::", "Code::", "Reaction::", "Exit::", "Call::", "Poison::"];

/// `_ =>` beside an arm that names one of our errors' kinds.
pub(crate) fn wildcard_on_an_error(source: &Source) -> Vec<Finding> {
    let code: String = source.production().map(|(_, line)| format!("{line}\n")).collect();
    scan::places(&code, "match ")
        .filter_map(|at| {
            let open = body(&code, at)?;
            let arms = arms(&code, open);
            let is_error = |arm: &Arm<'_>| {
                ERRORS.iter().any(|kind| scan::places(arm.pattern, kind).next().is_some())
            };
            let wildcard =
                arms.iter().find(|arm| arm.pattern == "_" || arm.pattern.starts_with("_ if"))?;
            arms.iter().any(is_error).then(|| {
                Finding::at(
                    scan::line_of(&code, wildcard.at),
                    "name every kind of the error instead of `_`",
                )
            })
        })
        .collect()
}

/// Where the braces of the `match` at `at` open.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut place = at;
    loop {
        let found = place + code[place..].find(['{', '(', '['])?;
        if code[found..].starts_with('{') {
            return Some(found);
        }
        place = scan::closing(code, found);
    }
}

struct Arm<'a> {
    at: usize,
    pattern: &'a str,
}

fn arms(code: &str, open: usize) -> Vec<Arm<'_>> {
    let end = scan::closing(code, open);
    let mut arms = Vec::new();
    let mut place = open + 1;
    while let Some(arrow) = code[place..end].find("=>").map(|found| place + found) {
        let blank = code[place..arrow].len()
            - code[place..arrow].trim_start_matches([',', ' ', '\n']).len();
        arms.push(Arm { at: place + blank, pattern: code[place + blank..arrow].trim() });
        place = arm_end(code, arrow + 2, end);
    }
    arms
}

/// Where the arm whose body starts at `place` is over.
fn arm_end(code: &str, place: usize, end: usize) -> usize {
    let start = place + code[place..end].len() - code[place..end].trim_start().len();
    if code[start..end].starts_with('{') {
        return (scan::closing(code, start) + 1).min(end);
    }
    let mut at = start;
    while let Some(found) = code[at..end].find([',', '{', '(', '[']).map(|found| at + found) {
        if code[found..].starts_with(',') {
            return found + 1;
        }
        at = (scan::closing(code, found) + 1).min(end);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks;

    #[test]
    fn a_wildcard_on_an_error_is_reported() {
        let text = "match fault(a, b) {\n    Fault::Retry(why) => { log(match why { _ => 1 }) }\n    _ => stop(),\n}\n";
        let asked = "3: name every kind of the error instead of `_`";
        assert_eq!(asks(wildcard_on_an_error, "src/a.rs", text), [asked]);
    }

    #[test]
    fn a_wildcard_on_anything_else_is_fine() {
        let text =
            "match state {\n    State::Open => Fault::Retry(a),\n    _ => Fault::Fatal(b),\n}\n";
        assert_eq!(asks(wildcard_on_an_error, "src/a.rs", text), [""; 0]);
    }
}
