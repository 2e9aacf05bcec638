//! A Rust file as the rules see it: its text, and its code with comments and literals blanked out.
//!
//! Blanking keeps every line and column, so a place in the code is the same place in the text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::scan;

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// From the root of the workspace.
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments, strings and characters as blanks.
    pub(crate) code: String,
    /// The whole file is compiled for tests only.
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = scan::blank(text);
        let is_test = is_suite(path);
        Self { path: path.to_owned(), text: text.to_owned(), code, is_test }
    }

    /// The lines of the code with their numbers, without its `#[cfg(test)] mod` at the end.
    pub(crate) fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test { 0 } else { self.tests_from() };
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line)).take(end)
    }

    /// The lines of tests with their numbers.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let from = if self.is_test { 0 } else { self.tests_from() };
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line)).skip(from)
    }

    /// How many lines come before the tests.
    fn tests_from(&self) -> usize {
        let lines: Vec<&str> = self.code.lines().collect();
        let begins = |pair: &[&str]| {
            is_cfg_test(pair[0]) && pair[1].contains("mod ") && pair[1].ends_with('{')
        };
        lines.windows(2).position(begins).unwrap_or(lines.len())
    }

    /// Files and folders that this file declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let path = Path::new(&self.path);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let parent = path.parent().unwrap_or(Path::new(""));
        let folder = match stem {
            "mod" | "lib" | "main" => parent.to_owned(),
            _ => parent.join(stem),
        };
        let lines: Vec<&str> = self.code.lines().collect();
        let declared = lines.windows(2).filter(|pair| is_cfg_test(pair[0]));
        let names =
            declared.filter_map(|pair| pair[1].trim().strip_suffix(';')?.rsplit_once("mod "));
        names.map(|(_, name)| folder.join(name).to_string_lossy().into_owned()).collect()
    }
}

fn is_cfg_test(line: &str) -> bool {
    // The feature's name is blanked in the code.
    let line = line.trim();
    line == "#[cfg(test)]"
        || line.starts_with("#[cfg(any(test,")
        || line.starts_with("#[cfg(all(test,")
}

/// Files of suites, wherever the package that runs them is. The harness is production code of its own.
fn is_suite(path: &str) -> bool {
    (path.starts_with("tests/") && !path.starts_with("tests/src/")) || path.contains("/tests/")
}

/// All Rust files of the workspace.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) sources: Vec<Source>,
}

impl Tree {
    /// Asked at run time: checkouts that share a target directory may share this program.
    pub(crate) fn root() -> PathBuf {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        package.parent().expect("tests/ is in the workspace").into()
    }

    pub(crate) fn load() -> Self {
        let root = Self::root();
        let mut paths = Vec::new();
        walk(&root, &mut paths);
        paths.sort();
        let read = |path: &PathBuf| {
            let name = path.strip_prefix(&root).expect("walked from there").to_string_lossy();
            Source::new(&name, &fs::read_to_string(path).expect("a source file is text"))
        };
        let mut sources: Vec<Source> = paths.iter().map(read).collect();
        let for_tests: BTreeSet<String> = sources.iter().flat_map(Source::test_modules).collect();
        for source in &mut sources {
            let is_declared = |module: &String| {
                source.path == format!("{module}.rs")
                    || source.path.starts_with(&format!("{module}/"))
            };
            source.is_test |= for_tests.iter().any(is_declared);
        }
        Self { sources }
    }
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace can be read") {
        let entry = entry.expect("its entries too");
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') || name == "target";
        if path.is_dir() && !hidden {
            walk(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_a_file_are_not_its_production_code() {
        let source = Source::new("src/a.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        let lines: Vec<usize> = source.production().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 2]);
    }

    #[test]
    fn a_module_declared_for_tests_is_named_by_its_file() {
        let source =
            Source::new("src/store/mod.rs", "#[cfg(test)]\npub(super) mod model;\nmod b;\n");
        assert_eq!(source.test_modules(), ["src/store/model"]);
    }
}
