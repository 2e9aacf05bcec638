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

const PREFIX: &str = "FEEDMILL_";
/// Not of the process: the path of the file is the command line's, the others are of the scripts and of deployment.
const NO_SETTINGS: [&str; 4] = ["CONFIG", "CACHE", "TARGET", "CDC_PASSWORD"];

/// What is printed in the place of a secret.
const SECRET: &str = "(secret)";

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Default,
    File,
    Environment,
}

/// A value as it was written.
#[derive(Clone, Debug)]
struct Setting {
    text: String,
    origin: Origin,
}

/// Named values.
pub struct ConfigValues {
    given: BTreeMap<String, Setting>,
    shown: BTreeMap<String, (String, Origin)>,
    faults: BTreeMap<String, String>,
}

impl ConfigValues {
    /// The values of a file and of an environment, which wins.
    pub fn new(
        file: Option<File<'_>>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut of =
            Self { given: BTreeMap::new(), shown: BTreeMap::new(), faults: BTreeMap::new() };
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
        for (name, text) in environment {
            let Some(name) = name.strip_prefix(PREFIX).filter(|name| !NO_SETTINGS.contains(name))
            else {
                continue;
            };
            let name = name.to_lowercase().replace("__", ".");
            of.given.insert(name, Setting { text, origin: Origin::Environment });
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
        self.shown.insert(name.to_owned(), (setting.text.clone(), setting.origin));
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

    /// Texts separated by commas; none unless given.
    pub fn list(&mut self, name: &'static str) -> Vec<String> {
        let text = self.text(name, "");
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    }

    /// URLs separated by commas, to which a path can be appended; none unless given.
    pub fn urls(&mut self, name: &'static str) -> Vec<String> {
        let urls = self.list(name).into_iter();
        urls.map(|url| url.trim_end_matches('/').to_owned()).collect()
    }

    /// A text that is never printed; absent unless given.
    pub fn secret(&mut self, name: &'static str) -> Option<String> {
        let setting = self.take(name, "");
        let shown = if setting.text.is_empty() { "" } else { SECRET };
        self.shown.insert(name.to_owned(), (shown.to_owned(), setting.origin));
        (!setting.text.is_empty()).then_some(setting.text)
    }

    /// The texts of the table `table`, by their names in it. Only `known` ones may be given; a password among them
    /// is never printed.
    pub fn table(&mut self, table: &str, known: &[&str]) -> BTreeMap<String, String> {
        let prefix = format!("{table}.");
        let mut texts = BTreeMap::new();
        let below = |name: &String, _: &mut Setting| name.starts_with(&prefix);
        for (name, Setting { text, origin }) in self.given.extract_if(.., below).collect::<Vec<_>>()
        {
            let short = name.strip_prefix(&prefix).unwrap_or_default().to_owned();
            if !known.contains(&short.as_str()) {
                self.fault(&name, "is none of the options that may be set");
                continue;
            }
            let shown = if short.ends_with("password") { SECRET } else { &text };
            self.shown.insert(name, (shown.to_owned(), origin));
            texts.insert(short, text);
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
        let mut tables: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let below = |name: &String, _: &mut Setting| name.starts_with(&prefix);
        for (name, Setting { text, origin }) in self.given.extract_if(.., below).collect::<Vec<_>>()
        {
            let rest = name.strip_prefix(&prefix).unwrap_or_default();
            let Some((of, short)) = rest.split_once('.').filter(|(_, short)| known.contains(short))
            else {
                self.fault(&name, "is none of the options that may be set");
                continue;
            };
            tables.entry(of.to_owned()).or_default().insert(short.to_owned(), text.clone());
            self.shown.insert(name, (text, origin));
        }
        tables
    }

    /// A text that may be part of a Kafka name.
    pub fn name(&mut self, name: &'static str, default: &str) -> String {
        let text = self.text(name, default);
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.is_empty() || text.len() > 100 || !text.chars().all(fits) {
            self.fault(name, "is 1 to 100 of A-Z a-z 0-9 . _ -");
        }
        text
    }

    /// Where to listen: names are not resolved.
    pub fn address(&mut self, name: &'static str, default: SocketAddr) -> SocketAddr {
        let text = self.text(name, &default.to_string());
        text.parse().unwrap_or_else(|_| {
            let words = "is an IP address and a port, such as 127.0.0.1:8080";
            self.fault(name, &format!("{words}, found {text:?}"));
            default
        })
    }

    /// A value of a type that reads itself from text.
    pub fn parsed<T>(&mut self, name: &'static str, default: T) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        let text = self.text(name, &default.to_string());
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
        value.unwrap_or_else(|| {
            let (least, most) = bounds.into_inner();
            self.fault(name, &format!("is a number from {least} to {most}, found {text:?}"));
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
        let size = size.unwrap_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            let words = format!("is a size from {least} to {most}, such as 512MiB, found {text:?}");
            self.fault(name, &words);
            default
        });
        usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
    }

    /// A time, in milliseconds, of at most a day.
    pub fn millis(&mut self, name: &'static str, default: u64) -> Duration {
        Duration::from_millis(self.within(name, default, 1..=86_400_000))
    }

    /// Notes a fault; the first of a name is the one reported.
    pub fn fault(&mut self, name: &str, words: &str) {
        self.faults.entry(name.to_owned()).or_insert_with(|| words.to_owned());
    }

    /// What holds, one setting a line; or every fault, one a line.
    pub fn finish(mut self) -> Result<String, String> {
        for (name, Setting { origin, .. }) in std::mem::take(&mut self.given) {
            let origin = format!("{origin:?}").to_lowercase();
            self.fault(&name, &format!("is no setting, found in the {origin}"));
        }
        let mut lines = String::new();
        if !self.faults.is_empty() {
            for (name, words) in self.faults {
                let _ = writeln!(lines, "{name}: {words}");
            }
            return Err(lines);
        }
        for (name, (text, origin)) in self.shown {
            let origin = format!("{origin:?}").to_lowercase();
            let _ = writeln!(lines, "{} = {}  # {origin}", dotted(&name), quoted(&text));
        }
        Ok(lines)
    }

    fn take(&mut self, name: &str, default: &str) -> Setting {
        let setting = self.given.remove(name);
        setting.unwrap_or_else(|| Setting { text: default.to_owned(), origin: Origin::Default })
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

/// The line, from 1, of the byte at `position`.
fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

/// The texts of a list, separated by commas; else the first item that is no text.
fn joined(list: &[toml::Value]) -> Result<String, &toml::Value> {
    let texts = list.iter().map(|item| item.as_str().ok_or(item));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(","))
}
