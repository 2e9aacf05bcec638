//! A file of weight sets and experiments, as people write it, in TOML: read into a [`Policy`], or refused with every fault named.
//!
//! A set says what is other than in its base, which is `v1` unless it says so. Every number has its bounds: most are what state
//! is kept for, so that no set asks for what is not there.

mod numbers;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Weights;
use super::policy::{Arm, Experiment, Policies, Policy, Shadow};
use numbers::{ARMS, NUMBERS, Number};

const V1_NAME: &str = "v1";
const SHARE_PPM: f64 = 1e6;
const SETS_MAX: usize = 100;
const EXPERIMENTS_MAX: usize = 100;
const NAME_MAX: usize = 64;

/// Reads a file; the sets that are known already may not be given other numbers. What is wrong comes back line by line.
pub fn read(text: &str, known: &Policies) -> Result<Policy, Vec<String>> {
    let table: Value = toml::from_str(text).map_err(|fault| vec![fault.to_string()])?;
    read_table(&table, known)
}

/// The same of what such a file says, however it is written.
pub fn read_table(table: &Value, known: &Policies) -> Result<Policy, Vec<String>> {
    let mut reading = Reading { faults: Vec::new(), names: BTreeMap::new() };
    let policy = reading.policy(table, known);
    if reading.faults.is_empty() { Ok(policy) } else { Err(reading.faults) }
}

/// What was read so far.
struct Reading {
    faults: Vec<String>,
    /// The sets by their names.
    names: BTreeMap<String, Weights>,
}

impl Reading {
    fn fault(&mut self, path: &str, words: &str) {
        self.faults.push(format!("{path}: {words}"));
    }

    fn policy(&mut self, table: &Value, known: &Policies) -> Policy {
        self.only(table, "", &["default", "sets", "experiments", "shadow"]);
        self.sets(&table["sets"], known);
        let default = self.set_number(&table["default"], "default").unwrap_or(schemas::V1);
        let experiments = self.experiments(&table["experiments"]);
        let shadow = self.shadow(&table["shadow"]);
        let sets = std::mem::take(&mut self.names).into_values();
        let sets = sets.filter(|set| set.id != schemas::V1).collect();
        Policy { default, sets, experiments, shadow, ..Policy::default() }
    }

