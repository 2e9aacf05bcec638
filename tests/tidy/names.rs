//! Names say what a thing is; these say that its author did not know.

use std::path::Path;

use crate::Finding;
use crate::scan;
use crate::source::Source;

const BANNED: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "impl", "impls", "base", "misc"];
/// What traits of others call their methods.
const OF_OTHERS: &[&str] = &["get_db"];
const DECLARES: &[&str] = &["fn", "struct", "enum", "trait", "mod", "type", "const", "static"];

/// Words that name nothing, in files, modules and items (a test's name is prose); and `get_`, which says less than the noun after it.
pub(crate) fn banned(source: &Source) -> Vec<Finding> {
    let path = Path::new(&source.path).with_extension("");
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let files = parts.filter_map(|part| vague(&part)).map(|ask| Finding::at(1, ask));
    let items = source.production().flat_map(|(at, line)| {
        let identifiers: Vec<&str> = scan::identifiers(line).collect();
        let declared = identifiers.windows(2).filter(|pair| DECLARES.contains(&pair[0]));
        let asks: Vec<String> = declared.filter_map(|pair| vague(pair[1])).collect();
        asks.into_iter().map(move |ask| Finding::at(at, ask))
    });
    files.chain(items).collect()
}

fn vague(name: &str) -> Option<String> {
    if OF_OTHERS.contains(&name) {
        return None;
    }
    let words = scan::words(name);
    if words.len() > 1 && words.first().is_some_and(|word| word == "get") {
        return Some(format!("`{name}`: leave out `get_`"));
    }
    let word = words.iter().find(|word| BANNED.contains(&word.as_str()))?;
    Some(format!("`{name}`: `{word}` names nothing"))
}

/// A test's name is a sentence that is true: two words are a topic.
pub(crate) fn tests_are_sentences(source: &Source) -> Vec<Finding> {
    let lines: Vec<&str> = source.code.lines().map(str::trim).collect();
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let marked = lines.iter().enumerate().filter(|(_, line)| is_test(line));
    marked
        .filter_map(|(at, _)| {
            let named = lines.iter().enumerate().skip(at).find(|(_, line)| line.contains("fn "))?;
            let name = scan::identifiers(named.1.split("fn ").nth(1)?).next()?;
            let short = name.split('_').count() < 3;
            short.then(|| {
                Finding::at(named.0 + 1, format!("`{name}` is not a sentence that is true"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks;

    #[test]
    fn a_name_that_names_nothing_is_reported() {
        let rows = [
            ("src/utils.rs", "", "1: `utils`: `utils` names nothing"),
            ("src/a.rs", "pub struct StoreManager;", "1: `StoreManager`: `manager` names nothing"),
            ("src/a.rs", "\nmod store_impl;", "2: `store_impl`: `impl` names nothing"),
            ("src/a.rs", "pub fn get_offset() {}", "1: `get_offset`: leave out `get_`"),
        ];
        for (path, text, asked) in rows {
            assert_eq!(asks(banned, path, text), [asked]);
        }
    }

    #[test]
    fn a_plain_get_and_an_impl_block_are_fine() {
        assert_eq!(asks(banned, "src/a.rs", "impl A { fn get(&self) {} }"), [""; 0]);
    }

    #[test]
    fn a_test_named_by_its_topic_is_reported() {
        let text =
            "#[test]\nfn abort_works() {}\n#[test]\n#[ignore]\nfn an_abort_leaves_nothing() {}\n";
        let asked = "2: `abort_works` is not a sentence that is true";
        assert_eq!(asks(tests_are_sentences, "src/a.rs", text), [asked]);
    }
}
