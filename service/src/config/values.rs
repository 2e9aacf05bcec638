//! Named values from a file and the environment, taken one by one; what was not taken is a fault.
//!
//! `http.events_max` is `events_max` of the file's table `http`, or the variable `FEEDMILL_HTTP__EVENTS_MAX`.
//! A faulty value counts as its default until the end, so that reading goes on and finds the next fault.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

use super::File;
use super::settings::{Origin, Setting, Settings};

const PREFIX: &str = "FEEDMILL_";
/// Not of the process: the path of the file is the command line's, the others are of the scripts and of deployment.
const NO_SETTINGS: [&str; 4] = ["CONFIG", "CACHE", "TARGET", "CDC_PASSWORD"];
/// What is told, as every program is told it that logs this way; it wins over a variable of our own.
const FILTER: &str = "RUST_LOG";

/// What may stand where a value is read, and what stands there unless told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it may be.
    pub takes: String,
    /// What holds unless told; empty if nothing does.
    pub default: String,
}

/// The settings that were read, by their names.
pub type KnownSettings = BTreeMap<String, Known>;

/// Named values.
pub struct ConfigValues {
    given: BTreeMap<String, Setting>,
    settings: Settings,
    known: KnownSettings,
    faults: BTreeMap<String, String>,
}

impl ConfigValues {
    /// Those that are given, and nothing else.
    pub(super) fn of(given: BTreeMap<String, Setting>) -> Self {
        Self {
            given,
            settings: Settings::default(),
            known: KnownSettings::new(),
            faults: BTreeMap::new(),
        }
    }

    /// The values of a file and of an environment, which wins.
    pub fn new(
        file: Option<File<'_>>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut of = Self::of(BTreeMap::new());
        if let Some(File { path, text }) = file {
            match text.parse::<toml::Table>() {
                Ok(table) => of.flatten("", &table),
                Err(fault) => {
                    let line = line_of(text, fault.span().map_or(0, |span| span.start));
                    let words = fault.message().replace('\n', " ");
                    of.fault(&format!("{}:{line}", path.display()), &words);
                }
            }
        }
        let mut filter = None;
        for (name, text) in environment {
            if name == FILTER {
                filter = Some(text).filter(|text| !text.is_empty());
                continue;
            }
            let Some(name) = name.strip_prefix(PREFIX).filter(|name| !NO_SETTINGS.contains(name))
            else {
                continue;
            };
            let name = name.to_lowercase().replace("__", ".");
            of.given.insert(name, Setting { text, origin: Origin::Environment });
        }
        if let Some(text) = filter {
            let setting = Setting { text, origin: Origin::Environment };
            of.given.insert("log.level".to_owned(), setting);
        }
        of
    }

    fn flatten(&mut self, prefix: &str, table: &toml::Table) {
        for (name, value) in table {
            let name = format!("{prefix}{name}");
            let text = match value {
                toml::Value::Table(inner) => {
                    self.flatten(&format!("{name}."), inner);
                    continue;
                }
                toml::Value::String(text) => text.clone(),
                toml::Value::Array(list) => match joined(list) {
                    Ok(text) => text,
                    Err(item) => {
                        self.fault(&name, &format!("is a list of texts, found {item} in it"));
                        // Whatever stands there is taken, so that it is not called unknown as well.
                        String::new()
                    }
                },
                toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Boolean(_)
                | toml::Value::Datetime(_) => value.to_string(),
            };
            self.given.insert(name, Setting { text, origin: Origin::File });
        }
    }

    /// A text.
    pub fn text(&mut self, name: &'static str, default: &str) -> String {
        let setting = self.take(name, default);
        self.settings.note(name.to_owned(), setting.clone());
        setting.text
    }

    /// A text that must not be empty.
    pub fn filled(&mut self, name: &'static str, default: &str) -> String {
        let text = self.text(name, default);
        if text.trim().is_empty() {
            self.fault(name, "is empty");
        }
        text
    }

