//! What holds of each setting, where that came from, and whether it may be shown.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::effect::Effect;

/// What is printed in the place of a secret.
const SECRET: &str = "(secret)";

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File,
    Environment,
}

impl Origin {
    /// As it is printed.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
        }
    }
}

/// A value as it was written.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Every setting by its name.
#[derive(Clone, Default)]
pub(super) struct Settings(BTreeMap<String, Held>);

#[derive(Clone)]
struct Held {
    setting: Setting,
    is_secret: bool,
}

impl Held {
    fn shown(&self) -> &str {
        let text = &self.setting.text;
        if self.is_secret && !text.is_empty() { SECRET } else { text }
    }
}

/// A setting that says something else than before, as both may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub setting: String,
    /// What it said.
    pub before: String,
    /// What it says.
    pub after: String,
}

impl Settings {
    /// One that anybody may see.
    pub(super) fn note(&mut self, name: String, setting: Setting) {
        self.0.insert(name, Held { setting, is_secret: false });
    }

    /// One that nobody is shown.
    pub(super) fn note_secret(&mut self, name: String, setting: Setting) {
        self.0.insert(name, Held { setting, is_secret: true });
    }

    /// Their names.
    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// One a line, as TOML with dotted names.
    pub(super) fn shown(&self) -> String {
        let mut lines = String::new();
        for (name, held) in &self.0 {
            let effect = match Effect::of(name) {
                Effect::AtOnce => ", at once",
                Effect::Restart => "",
            };
            let (name, text) = (dotted(name), quoted(held.shown()));
            let _ = writeln!(lines, "{name} = {text}  # {}{effect}", held.setting.origin.name());
        }
        lines
    }

    /// Which say something else in `told`.
    pub(super) fn changes(&self, told: &Self) -> Vec<Change> {
        let (text, shown) = (|held: &Held| held.setting.text.clone(), Held::shown);
        let names = self.0.keys().chain(told.0.keys().filter(|name| !self.0.contains_key(*name)));
        let changed = names.filter_map(|name| {
            let (before, after) = (self.0.get(name), told.0.get(name));
            let said = |of: fn(&Held) -> &str, held: Option<&Held>| {
                held.map(of).unwrap_or_default().to_owned()
            };
            (before.map(text) != after.map(text)).then(|| Change {
                setting: name.clone(),
                before: said(shown, before),
                after: said(shown, after),
            })
        });
        changed.collect()
    }

    /// Those that were given and take effect so.
    pub(super) fn given(&self, effect: Effect) -> impl Iterator<Item = (String, Setting)> {
        let given = self.0.iter().filter(|(_, held)| held.setting.origin != Origin::Default);
        let given = given.filter(move |(name, _)| Effect::of(name) == effect);
        given.map(|(name, held)| (name.clone(), held.setting.clone()))
    }
}

/// A text as TOML has it, in one line: JSON's escapes are TOML's too, but JSON has none for the last of ASCII.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A name as TOML has it: what an operator called a table may need quotes.
fn dotted(name: &str) -> String {
    let is_bare = |part: &&str| {
        !part.is_empty() && part.bytes().all(|of| of.is_ascii_alphanumeric() || b"_-".contains(&of))
    };
    let part = |part: &str| if is_bare(&part) { part.to_owned() } else { quoted(part) };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}
