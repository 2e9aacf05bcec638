//! The inputs: each record decoded, checked against its row's last change, and routed to whom it concerns.
//!
//! This is the only place that decodes what others wrote, and the only one that dead-letters it: bytes
//! that give no record go there with the reason, and the next record is taken.

use millstream::dead_letter::Reason;
use millstream::{Context, Due, Processor, Rec, Result, Store, Timers, Timestamp};
use schemas::{
    Block, Cdc, Change, Comment, CommentId, Event, EventId, Follow, Like, LikeId, Mute, Payload,
    Poison, Post, ProfileRow, Row, ToPerson, User, UserId, Wire,
};

use super::counters::DELETES_UNKNOWN;
use crate::ingest::epochs::CdcEpochs;
use crate::ingest::events::{self, REPEATS_MS_MAX};
use crate::ingest::interaction_row::InteractionRow;
use crate::ingest::row::RowVersion;
use crate::ingest::{Effect, Routed, comments, follows, likes, posts, profiles, silences, users};
use crate::layout::Pair;
use crate::state::Time;

/// Records of one partition lie out of order by at most about this.
const DISORDER_MS: i64 = 3_600_000;

type Raw = Option<Payload>;
type IngestContext<'a> = Context<'a, (), Routed>;

/// A table whose rows are kept by primary key.
pub(super) trait Table: Row {
    /// The primary key, as the store has it.
    type Id: Wire + 'static;
    /// What is kept of a row.
    type Kept: Wire + Copy + 'static;

    /// The key, as the store has it.
    fn id(key: Self::Key) -> Self::Id;

    /// Takes a change.
    fn change(
        stored: &mut Option<Self::Kept>,
        change: &Change<Self>,
        epoch: u32,
        out: &mut Vec<Routed>,
    ) -> Effect;
}

macro_rules! tables {
    ($($row:ident as $id:ty, $kept:ident by $change:path, |$key:ident| $made:expr;)*) => {$(
        impl Table for $row {
            type Id = $id;
            type Kept = $kept;

            fn id($key: Self::Key) -> Self::Id {
                $made
            }

            fn change(
                stored: &mut Option<$kept>,
                change: &Change<Self>,
                epoch: u32,
                out: &mut Vec<Routed>,
            ) -> Effect {
                $change(stored, change, epoch, out)
            }
        }
    )*};
}

tables! {
    User as UserId, RowVersion by users::change, |key| key;
    Follow as Pair<UserId, UserId>, RowVersion by follows::change,
        |key| Pair(key.follower, key.followee);
    Comment as CommentId, InteractionRow by comments::change, |key| key;
    Like as LikeId, InteractionRow by likes::change, |key| key;
    Mute as Pair<UserId, UserId>, RowVersion by silences::mute, |key| Pair(key.by, key.whom);
    Block as Pair<UserId, UserId>, RowVersion by silences::block, |key| Pair(key.by, key.whom);
}

/// The rows of one table.
pub(super) struct Ingest<R: Table> {
    rows: Store<R::Id, R::Kept>,
    epochs: CdcEpochs,
    out: Vec<Routed>,
}

impl<R: Table> Ingest<R> {
    pub(super) fn new(rows: Store<R::Id, R::Kept>, epochs: CdcEpochs) -> Self {
        Self { rows, epochs, out: Vec::new() }
    }
}

impl<R: Table + 'static> Processor for Ingest<R> {
    type KeyIn = Raw;
    type ValueIn = Raw;
    type KeyOut = ();
    type ValueOut = Routed;

    fn process(&mut self, record: Rec<'_, Raw, Raw>, cx: &mut IngestContext<'_>) -> Result<()> {
        let change = match Cdc::<R>::decode(record.key.as_ref(), record.value.as_ref()) {
            Ok(Cdc::Change(change)) => change,
            Ok(Cdc::Tombstone | Cdc::Message) => return Ok(()),
            Err(poison) => return dead_letter(&poison, cx),
        };
        if let Some(poison) = change.implausible(record.at.0) {
            return implausible(&poison, cx);
        }
        // A delete that names no row deletes nothing.
        let Some(key) = change.key else {
            cx.count(DELETES_UNKNOWN, 1);
            return Ok(());
        };
        let id = R::id(key);
        let rows = cx.store(self.rows)?;
        let mut stored = rows.get(&id)?.copied();
        self.out.clear();
        let effect = R::change(&mut stored, &change, self.epochs.at(record.at.0), &mut self.out);
        if let Some(stored) = stored.filter(|_| effect != Effect::Stale) {
            rows.put(&id, stored)?;
        }
        cx.count(DELETES_UNKNOWN, u64::from(effect == Effect::Unknown));
        forward_all(&self.out, cx)
    }
}

/// Posts: passed on, for the post itself keeps its mark.
pub(super) struct IngestPosts {
    epochs: CdcEpochs,
    out: Vec<Routed>,
}

impl IngestPosts {
    pub(super) fn new(epochs: CdcEpochs) -> Self {
        Self { epochs, out: Vec::new() }
    }
}

impl Processor for IngestPosts {
    type KeyIn = Raw;
    type ValueIn = Raw;
    type KeyOut = ();
    type ValueOut = Routed;

