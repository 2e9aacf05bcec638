//! The flags that are set, each with who set it, when and why.

use std::collections::BTreeMap;

use millstream::RawRecord;
use schemas::topic::{FLAGS, Topic};
use serde::{Deserialize, Serialize};

use super::{Flag, FlagValue};
use crate::followed_topic::Known;

/// What a flag is set to: the value of a record of the topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// To what.
    pub value: FlagValue,
    /// By which change; changes of all flags are counted together.
    pub version: u32,
    /// When, ms UTC.
    pub at_ms: i64,
    /// By whom.
    pub who: String,
    /// For what reason.
    pub why: String,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetFlags {
    of: BTreeMap<Flag, Setting>,
    version: u32,
}

impl SetFlags {
    /// What a flag is.
    pub fn value(&self, flag: Flag) -> FlagValue {
        self.of.get(&flag).map_or(flag.at_first(), |setting| setting.value)
    }

    /// How it came to be that; none of one that was never set.
    pub fn setting(&self, flag: Flag) -> Option<&Setting> {
        self.of.get(&flag)
    }

    /// Whether every tier is off.
    pub fn has_no_tier(&self) -> bool {
        let mut tiers = Flag::ALL.into_iter().filter(|flag| matches!(flag, Flag::Tier(_)));
        tiers.all(|tier| self.value(tier) == FlagValue::Switch(false))
    }

    /// The last change.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Sets a flag.
    pub fn set(&mut self, flag: Flag, setting: Setting) {
        self.version = self.version.max(setting.version);
        self.of.insert(flag, setting);
    }
}

impl Known for SetFlags {
    const TOPIC: Topic = FLAGS;

    /// What a later release has set, and this one does not know, is passed over.
    fn take(&mut self, record: &RawRecord<'_>) {
        let named = record.key.and_then(|key| std::str::from_utf8(key).ok()).and_then(Flag::named);
        let (Some(flag), Some(value)) = (named, record.value) else { return };
        match serde_json::from_slice::<Setting>(value) {
            Ok(setting) if flag.value(setting.value).is_some() => self.set(flag, setting),
            Ok(Setting { value, .. }) => {
                tracing::warn!(flag = flag.name(), ?value, "a flag is left as it was");
            }
            Err(fault) => tracing::warn!(flag = flag.name(), %fault, "a flag is left as it was"),
        }
    }

    fn tell(&self) {
        let other = Flag::ALL.into_iter().filter(|flag| self.value(*flag) != flag.at_first());
        let other: Vec<_> =
            other.map(|flag| format!("{}={}", flag.name(), self.value(flag))).collect();
        let other = (!other.is_empty()).then(|| other.join(" "));
        tracing::info!(version = self.version, other, "flags");
    }
}
