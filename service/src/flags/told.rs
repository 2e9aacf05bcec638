//! Flags as JSON, for scripts and over HTTP. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Change, Flag, FlagValue, SetFlags, Setting};

/// All flags.
#[derive(Serialize, ToSchema)]
pub struct Flags {
    /// How many changes there were.
    version: u32,
    /// Each by its name.
    flags: BTreeMap<&'static str, Set>,
}

/// What a flag is, and how it came to be that.
#[derive(Serialize, ToSchema)]
#[schema(as = Flag)]
struct Set {
    /// True or false; of `ranked_percent` a number from 0 to 100.
    #[schema(value_type = Object)]
    value: FlagValue,
    /// By which change; null of one that was never set, as is what follows.
    version: Option<u32>,
    /// When, ms UTC.
    at: Option<i64>,
    who: Option<String>,
    why: Option<String>,
}

/// A change.
#[derive(Serialize, ToSchema)]
#[schema(as = FlagChange)]
pub struct Told {
    flag: String,
    #[schema(value_type = Object)]
    from: FlagValue,
    #[schema(value_type = Object)]
    to: FlagValue,
    version: u32,
    /// When, ms UTC.
    at: i64,
    who: String,
    why: String,
}

impl From<&SetFlags> for Flags {
    fn from(set: &SetFlags) -> Self {
        let of = |flag: Flag| {
            let setting = set.setting(flag);
            let set = Set {
                value: set.value(flag),
                version: setting.map(|of| of.version),
                at: setting.map(|of| of.at_ms),
                who: setting.map(|of| of.who.clone()),
                why: setting.map(|of| of.why.clone()),
            };
            (flag.name(), set)
        };
        Self { version: set.version(), flags: Flag::ALL.into_iter().map(of).collect() }
    }
}

impl From<Change> for Told {
    fn from(change: Change) -> Self {
        let Change { flag, from, to: Setting { value: to, version, at_ms: at, who, why } } = change;
        Self { flag, from, to, version, at, who, why }
    }
}
