//! What a reviewer should not have to say: the house rules that a program can check.
//!
//! Each rule is a function from a source file to what it finds, and has a test with a snippet that breaks
//! it. `the_tree_keeps_the_house_rules` applies all of them to every Rust file of the workspace. STYLE.md
//! says why each rule is there; a rule that makes code worse is changed there and here.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arms;
mod confined;
mod layers;
mod names;
mod packages;
mod scan;
mod shape;
mod source;

use source::{Source, Tree};

/// A place that breaks a rule, and what is asked of its author.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    ask: String,
}

impl Finding {
    fn at(line: usize, ask: impl Into<String>) -> Self {
        Self { line, ask: ask.into() }
    }
}

/// A rule: what it finds in one file.
type Rule = fn(&Source) -> Vec<Finding>;

const RULES: &[Rule] = &[
    shape::length,
    shape::head,
    shape::trait_methods,
    names::banned,
    names::tests_are_sentences,
    layers::of_millstream,
    confined::unsafe_code,
    confined::librdkafka,
    confined::minting,
    confined::sleeping,
    confined::feed_words,
    arms::wildcard_on_an_error,
];

#[test]
fn the_tree_keeps_the_house_rules() {
    let tree = Tree::load();
    let mut found = Vec::new();
    for source in &tree.sources {
        for finding in RULES.iter().flat_map(|rule| rule(source)) {
            found.push(format!("{}:{}: {}", source.path, finding.line, finding.ask));
        }
    }
    for warning in tree.sources.iter().filter_map(shape::long) {
        println!("warning: {warning}");
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_package_of_the_workspace_is_looked_at() {
    let tree = Tree::load();
    let has = |path: &str| tree.sources.iter().any(|source| source.path == path);
    assert!(has("src/lib.rs") && has("topologies/src/lib.rs") && has("tests/tidy/main.rs"));
}

/// What `rule` asks for in a file of this path and text.
#[cfg(test)]
fn asks(rule: Rule, path: &str, text: &str) -> Vec<String> {
    let source = Source::new(path, text);
    rule(&source).into_iter().map(|finding| format!("{}: {}", finding.line, finding.ask)).collect()
}
