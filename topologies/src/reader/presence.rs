//! Until when a reader is active, and until when online.
//!
//! Whatever a user did makes them active for 7 days after it; only a read makes them online, for 10
//! minutes. Only active readers are kept ranked; online ones hear soonest.

use serde::Serialize;

/// An interaction keeps its user active so long.
pub const ACTIVE_MS: i64 = 7 * 86_400_000;
/// A read keeps its reader online so long.
pub const ONLINE_MS: i64 = 600_000;

/// Until when a reader is there; both times are the first at which they are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// Until when active, ms UTC.
    pub active_until: i64,
    /// Until when online.
    pub online_until: i64,
}

impl Default for Presence {
    fn default() -> Self {
        Self { active_until: i64::MIN, online_until: i64::MIN }
    }
}

impl Presence {
    /// The user did something at `at`, which may be long ago.
    pub fn mark_active(&mut self, at: i64) {
        self.active_until = self.active_until.max(at.saturating_add(ACTIVE_MS));
    }

    /// The user read their feed at `at`.
    pub fn mark_read(&mut self, at: i64) {
        self.mark_active(at);
        self.online_until = self.online_until.max(at.saturating_add(ONLINE_MS));
    }

    /// Whether the reader is kept ranked.
    pub fn is_active(&self, now: i64) -> bool {
        now < self.active_until
    }

    /// Whether the reader looked a short while ago.
    pub fn is_online(&self, now: i64) -> bool {
        now < self.online_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interaction_makes_active_for_seven_days_and_never_online() {
        let mut presence = Presence::default();
        presence.mark_active(0);
        let active = [0, ACTIVE_MS - 1, ACTIVE_MS].map(|now| presence.is_active(now));
        assert_eq!(active, [true, true, false]);
        assert!(!presence.is_online(0));
    }

    #[test]
    fn an_older_interaction_shortens_nothing() {
        let mut presence = Presence::default();
        presence.mark_read(1_000);
        presence.mark_active(0);
        assert_eq!(presence.active_until, 1_000 + ACTIVE_MS);
        assert_eq!(presence.online_until, 1_000 + ONLINE_MS);
    }

    #[test]
    fn a_read_makes_online_for_ten_minutes() {
        let mut presence = Presence::default();
        presence.mark_read(0);
        let online = [0, 599_999, 600_000].map(|now| presence.is_online(now));
        assert_eq!((online, presence.active_until), ([true, true, false], 7 * 86_400_000));
    }
}
