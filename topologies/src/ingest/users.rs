//! Topic `cdc.users`: a deleted user is gone, until their row is live again.

use schemas::{Change, Gone, ToUser, User};

use super::row::{RowVersion, is_newer};
use super::{Effect, Routed};

/// Takes a change of a user; `stored` is what is kept under their id.
pub fn change(
    stored: &mut Option<RowVersion>,
    change: &Change<User>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    let Some(user) = change.key else { return Effect::Unknown };
    let next = RowVersion { mark: change.mark(epoch), live: change.live().is_some() };
    if !is_newer(next, *stored) {
        return Effect::Stale;
    }
    let was_gone = stored.is_some_and(|stored| !stored.live);
    *stored = Some(next);
    if was_gone == next.live {
        let gone = (!next.live).then_some(Gone { mark: next.mark });
        out.push(Routed::Gone(user, gone));
    }
    let active = change.live().map(|row| ToUser::Active { at_ms: row.created_at_ms });
    out.extend(active.map(|active| Routed::ToUser(user, active)));
    Effect::Applied
}

#[cfg(test)]
mod tests {
    use schemas::{Mark, Op, UserId};

    use super::*;

    const USER: UserId = UserId([1; 16]);

    fn take(stored: &mut Option<RowVersion>, lsn: u64, live: bool) -> Vec<Routed> {
        let row = User { id: USER, created_at_ms: 1_000, deleted: false };
        let op = if live { Op::Create } else { Op::Delete };
        let after = live.then_some(row);
        let row_change = Change { op, key: Some(USER), lsn, before: None, after, source_ms: None };
        let mut out = Vec::new();
        change(stored, &row_change, 0, &mut out);
        out
    }

    #[test]
    fn a_user_who_is_deleted_is_gone_and_one_who_returns_is_back() {
        let mut stored = None;
        let active = Routed::ToUser(USER, ToUser::Active { at_ms: 1_000 });
        let gone = |lsn| Routed::Gone(USER, Some(Gone { mark: Mark { epoch: 0, lsn } }));
        assert_eq!(take(&mut stored, 1, true), [active]);
        assert_eq!(take(&mut stored, 2, false), [gone(2)]);
        assert_eq!(take(&mut stored, 3, false), []);
        assert_eq!(take(&mut stored, 4, true), [Routed::Gone(USER, None), active]);
        assert_eq!(take(&mut stored, 2, false), []);
    }

    #[test]
    fn a_user_first_seen_deleted_is_gone() {
        let gone = Gone { mark: Mark { epoch: 0, lsn: 7 } };
        assert_eq!(take(&mut None, 7, false), [Routed::Gone(USER, Some(gone))]);
    }
}
