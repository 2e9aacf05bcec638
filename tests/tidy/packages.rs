//! Packages import one way, and the pure ones stay pure: no native library, no runtime, no socket.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::source::Tree;

/// Folder of a package and what of ours it may import; `tests` is for tests everywhere.
const IMPORTS: &[(&str, &[&str])] = &[
    (".", &[]),
    ("schemas", &[]),
    ("topologies", &["millstream", "schemas"]),
    ("connectors", &["millstream", "schemas"]),
    ("worlds", &[]),
    ("lab", &["millstream", "schemas", "topologies", "worlds"]),
    ("service", &["millstream", "schemas", "topologies", "connectors", "worlds", "lab"]),
    ("tests", &[]),
    ("benches", &["millstream", "schemas", "topologies", "connectors", "tests"]),
    // What others write: they have nothing of ours.
    ("examples/producers/rust", &[]),
];

const OURS: &[&str] = &[
    "millstream",
    "schemas",
    "topologies",
    "connectors",
    "worlds",
    "lab",
    "feedmill",
    "tests",
    "benches",
    "producer",
];
const PURE: &[&str] = &["schemas", "topologies", "worlds", "lab"];
const IMPURE: &[&str] =
    &["rdkafka", "rdkafka-sys", "rocksdb", "librocksdb-sys", "tokio", "redis", "sqlx", "hyper"];

#[derive(Debug, PartialEq, Eq)]
struct Wrong(String);

/// What a manifest imports against the table.
fn wrong_imports(folder: &str, manifest: &str) -> Vec<Wrong> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == folder) else {
        return vec![Wrong(format!("{folder} is not in the table of tests/tidy/packages.rs"))];
    };
    let imported = manifest.get("dependencies").and_then(toml::Value::as_table);
    let names = imported.into_iter().flat_map(|table| table.keys());
    let wrong =
        names.filter(|name| OURS.contains(&name.as_str()) && !allowed.contains(&name.as_str()));
    wrong.map(|name| Wrong(format!("{folder} may not import {name}"))).collect()
}

/// What of `tree`, one crate a line, a pure package must not see.
fn impurities(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| IMPURE.contains(name)).collect()
}

fn members() -> Vec<String> {
    let manifest = fs::read_to_string(Tree::root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let names = members.iter().map(|name| name.as_str().unwrap().to_owned());
    names.chain([".".to_owned()]).collect()
}

#[test]
fn packages_import_one_way() {
    let manifest =
        |folder: &str| fs::read_to_string(Tree::root().join(folder).join("Cargo.toml")).unwrap();
    let wrong: Vec<Wrong> =
        members().iter().flat_map(|folder| wrong_imports(folder, &manifest(folder))).collect();
    assert_eq!(wrong, []);
}

#[test]
fn the_pure_packages_see_no_native_library_and_no_runtime() {
    let found: BTreeMap<&str, String> =
        PURE.iter().map(|package| (*package, tree(package))).collect();
    let impure = found.iter().map(|(package, tree)| (*package, impurities(tree)));
    let expected = PURE.iter().map(|package| (*package, Vec::new()));
    assert_eq!(impure.collect::<BTreeMap<_, _>>(), expected.collect());
}

/// Everything a package is built from, as cargo resolves it for this package alone.
fn tree(package: &str) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let words =
        ["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--package", package];
    let output = Command::new(cargo).args(words).current_dir(Tree::root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_package_that_imports_the_other_way_is_reported() {
    let manifest =
        "[dependencies]\nmillstream.workspace = true\nfeedmill = { path = \"../service\" }\n";
    assert_eq!(
        wrong_imports("topologies", manifest),
        [Wrong("topologies may not import feedmill".into())]
    );
    let unknown = Wrong("extras is not in the table of tests/tidy/packages.rs".into());
    assert_eq!(wrong_imports("extras", ""), [unknown]);
}

#[test]
fn a_native_library_below_a_pure_package_is_reported() {
    let tree =
        "topologies v0.1.0 (/x)\nmillstream v0.1.0 (/x)\nrocksdb v0.25.0\nserde v1.0.0 (*)\n";
    assert_eq!(impurities(tree), ["rocksdb"]);
}
