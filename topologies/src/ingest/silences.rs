//! Topics `cdc.mutes` and `cdc.blocks`: who wants to see nothing of whom.
//!
//! A mute concerns who mutes. A block concerns both: neither sees the other, whoever of them wanted it.

use schemas::{Block, Change, Delta, Mute, Row, SilenceKey, ToUser, UserId};

use super::row::{self, RowVersion};
use super::{Effect, Routed};

/// Takes a change of a mute; `stored` is what is kept under its primary key.
pub fn mute(
    stored: &mut Option<RowVersion>,
    change: &Change<Mute>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    take(stored, change, epoch, out, |SilenceKey { by, whom }, delta, out| {
        out.push(Routed::ToUser(by, ToUser::Mute { whom, delta }));
    })
}

/// Takes a change of a block; `stored` is what is kept under its primary key.
pub fn block(
    stored: &mut Option<RowVersion>,
    change: &Change<Block>,
    epoch: u32,
    out: &mut Vec<Routed>,
) -> Effect {
    take(stored, change, epoch, out, |SilenceKey { by, whom }, delta, out| {
        let sides: [(UserId, UserId); 2] = [(by, whom), (whom, by)];
        let fact = |(user, other)| Routed::ToUser(user, ToUser::Block { other, delta });
        out.extend(sides.map(fact));
    })
}

fn take<R: Row<Key = SilenceKey>>(
    stored: &mut Option<RowVersion>,
    change: &Change<R>,
    epoch: u32,
    out: &mut Vec<Routed>,
    tell: impl FnOnce(SilenceKey, Delta, &mut Vec<Routed>),
) -> Effect {
    let Some(key) = change.key else { return Effect::Unknown };
    let next = RowVersion { mark: change.mark(epoch), live: change.live().is_some() };
    let Some(delta) = row::take(stored, next) else { return Effect::Stale };
    if let Some(delta) = delta {
        tell(key, delta, out);
    }
    let active = change.live().map(|row| ToUser::Active { at_ms: row.created_at_ms() });
    out.extend(active.map(|active| Routed::ToUser(key.by, active)));
    Effect::Applied
}

#[cfg(test)]
mod tests {
    use schemas::Op;

    use super::*;

    const KEY: SilenceKey = SilenceKey { by: UserId([1; 16]), whom: UserId([2; 16]) };
    const ACTIVE: Routed = Routed::ToUser(KEY.by, ToUser::Active { at_ms: 1_000 });

    fn change<R>(row: R, lsn: u64, live: bool) -> Change<R>
    where
        R: Row<Key = SilenceKey>,
    {
        let (op, after) = if live { (Op::Create, Some(row)) } else { (Op::Delete, None) };
        Change { op, key: Some(KEY), lsn, before: None, after, source_ms: None }
    }

    #[test]
    fn a_mute_is_told_to_who_mutes_until_it_ends() {
        let row = Mute { key: KEY, created_at_ms: 1_000, deleted: false };
        let (mut stored, mut out) = (None, Vec::new());
        for (lsn, live) in [(1, true), (2, true), (3, false), (1, true)] {
            mute(&mut stored, &change(row, lsn, live), 0, &mut out);
        }
        let told = |delta| Routed::ToUser(KEY.by, ToUser::Mute { whom: KEY.whom, delta });
        assert_eq!(out, [told(Delta::Plus), ACTIVE, ACTIVE, told(Delta::Minus)]);
    }

    #[test]
    fn a_block_is_told_to_both_and_only_who_blocks_is_active_by_it() {
        let row = Block { key: KEY, created_at_ms: 1_000, deleted: false };
        let (mut stored, mut out) = (None, Vec::new());
        block(&mut stored, &change(row, 1, true), 0, &mut out);
        block(&mut stored, &change(row, 2, false), 0, &mut out);
        let told = |user, other, delta| Routed::ToUser(user, ToUser::Block { other, delta });
        let both = |delta| [told(KEY.by, KEY.whom, delta), told(KEY.whom, KEY.by, delta)];
        assert_eq!(out, [&both(Delta::Plus)[..], &[ACTIVE], &both(Delta::Minus)].concat());
    }
}
