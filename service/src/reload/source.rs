//! Where the process is told what holds: its file, if there is one, and its environment.

use std::path::{Path, PathBuf};

use crate::config::{Config, File};
use crate::needs::Need;

/// See the module.
pub struct Source {
    path: Option<PathBuf>,
    needs: &'static [Need],
}

impl Source {
    /// The file at `path`, or the one that the environment names; whoever reads it `needs` so much.
    pub fn new(path: Option<PathBuf>, needs: &'static [Need]) -> Self {
        let path = path.or_else(|| std::env::var_os("FEEDMILL_CONFIG").map(Into::into));
        Self { path, needs }
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What holds; or every fault, one a line. `meet` sees it before it is looked for what it lacks, with defaults in the place
    /// of what is faulty.
    pub fn read(&self, meet: impl FnOnce(&Config)) -> Result<Config, String> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|e| format!("{}: {e}\n", path.display()))
        };
        let text = self.path.as_ref().map(read).transpose()?;
        let file = self.path().zip(text.as_deref()).map(|(path, text)| File { path, text });
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Config::read(file, environment, |config| {
            meet(config);
            Need::lacks(self.needs, config)
        })
    }
}