    fn process(&mut self, record: Rec<'_, Raw, Raw>, cx: &mut IngestContext<'_>) -> Result<()> {
        match Cdc::<Post>::decode(record.key.as_ref(), record.value.as_ref()) {
            Ok(Cdc::Change(change)) => {
                if let Some(poison) = change.implausible(record.at.0) {
                    return implausible(&poison, cx);
                }
                self.out.clear();
                let effect = posts::change(&change, self.epochs.at(record.at.0), &mut self.out);
                cx.count(DELETES_UNKNOWN, u64::from(effect == Effect::Unknown));
                forward_all(&self.out, cx)
            }
            Ok(Cdc::Tombstone | Cdc::Message) => Ok(()),
            Err(poison) => dead_letter(&poison, cx),
        }
    }
}

/// How users are seen. What is no row of theirs [`Ingest`] has dead-lettered.
pub(super) struct IngestProfiles {
    epochs: CdcEpochs,
}

impl IngestProfiles {
    pub(super) fn new(epochs: CdcEpochs) -> Self {
        Self { epochs }
    }
}

impl Processor for IngestProfiles {
    type KeyIn = Raw;
    type ValueIn = Raw;
    type KeyOut = UserId;
    type ValueOut = ToPerson;

    fn process(
        &mut self,
        record: Rec<'_, Raw, Raw>,
        cx: &mut Context<'_, UserId, ToPerson>,
    ) -> Result<()> {
        let decoded = Cdc::<ProfileRow>::decode(record.key.as_ref(), record.value.as_ref());
        let Ok(Cdc::Change(change)) = decoded else { return Ok(()) };
        if change.implausible(record.at.0).is_some() {
            return Ok(());
        }
        match profiles::change(&change, self.epochs.at(record.at.0)) {
            Some((user, fact)) => cx.forward(&user, &fact),
            None => Ok(()),
        }
    }
}

/// Events: each id of a user once in 24 h.
pub(super) struct IngestEvents {
    first: Store<Pair<UserId, EventId>, Time>,
    expiry: Timers<UserId>,
    remembers_shown: bool,
    out: Vec<Routed>,
}

impl IngestEvents {
    pub(super) fn new(
        first: Store<Pair<UserId, EventId>, Time>,
        expiry: Timers<UserId>,
        remembers_shown: bool,
    ) -> Self {
        Self { first, expiry, remembers_shown, out: Vec::new() }
    }
}

impl Processor for IngestEvents {
    type KeyIn = Raw;
    type ValueIn = Raw;
    type KeyOut = ();
    type ValueOut = Routed;

    fn process(&mut self, record: Rec<'_, Raw, Raw>, cx: &mut IngestContext<'_>) -> Result<()> {
        let nothing = Payload::default();
        let event = match Event::decode(record.value.as_ref().unwrap_or(&nothing)) {
            Ok(event) => event,
            Err(poison) => return dead_letter(&poison, cx),
        };
        if let Some(fault) = event.implausible(record.at.0) {
            return implausible(&fault.of("event"), cx);
        }
        let id = Pair(event.user, event.id);
        let first = cx.store(self.first)?;
        let mut stored = first.get(&id)?.map(|first| first.0);
        self.out.clear();
        let at = (record.at.0, self.remembers_shown);
        if events::apply(&mut stored, &event, at, &mut self.out) == Effect::Stale {
            return Ok(());
        }
        if let Some(stored) = stored {
            first.put(&id, Time(stored))?;
        }
        let timers = cx.timers(self.expiry)?;
        if timers.deadline(&event.user).is_none() {
            timers.set(&event.user, after(record.at.0))?;
        }
        forward_all(&self.out, cx)
    }

    /// Forgets the ids of a user that no record will repeat in time any more.
    fn on_timer(&mut self, due: Due<'_>, cx: &mut IngestContext<'_>) -> Result<()> {
        let Some(user) = due.of(self.expiry) else { return Ok(()) };
        let stream_time = cx.stream_time().0;
        let (mut expired, mut next) = (Vec::new(), None::<i64>);
        let first = cx.store(self.first)?;
        first.scan_prefix(&user.0, |id, first| {
            if after(first.0).0 <= stream_time {
                expired.push(*id);
            } else {
                next = Some(next.map_or(first.0, |next| next.min(first.0)));
            }
            true
        })?;
        expired.iter().try_for_each(|id| first.delete(id))?;
        // Where the input stands still nothing has expired by its time: look again when the clock says so.
        let again = next.map(|first| after(first).max(due.at.plus(ONE_DAY)));
        again.map_or(Ok(()), |again| cx.timers(self.expiry)?.set(user, again))
    }
}

const ONE_DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// When an id that first came at `first` need not be known any more.
fn after(first: i64) -> Timestamp {
    Timestamp(first.saturating_add(REPEATS_MS_MAX + DISORDER_MS))
}

fn forward_all(routed: &[Routed], cx: &mut IngestContext<'_>) -> Result<()> {
    routed.iter().try_for_each(|routed| cx.forward(&(), routed))
}

fn dead_letter(poison: &Poison, cx: &mut IngestContext<'_>) -> Result<()> {
    cx.dead_letter_for(Reason::Decode, &poison.to_string())
}

/// What is readable, and cannot have been at this time.
fn implausible(poison: &Poison, cx: &mut IngestContext<'_>) -> Result<()> {
    cx.dead_letter_for(Reason::Timestamp, &poison.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_the_24_hours_of_repetitions_and_an_hour_of_disorder() {
        assert_eq!(after(7), Timestamp(7 + 25 * 3_600_000));
        assert_eq!(after(i64::MAX), Timestamp(i64::MAX));
    }
}