    /// Names what a table has beside these.
    fn only(&mut self, table: &Value, path: &str, names: &[&str]) {
        let keys = table.as_object().into_iter().flat_map(Map::keys);
        for key in keys.filter(|key| !names.contains(&key.as_str())) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.fault(&path, &format!("is not known; there are {}", names.join(", ")));
        }
    }

    fn sets(&mut self, tables: &Value, known: &Policies) {
        self.names.insert(V1_NAME.into(), Weights::v1());
        let empty = Map::new();
        if !(tables.is_null() || tables.is_object()) {
            self.fault("sets", "are tables [sets.NAME]");
        }
        let tables = tables.as_object().unwrap_or(&empty);
        if tables.len() > SETS_MAX {
            self.fault("sets", &format!("are at most {SETS_MAX}, found {}", tables.len()));
            return;
        }
        self.names_are_right(tables);
        if tables.contains_key(V1_NAME) {
            self.fault("sets.v1", "is what it is; give yours another name");
        }
        let mut waiting: Vec<_> = tables.iter().filter(|(name, _)| *name != V1_NAME).collect();
        while !waiting.is_empty() {
            let base = |of: &Value| of["base"].as_str().unwrap_or(V1_NAME).to_owned();
            let (ready, rest): (Vec<_>, Vec<_>) =
                waiting.iter().partition(|(_, set)| self.names.contains_key(&base(set)));
            if ready.is_empty() {
                for (name, set) in rest {
                    let words = format!("{:?} is no set, or one that rests on this", base(set));
                    self.fault(&format!("sets.{name}.base"), &words);
                }
                return;
            }
            for (name, set) in ready {
                self.set(name, set, &base(set));
            }
            waiting = rest;
        }
        self.compare(known);
    }

    /// A name is printed, and typed.
    fn names_are_right(&mut self, tables: &Map<String, Value>) {
        let is_of_name = |of: char| of.is_alphanumeric() || "-_. ".contains(of);
        let is_name = |name: &str| {
            (1..=NAME_MAX).contains(&name.chars().count()) && name.chars().all(is_of_name)
        };
        for name in tables.keys().filter(|name| !is_name(name)) {
            let words =
                format!("is no name: letters, digits, - _ . and spaces, at most {NAME_MAX}");
            self.fault(&format!("sets.{name:?}"), &words);
        }
        let is_text = |of: &Value| of.is_null() || of.is_string();
        for (name, set) in tables.iter().filter(|(_, set)| !is_text(&set["base"])) {
            let words = format!("is the name of a set, found {}", set["base"]);
            self.fault(&format!("sets.{}.base", name.escape_debug()), &words);
        }
    }

    /// Reads one set, whose base was read.
    fn set(&mut self, name: &str, table: &Value, base: &str) {
        let path = format!("sets.{name}");
        let base = self.names.get(base).cloned().unwrap_or_else(Weights::v1);
        let mut tree = serde_json::to_value(&base).unwrap_or_default();
        let Some(told) = table.as_object() else {
            return self.fault(&path, "is a table of numbers");
        };
        for (key, value) in told.iter().filter(|(key, _)| !["id", "base"].contains(&key.as_str())) {
            self.merge((&path, key), value, &mut tree);
        }
        let id = table["id"].as_u64().and_then(|id| u16::try_from(id).ok()).filter(|id| *id > 1);
        let Some(id) = id else {
            self.fault(
                &format!("{path}.id"),
                "is a whole number from 2 to 65535, its own for ever",
            );
            return;
        };
        if let Some((other, _)) = self.names.iter().find(|(_, set)| set.id == id) {
            let words = format!("{id} is that of sets.{other} too");
            self.fault(&format!("{path}.id"), &words);
        }
        let set = serde_json::from_value::<Weights>(tree).unwrap_or(base);
        self.names.insert(name.to_owned(), Weights { id, name: name.to_owned(), ..set });
    }

    /// Puts what a set says at a path into the tree of all numbers.
    fn merge(&mut self, (set, path): (&str, &str), told: &Value, tree: &mut Value) {
        let full = format!("{set}.{path}");
        if let Some(number) = NUMBERS.iter().find(|number| number.path == path) {
            return match number.checked(told) {
                Ok(()) => place(tree, path, told.clone()),
                Err(words) => self.fault(&full, &words),
            };
        }
        if told == &Value::Bool(false) && ARMS.contains(&path) {
            return place(tree, path, Value::Null);
        }
        let below = |number: &Number| number.path.starts_with(&format!("{path}."));
        match told.as_object().filter(|_| NUMBERS.iter().any(below)) {
            Some(table) => {
                if ARMS.contains(&path) && at(tree, path).is_null() {
                    place(tree, path, numbers::defaults(path));
                }
                for (key, value) in table {
                    self.merge((set, &format!("{path}.{key}")), value, tree);
                }
            }
            None if NUMBERS.iter().any(below) => self.fault(&full, "is a table of numbers"),
            None => {
                let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
                let words = format!("is not known; there are {}", numbers::names(parent));
                self.fault(&full, &words);
            }
        }
    }

    /// A number that says something already says the same for ever.
    fn compare(&mut self, known: &Policies) {
        for (name, set) in self.names.clone() {
            let of_before = known.knows(set.id).then(|| known.of_set(set.id));
            if of_before.is_some_and(|before| *before != set) {
                let words = format!(
                    "{} was put before with other numbers or another name, and feeds were made by it; take a new one",
                    set.id
                );
                self.fault(&format!("sets.{name}.id"), &words);
            }
        }
    }

    /// The number of the set of this name.
    fn set_number(&mut self, name: &Value, path: &str) -> Option<u16> {
        if name.is_null() {
            return None;
        }
        let found = name.as_str().and_then(|name| self.names.get(name)).map(|set| set.id);
        if found.is_none() {
            let names: Vec<_> = self.names.keys().cloned().collect();
            self.fault(path, &format!("is one of {}, found {name}", names.join(", ")));
        }
        found
    }

    fn experiments(&mut self, tables: &Value) -> Vec<Experiment> {
        if !(tables.is_null() || tables.is_array()) {
            self.fault("experiments", "are tables [[experiments]]");
        }
        let tables = tables.as_array().into_iter().flatten();
        if tables.clone().count() > EXPERIMENTS_MAX {
            self.fault("experiments", &format!("are at most {EXPERIMENTS_MAX}"));
        }
        let tables = tables.take(EXPERIMENTS_MAX).enumerate();
        let experiments: Vec<_> = tables.filter_map(|(n, of)| self.experiment(n, of)).collect();
        for (n, of) in experiments.iter().enumerate() {
            if experiments.iter().take(n).any(|other| other.name == of.name) {
                self.fault(&format!("experiment {:?}", of.name), "there is another of this name");
            }
        }
        experiments
    }

    fn experiment(&mut self, n: usize, table: &Value) -> Option<Experiment> {
        let path = match table["name"].as_str() {
            Some(name) => format!("experiment {name:?}"),
            None => format!("experiment number {}", n + 1),
        };
        self.only(table, &path, &["name", "share", "arms"]);
        let name = table["name"].as_str();
        let name = name.filter(|name| (1..=NAME_MAX).contains(&name.chars().count()));
        if name.is_none() {
            let words = format!("is a text of at most {NAME_MAX}: it says who takes part");
            self.fault(&format!("{path}.name"), &words);
        }
        let share = table["share"].as_f64().filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() {
            self.fault(&format!("{path}.share"), "is 0 to 1: so much of all readers takes part");
        }
        let empty = Map::new();
        let told = table["arms"].as_object().unwrap_or(&empty);
        if told.is_empty() {
            self.fault(
                &format!("{path}.arms"),
                "are sets and their parts, such as { v1 = 1, calm = 1 }",
            );
        }
        let mut arms = Vec::new();
        for (set, weight) in told {
            let path = format!("{path}.arms.{set}");
            let number = self.set_number(&Value::String(set.clone()), &path);
            let weight = weight.as_u64().filter(|part| (1..=1_000).contains(part));
            if weight.is_none() {
                self.fault(&path, "is 1 to 1000: its part beside the others");
            }
            let weight = weight.and_then(|weight| u32::try_from(weight).ok());
            arms.extend(number.zip(weight).map(|(set, weight)| Arm { set, weight }));
        }
        let share_ppm = (share? * SHARE_PPM).round() as u32;
        Some(Experiment { name: name?.to_owned(), share_ppm, arms })
    }

    fn shadow(&mut self, table: &Value) -> Option<Shadow> {
        if table.is_null() {
            return None;
        }
        self.only(table, "shadow", &["set", "one_in"]);
        if !table.is_object() {
            self.fault("shadow", "is a table [shadow]");
            return None;
        }
        if table["set"].is_null() {
            self.fault("shadow.set", "is missing");
        }
        let set = self.set_number(&table["set"], "shadow.set");
        let one_in = if table["one_in"].is_null() { Some(100) } else { table["one_in"].as_u64() };
        let one_in = one_in.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        if one_in.is_none() {
            self.fault("shadow.one_in", "is a whole number from 1: one in so many rankings");
        }
        set.zip(one_in).map(|(set, one_in)| Shadow { set, one_in })
    }
}

/// What stands at a path.
fn at<'t>(tree: &'t Value, path: &str) -> &'t Value {
    path.split('.').fold(tree, |tree, key| &tree[key])
}

/// Sets what stands at a path; the tables on the way are there.
fn place(tree: &mut Value, path: &str, value: Value) {
    let place = path.split('.').fold(tree, |tree, key| &mut tree[key]);
    *place = value;
}

#[cfg(test)]
mod tests;
