//! What the operators count, as Prometheus is told of it.
#![expect(missing_docs, reason = "each says by its help what it is")]

use millstream::Family;

pub const INTERACTIONS_DROPPED: Family = Family::new(
    "feedmill_interactions_dropped_total",
    "What was done to posts of which nobody knew for 7 days after, and was dropped.",
);
pub const DELETES_UNKNOWN: Family = Family::new(
    "feedmill_unknown_deletes_total",
    "Changes that delete a row which they do not name, or of which no columns were ever seen.",
);
pub const RERANKS_AVOIDED: Family = Family::new(
    "feedmill_reranks_avoided_total",
    "Readers who were not ranked for a change of a post that could not concern their feeds.",
);
pub const RERANKS_REACHED: Family = Family::new(
    "feedmill_reranks_reached_total",
    "Readers whose feeds a change of a post might concern, so that they were to be ranked for it.",
);
pub const RERANKS: Family = Family::new(
    "feedmill_reranks_total",
    "Rankings that were made because something changed, and not because time had passed.",
);
pub const RERANKS_AUDITED: Family = Family::new(
    "feedmill_reranks_audited_total",
    "Readers of the avoided who were ranked all the same, to see.",
);
pub const AUDIT_MISMATCHES: Family = Family::new(
    "feedmill_rerank_audit_mismatches_total",
    "Audited readers whose feeds the change did concern; there must be none.",
);
pub const SHADOW_RANKINGS: Family = Family::new(
    "feedmill_shadow_rankings_total",
    "Rankings that the shadow set was compared with.",
);
pub const SHADOW_SHARED: Family = Family::new(
    "feedmill_shadow_top10_shared_total",
    "How many of the first 10 of both rankings were the same posts.",
);
pub const SHADOW_IN_PLACE: Family = Family::new(
    "feedmill_shadow_top10_in_place_total",
    "How many of the first 10 stood at the same place in both rankings.",
);

/// All of them.
pub const COUNTERS: [Family; 10] = [
    INTERACTIONS_DROPPED,
    DELETES_UNKNOWN,
    RERANKS_AVOIDED,
    RERANKS_REACHED,
    RERANKS,
    RERANKS_AUDITED,
    AUDIT_MISMATCHES,
    SHADOW_RANKINGS,
    SHADOW_SHARED,
    SHADOW_IN_PLACE,
];
