//! What becomes of flags that somebody wants to be otherwise.

use serde::{Deserialize, Serialize};

use super::{Flag, FlagValue, SetFlags, Setting};

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which flags are to be what.
    pub flags: Vec<(Flag, FlagValue)>,
    /// Who it is.
    pub who: String,
    /// For what reason.
    pub why: String,
    /// The version that they looked at, if they say so: nothing is changed if another one is in force.
    pub seen: Option<u32>,
}

/// A change of one flag: the value of a record of `flags-audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which flag.
    pub flag: String,
    /// What it was.
    pub from: FlagValue,
    /// What it is since, with who set it, when and why.
    #[serde(flatten)]
    pub to: Setting,
}

impl Wanted {
    /// What has to change of what is set; nothing of what is so already.
    pub fn changes(&self, set: &SetFlags, at_ms: i64) -> Vec<(Flag, Change)> {
        let mut changes: Vec<(Flag, Change)> = Vec::new();
        for &(flag, value) in &self.flags {
            let from = set.value(flag);
            if from == value || changes.iter().any(|(of, _)| *of == flag) {
                continue;
            }
            let (who, why) = (self.who.clone(), self.why.clone());
            let to = Setting { value, version: set.version() + 1, at_ms, who, why };
            changes.push((flag, Change { flag: flag.name().to_owned(), from, to }));
        }
        changes
    }
}
