//! Inside the library lower never imports upper: src/lib.rs tells the layers, this table holds them.

use crate::Finding;
use crate::scan;
use crate::source::Source;

/// What everything may import. They import only each other.
const LEAVES: &[&str] = &[
    "record",
    "batch",
    "capacity",
    "dead_letter",
    "outgoing",
    "partitioner",
    "readable",
    "serde",
    "standing",
    "clock",
    "error",
    "config",
    "histogram",
    "memory",
    "metrics",
    "fail_points",
    "trace",
    "identity",
];

/// What the other modules may import beside the leaves.
const LAYERS: &[(&str, &[&str])] = &[
    ("store", &[]),
    ("broker", &[]),
    ("processor", &["store"]),
    ("topology", &["store", "processor"]),
    ("task", &["store", "processor", "broker", "topology"]),
    ("worker", &["store", "processor", "broker", "topology", "task"]),
    ("app", &["store", "processor", "broker", "topology", "task", "worker", "query"]),
    // It is asked by a handle that the topology gave out.
    ("query", &["store", "processor", "topology"]),
    ("testing", &["store", "processor", "broker", "topology", "task", "worker", "app", "query"]),
];

/// What of the store a processor must not name: it sees types, never what lies below them.
const BELOW_THE_TYPES: &[&str] =
    &["Committed", "TaskStore", "Stores", "StateChanges", "rocks", "memory"];

/// Imports that point upwards, and modules without a layer.
pub(crate) fn of_millstream(source: &Source) -> Vec<Finding> {
    let Some(inside) = source.path.strip_prefix("src/") else { return Vec::new() };
    let from = inside.split(['/', '.']).next().unwrap_or_default();
    if from == "lib" || source.is_test {
        return Vec::new();
    }
    let Some(allowed) = allowed(from) else {
        return vec![Finding::at(
            1,
            format!("`{from}` has no layer: give it one in tests/tidy/layers.rs"),
        )];
    };
    let code = production(source);
    imports(&code, depth(inside))
        .into_iter()
        .filter_map(|import| {
            let to = import.path.split("::").next().unwrap_or_default();
            let ask = refusal(from, to, &import.path, allowed)?;
            Some(Finding::at(scan::line_of(&code, import.at), ask))
        })
        .collect()
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    if LEAVES.contains(&module) {
        return Some(&[]);
    }
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

fn refusal(from: &str, to: &str, path: &str, allowed: &[&str]) -> Option<String> {
    if to.starts_with(char::is_uppercase) {
        return Some(format!("`crate::{to}`: name the module it lives in"));
    }
    let fine = to == from || LEAVES.contains(&to) || allowed.contains(&to);
    if !fine {
        return Some(format!("`{from}` may not import `{to}`"));
    }
    let below = path.split("::").find(|part| BELOW_THE_TYPES.contains(part));
    let peeks = from == "processor" && to == "store";
    below
        .filter(|_| peeks)
        .map(|part| format!("a processor sees the typed face of `store`, not `{part}`"))
}

/// The code before the tests.
fn production(source: &Source) -> String {
    source.production().map(|(_, line)| format!("{line}\n")).collect()
}

/// How many modules deep a file is: `record.rs` and `store/mod.rs` are one deep.
fn depth(inside: &str) -> usize {
    let path = inside.trim_end_matches(".rs");
    path.split('/').filter(|part| *part != "mod").count()
}

/// Something named by its path from the root of the crate.
struct Import {
    at: usize,
    path: String,
}

fn imports(code: &str, depth: usize) -> Vec<Import> {
    let root = "super::".repeat(depth);
    let prefixes = ["crate::", root.as_str()];
    let starts = prefixes.iter().flat_map(|prefix| {
        let further = move |at: &usize| {
            !code[at + prefix.len()..].starts_with("super::") && !before(code, *at)
        };
        scan::places(code, prefix).filter(further).map(|at| at + prefix.len()).collect::<Vec<_>>()
    });
    starts.flat_map(|at| paths(code, at)).collect()
}

/// Whether the path goes on to the left: `super::super::` holds `super::` too, and `$crate::` is a macro's.
fn before(code: &str, at: usize) -> bool {
    code[..at].ends_with("::") || code[..at].ends_with('$')
}

/// The paths that begin at `at`: one, or those of a group in braces.
fn paths(code: &str, at: usize) -> Vec<Import> {
    if !code[at..].starts_with('{') {
        let end = code[at..].find([';', ',', ')', '(', '<', ' ', '\n']).unwrap_or(0);
        return vec![Import { at, path: code[at..at + end].replace(['{', '}'], "::") }];
    }
    let group = &code[at + 1..scan::closing(code, at)];
    let mut level = 0_usize;
    let entries = group.split(|c| {
        level = if c == '{' {
            level + 1
        } else if c == '}' {
            level - 1
        } else {
            level
        };
        c == ',' && level == 0
    });
    let named = entries.map(str::trim).filter(|entry| !entry.is_empty());
    named.map(|entry| Import { at, path: entry.replace(['{', '}', ',', ' '], "::") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks;

    #[test]
    fn an_import_that_points_upwards_is_reported() {
        let rows = [
            ("src/record.rs", "use crate::store::KeyValue;", "1: `record` may not import `store`"),
            (
                "src/store/rocks.rs",
                "\nuse crate::broker::Failure;",
                "2: `store` may not import `broker`",
            ),
            (
                "src/store/rocks.rs",
                "use super::super::task::Task;",
                "1: `store` may not import `task`",
            ),
            (
                "src/topology/mod.rs",
                "fn a() -> super::broker::B {}",
                "1: `topology` may not import `broker`",
            ),
            (
                "src/task/mod.rs",
                "use crate::{error::Fault, worker};",
                "1: `task` may not import `worker`",
            ),
            ("src/query/local.rs", "use crate::task::Task;", "1: `query` may not import `task`"),
            (
                "src/store/mod.rs",
                "use crate::Timestamp;",
                "1: `crate::Timestamp`: name the module it lives in",
            ),
        ];
        for (path, text, asked) in rows {
            assert_eq!(asks(of_millstream, path, text), [asked]);
        }
    }

    #[test]
    fn imports_that_point_downwards_are_fine() {
        let rows = [
            ("src/processor/count.rs", "use crate::store::KeyValue;\nuse crate::record::Rec;"),
            ("src/task/mod.rs", "use crate::{store::{Committed, Stores}, broker::Producer};"),
            ("src/store/rocks/mod.rs", "use super::Column;\nuse crate::store::Marks;"),
            (
                "src/broker/mod.rs",
                "#[cfg(test)]\nmod tests {\n    use crate::testing::Driver;\n}\n",
            ),
        ];
        for (path, text) in rows {
            assert_eq!(asks(of_millstream, path, text), [""; 0], "{path}");
        }
    }

    #[test]
    fn a_processor_that_sees_below_the_types_is_reported() {
        let text = "use crate::store::{Committed, KeyValue};";
        let asked = "1: a processor sees the typed face of `store`, not `Committed`";
        assert_eq!(asks(of_millstream, "src/processor/count.rs", text), [asked]);
    }

    #[test]
    fn a_module_without_a_layer_is_reported() {
        let asked = "1: `extras` has no layer: give it one in tests/tidy/layers.rs";
        assert_eq!(asks(of_millstream, "src/extras/mod.rs", ""), [asked]);
    }
}
