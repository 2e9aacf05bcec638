//! What is told of the process, and in which form.

use std::fmt;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use super::values::ConfigValues;

/// What is told, unless the command or a setting says otherwise.
const USUAL: &str = "info";

/// What is told of the process, and in which form.
#[derive(Clone, Debug)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// What is told; none unless it is set.
    pub level: Option<Level>,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What is told, and by whom: directives as `RUST_LOG` has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level(String);

impl Level {
    /// What is told where the level is not set, and what goes well is news or is not.
    pub fn usual(is_quiet: bool) -> Self {
        Self(if is_quiet { "warn" } else { USUAL }.to_owned())
    }

    /// What lets through what it names.
    pub fn filter(&self) -> EnvFilter {
        // It was parsed strictly; this way nobody has to know that it cannot fail.
        EnvFilter::builder().parse_lossy(&self.0)
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().is_empty() {
            true => Err("is empty".to_owned()),
            false => match EnvFilter::try_new(text) {
                Ok(_) => Ok(Self(text.to_owned())),
                Err(fault) => Err(format!("is as RUST_LOG, such as info,feedmill=debug: {fault}")),
            },
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Log {
    pub(super) fn read(from: &mut ConfigValues) -> Self {
        let format = match from.text("log.format", "text").as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                from.fault("log.format", &format!("is text or json, found {other:?}"));
                LogFormat::Text
            }
        };
        let is_set = from.is_given("log.level");
        let level = from.parsed("log.level", Level::usual(false));
        Self { format, level: is_set.then_some(level) }
    }
}
