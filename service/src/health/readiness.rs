//! Whether a process is to be sent requests, and what says so.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Health, KAFKA, Seen, TIERS};
use crate::reload;

/// Whether what was seen is enough.
pub type IsEnough = fn(&BTreeMap<&'static str, Seen>) -> bool;

/// See the module.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// Whether it is.
    pub ready: bool,
    /// It was told to stop, and finishes what it has in hand.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    draining: bool,
    components: BTreeMap<&'static str, Seen>,
    /// What its file says that is not in force, if there is any of it; no reason to send requests elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<reload::Seen>,
}

impl Readiness {
    /// As of now.
    pub fn of(health: &Health, is_enough: IsEnough) -> Self {
        let (components, draining) = (health.seen(), health.is_draining());
        let ready = !draining && is_enough(&components);
        Self { ready, draining, components, config: health.config.now() }
    }
}

/// Whether requests can be answered: Kafka and any tier are up.
pub fn is_ready(seen: &BTreeMap<&'static str, Seen>) -> bool {
    let reads = TIERS.into_iter().any(|tier| seen.contains_key(tier));
    is_up(seen, KAFKA) && (!reads || answers_reads(seen))
}

/// Whether reads can be answered, which need no Kafka: any tier is up.
pub fn answers_reads(seen: &BTreeMap<&'static str, Seen>) -> bool {
    TIERS.into_iter().any(|tier| is_up(seen, tier))
}

fn is_up(seen: &BTreeMap<&'static str, Seen>, component: &str) -> bool {
    seen.get(component).is_some_and(|seen| seen.up)
}