    /// Whether it is set, in the file or in the environment.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// One of several, by their words.
    pub fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        default: (&str, T),
        others: &[(&str, T)],
    ) -> T {
        let text = self.text(name, default.0);
        let all: Vec<_> = [default].iter().chain(others).copied().collect();
        self.takes(name, one_of(&all));
        self.chosen(name, &text, &all).unwrap_or(default.1)
    }

    /// The one of `all` that `text` says; none is a fault.
    pub fn chosen<T: Copy>(&mut self, name: &str, text: &str, all: &[(&str, T)]) -> Option<T> {
        let found = all.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.fault(name, &format!("is {}, found {text:?}", one_of(all)));
        }
        found.map(|(_, choice)| *choice)
    }

    /// Texts separated by commas; none unless given.
    pub fn list(&mut self, name: &'static str) -> Vec<String> {
        let text = self.text(name, "");
        self.takes(name, "a list of texts");
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    }

    /// URLs separated by commas, to which a path can be appended; none unless given.
    pub fn urls(&mut self, name: &'static str) -> Vec<String> {
        let urls = self.list(name).into_iter();
        self.takes(name, "a list of URLs");
        urls.map(|url| url.trim_end_matches('/').to_owned()).collect()
    }

    /// A text that is never printed; absent unless given.
    pub fn secret(&mut self, name: &'static str) -> Option<String> {
        let setting = self.take(name, "");
        self.settings.note_secret(name.to_owned(), setting.clone());
        self.takes(name, "a secret text");
        (!setting.text.is_empty()).then_some(setting.text)
    }

    /// The texts of the table `table`, by their names in it. Only `known` ones may be given; a password among them
    /// is never printed.
    pub fn table(&mut self, table: &str, known: &[&str]) -> BTreeMap<String, String> {
        let prefix = format!("{table}.");
        self.known_below(&format!("{prefix}<option>"), &format!("one of {}", known.join(", ")));
        let mut texts = BTreeMap::new();
        let below = |name: &String, _: &mut Setting| name.starts_with(&prefix);
        for (name, setting) in self.given.extract_if(.., below).collect::<Vec<_>>() {
            let short = name.strip_prefix(&prefix).unwrap_or_default().to_owned();
            if !known.contains(&short.as_str()) {
                self.fault(&name, "is none of the options that may be set");
                continue;
            }
            texts.insert(short.clone(), setting.text.clone());
            match short.ends_with("password") {
                true => self.settings.note_secret(name, setting),
                false => self.settings.note(name, setting),
            }
        }
        texts
    }

    /// The tables below `table`, by their names, each with the texts in it. Only `known` ones may be given.
    pub fn tables(
        &mut self,
        table: &str,
        known: &[&str],
    ) -> BTreeMap<String, BTreeMap<String, String>> {
        let prefix = format!("{table}.");
        for short in known {
            self.known_below(&format!("{prefix}<name>.{short}"), "a text");
        }
        let mut tables: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let below = |name: &String, _: &mut Setting| name.starts_with(&prefix);
        for (name, setting) in self.given.extract_if(.., below).collect::<Vec<_>>() {
            let rest = name.strip_prefix(&prefix).unwrap_or_default();
            let Some((of, short)) = rest.split_once('.').filter(|(_, short)| known.contains(short))
            else {
                self.fault(&name, "is none of the options that may be set");
                continue;
            };
            let texts: &mut BTreeMap<_, _> = tables.entry(of.to_owned()).or_default();
            texts.insert(short.to_owned(), setting.text.clone());
            self.settings.note(name, setting);
        }
        tables
    }

    /// A text that may be part of a Kafka name.
    pub fn name(&mut self, name: &'static str, default: &str) -> String {
        let text = self.text(name, default);
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let takes = "1 to 100 of A-Z a-z 0-9 . _ -";
        if text.is_empty() || text.len() > 100 || !text.chars().all(fits) {
            self.fault(name, &format!("is {takes}"));
        }
        self.takes(name, takes);
        text
    }

    /// Where to listen: names are not resolved.
    pub fn address(&mut self, name: &'static str, default: SocketAddr) -> SocketAddr {
        let text = self.text(name, &default.to_string());
        let takes = "an IP address and a port, such as 127.0.0.1:8080";
        self.takes(name, takes);
        text.parse().unwrap_or_else(|_| {
            self.fault(name, &format!("is {takes}, found {text:?}"));
            default
        })
    }

    /// A value of a type that reads itself from text.
    pub fn parsed<T>(&mut self, name: &'static str, default: T) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        let text = self.text(name, &default.to_string());
        // A type of ours reads a text, which its words say.
        let takes = std::any::type_name::<T>();
        if !takes.contains("::") {
            self.takes(name, takes);
        }
        match text.parse() {
            Ok(value) => value,
            Err(fault) => {
                self.fault(name, &format!("{fault}, found {text:?}"));
                default
            }
        }
    }

    /// A number within bounds.
    pub fn within<T>(&mut self, name: &'static str, default: T, bounds: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let text = self.text(name, &default.to_string());
        let value = text.parse().ok().filter(|value| bounds.contains(value));
        let takes = format!("a number from {} to {}", bounds.start(), bounds.end());
        self.takes(name, takes.as_str());
        value.unwrap_or_else(|| {
            self.fault(name, &format!("is {takes}, found {text:?}"));
            default
        })
    }

    /// A number of bytes within bounds, with or without a unit.
    pub fn size(
        &mut self,
        name: &'static str,
        default: ByteSize,
        bounds: RangeInclusive<ByteSize>,
    ) -> usize {
        let text = self.text(name, &default.to_string());
        let size = text.parse().ok().filter(|size| bounds.contains(size));
        let takes = format!("a size from {} to {}, such as 512MiB", bounds.start(), bounds.end());
        self.takes(name, takes.as_str());
        let size = size.unwrap_or_else(|| {
            self.fault(name, &format!("is {takes}, found {text:?}"));
            default
        });
        usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
    }

    /// A time, in milliseconds, of at most a day.
    pub fn millis(&mut self, name: &'static str, default: u64) -> Duration {
        Duration::from_millis(self.within(name, default, 1..=86_400_000))
    }

    /// Says in words what holds unless told, where that depends on the machine.
    pub fn by_default(&mut self, name: &'static str, words: &str) {
        if let Some(known) = self.known.get_mut(name) {
            words.clone_into(&mut known.default);
        }
    }

    /// Notes a fault; the first of a name is the one reported.
    pub fn fault(&mut self, name: &str, words: &str) {
        self.faults.entry(name.to_owned()).or_insert_with(|| words.to_owned());
    }

    /// What holds, and the settings that there are; or every fault, one a line.
    pub(super) fn finish(mut self) -> Result<(Settings, KnownSettings), String> {
        for (name, Setting { origin, .. }) in std::mem::take(&mut self.given) {
            self.fault(&name, &format!("is no setting, found in the {}", origin.name()));
        }
        if self.faults.is_empty() {
            return Ok((self.settings, self.known));
        }
        let mut lines = String::new();
        for (name, words) in self.faults {
            let _ = writeln!(lines, "{name}: {words}");
        }
        Err(lines)
    }

    fn takes(&mut self, name: &str, takes: impl Into<String>) {
        if let Some(known) = self.known.get_mut(name) {
            known.takes = takes.into();
        }
    }

    /// Notes settings of a table whose names are not all known.
    fn known_below(&mut self, name: &str, takes: &str) {
        let known = Known { takes: takes.to_owned(), default: String::new() };
        self.known.insert(name.to_owned(), known);
    }

    fn take(&mut self, name: &str, default: &str) -> Setting {
        let known = Known { takes: "a text".to_owned(), default: default.to_owned() };
        self.known.insert(name.to_owned(), known);
        let setting = self.given.remove(name);
        setting.unwrap_or_else(|| Setting { text: default.to_owned(), origin: Origin::Default })
    }
}

/// The variable of the setting `name`.
pub fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', "__").to_uppercase())
}

/// The line, from 1, of the byte at `position`.
fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

/// "a, b or c".
fn one_of<T>(all: &[(&str, T)]) -> String {
    let words: Vec<_> = all.iter().map(|(word, _)| *word).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some(_) | None => words.concat(),
    }
}

/// The texts of a list, separated by commas; else the first item that is no text.
fn joined(list: &[toml::Value]) -> Result<String, &toml::Value> {
    let texts = list.iter().map(|item| item.as_str().ok_or(item));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(","))
}
