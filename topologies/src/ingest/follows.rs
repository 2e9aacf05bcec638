//! Topic `cdc.follows`: a live row is one followee more, a deleted one is one less.

use schemas::{Change, Follow, ToUser};

use super::row::{self, RowVersion};
use super::{Effect, Routed};

/// Takes a change of a follow; `stored` is what is kept under its primary key, follower and followee.
pub fn change(
    stored: &mut Option<RowVersion>,
    change: &Change<Follow>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    let Some(key) = change.key else { return Effect::Unknown };
    let next = RowVersion { mark: change.mark(epoch), live: change.live().is_some() };
    let Some(delta) = row::take(stored, next) else { return Effect::Stale };
    let follow = |delta| ToUser::Follow { author: key.followee, delta };
    out.extend(delta.map(|delta| Routed::ToUser(key.follower, follow(delta))));
    out.extend(delta.map(|delta| Routed::Follow(key.follower, key.followee, delta)));
    let active = change.live().map(|row| ToUser::Active { at_ms: row.created_at_ms });
    out.extend(active.map(|active| Routed::ToUser(key.follower, active)));
    Effect::Applied
}

#[cfg(test)]
mod tests {
    use schemas::{Delta, FollowKey, Op, UserId};

    use super::*;

    const KEY: FollowKey = FollowKey { follower: UserId([1; 16]), followee: UserId([2; 16]) };

    fn take(stored: &mut Option<RowVersion>, lsn: u64, live: bool) -> Vec<Routed> {
        let row = Follow { key: KEY, created_at_ms: 1_000, deleted: false };
        let op = if live { Op::Create } else { Op::Delete };
        let after = live.then_some(row);
        let row_change = Change { op, key: Some(KEY), lsn, before: None, after, source_ms: None };
        let mut out = Vec::new();
        change(stored, &row_change, 0, &mut out);
        out
    }

    fn follow(delta: Delta) -> Routed {
        Routed::ToUser(KEY.follower, ToUser::Follow { author: KEY.followee, delta })
    }

    #[test]
    fn a_follow_adds_its_deletion_takes_away_and_an_update_changes_nothing() {
        let mut stored = None;
        let active = Routed::ToUser(KEY.follower, ToUser::Active { at_ms: 1_000 });
        let edge = |delta| Routed::Follow(KEY.follower, KEY.followee, delta);
        let [plus, minus] = [Delta::Plus, Delta::Minus].map(|delta| [follow(delta), edge(delta)]);
        assert_eq!(take(&mut stored, 1, true), [&plus[..], &[active]].concat());
        assert_eq!(take(&mut stored, 2, true), [active]);
        assert_eq!(take(&mut stored, 3, false), minus);
        assert_eq!(take(&mut stored, 1, true), []);
    }
}
