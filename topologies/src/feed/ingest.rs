//! The inputs: each record decoded, checked against its row's last change, and told to whom it concerns.
//!
//! This is the only place that decodes what others wrote, and the only one that dead-letters it: bytes
//! that give no record go there with the reason, and the next record is taken.

use millstream::{Context, Due, Processor, Rec, Result, Store, Timers, Timestamp};
use schemas::{
    Cdc, Change, Comment, CommentId, Event, EventId, Follow, Like, LikeId, Poison, Post, Row, User,
    UserId, Wire,
};

use crate::ingest::act::Act;
use crate::ingest::events::{self, REPEATS_MS_MAX};
use crate::ingest::row::Life;
use crate::ingest::{Effect, Routed, comments, follows, likes, posts, users};
use crate::layout::Pair;
use crate::state::Time;

/// Records of one partition lie out of order by at most about this.
const DISORDER_MS: i64 = 3_600_000;

type Bytes = Option<Vec<u8>>;
type Told<'a> = Context<'a, (), Routed>;

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
        held: &mut Option<Self::Kept>,
        change: &Change<Self>,
        epoch: u32,
        out: &mut Vec<Routed>,
    ) -> Effect;
}

macro_rules! tables {
    ($($row:ident as $id:ty, $kept:ident in $module:ident, |$key:ident| $made:expr;)*) => {$(
        impl Table for $row {
            type Id = $id;
            type Kept = $kept;

            fn id($key: Self::Key) -> Self::Id {
                $made
            }

            fn change(
                held: &mut Option<$kept>,
                change: &Change<Self>,
                epoch: u32,
                out: &mut Vec<Routed>,
            ) -> Effect {
                $module::change(held, change, epoch, out)
            }
        }
    )*};
}

tables! {
    User as UserId, Life in users, |key| key;
    Follow as Pair<UserId, UserId>, Life in follows, |key| Pair(key.follower, key.followee);
    Comment as CommentId, Act in comments, |key| key;
    Like as LikeId, Act in likes, |key| key;
}

/// The rows of one table.
pub(super) struct Ingest<R: Table> {
    rows: Store<R::Id, R::Kept>,
    epoch: u32,
    out: Vec<Routed>,
}

impl<R: Table> Ingest<R> {
    pub(super) fn new(rows: Store<R::Id, R::Kept>, epoch: u32) -> Self {
        Self { rows, epoch, out: Vec::new() }
    }
}

impl<R: Table + 'static> Processor for Ingest<R> {
    type KeyIn = Bytes;
    type ValueIn = Bytes;
    type KeyOut = ();
    type ValueOut = Routed;

    fn process(&mut self, record: Rec<'_, Bytes, Bytes>, cx: &mut Told<'_>) -> Result<()> {
        let change = match Cdc::<R>::decode(record.key.as_deref(), record.value.as_deref()) {
            Ok(Cdc::Change(change)) => change,
            Ok(Cdc::Tombstone | Cdc::Message) => return Ok(()),
            Err(poison) => return bury(&poison, cx),
        };
        // A delete that names no row deletes nothing.
        let Some(key) = change.key else { return Ok(()) };
        let id = R::id(key);
        let rows = cx.store(self.rows)?;
        let mut held = rows.get(&id)?.copied();
        self.out.clear();
        let effect = R::change(&mut held, &change, self.epoch, &mut self.out);
        if let Some(held) = held.filter(|_| effect != Effect::Stale) {
            rows.put(&id, held)?;
        }
        tell(&self.out, cx)
    }
}

/// Posts: passed on, for the post itself keeps its mark.
pub(super) struct IngestPosts {
    epoch: u32,
    out: Vec<Routed>,
}

impl IngestPosts {
    pub(super) fn new(epoch: u32) -> Self {
        Self { epoch, out: Vec::new() }
    }
}

impl Processor for IngestPosts {
    type KeyIn = Bytes;
    type ValueIn = Bytes;
    type KeyOut = ();
    type ValueOut = Routed;

    fn process(&mut self, record: Rec<'_, Bytes, Bytes>, cx: &mut Told<'_>) -> Result<()> {
        match Cdc::<Post>::decode(record.key.as_deref(), record.value.as_deref()) {
            Ok(Cdc::Change(change)) => {
                self.out.clear();
                posts::change(&change, self.epoch, &mut self.out);
                tell(&self.out, cx)
            }
            Ok(Cdc::Tombstone | Cdc::Message) => Ok(()),
            Err(poison) => bury(&poison, cx),
        }
    }
}

/// Events: each id of a user once in 24 h.
pub(super) struct IngestEvents {
    first: Store<Pair<UserId, EventId>, Time>,
    forget: Timers<UserId>,
    out: Vec<Routed>,
}

impl IngestEvents {
    pub(super) fn new(first: Store<Pair<UserId, EventId>, Time>, forget: Timers<UserId>) -> Self {
        Self { first, forget, out: Vec::new() }
    }
}

impl Processor for IngestEvents {
    type KeyIn = Bytes;
    type ValueIn = Bytes;
    type KeyOut = ();
    type ValueOut = Routed;

    fn process(&mut self, record: Rec<'_, Bytes, Bytes>, cx: &mut Told<'_>) -> Result<()> {
        let event = match Event::decode(record.value.as_deref().unwrap_or_default()) {
            Ok(event) => event,
            Err(poison) => return bury(&poison, cx),
        };
        if event.too_far(record.at.0) {
            return bury(&event.ahead().of("event"), cx);
        }
        let id = Pair(event.user, event.id);
        let first = cx.store(self.first)?;
        let mut held = first.get(&id)?.map(|first| first.0);
        self.out.clear();
        if events::happen(&mut held, &event, record.at.0, &mut self.out) == Effect::Stale {
            return Ok(());
        }
        if let Some(held) = held {
            first.put(&id, Time(held))?;
        }
        let timers = cx.timers(self.forget)?;
        if timers.deadline(&event.user).is_none() {
            timers.set(&event.user, after(record.at.0))?;
        }
        tell(&self.out, cx)
    }

    /// Forgets the ids of a user that no record will repeat in time any more.
    fn on_timer(&mut self, due: Due<'_>, cx: &mut Told<'_>) -> Result<()> {
        let Some(user) = due.of(self.forget) else { return Ok(()) };
        let stream_time = cx.stream_time().0;
        let (mut late, mut next) = (Vec::new(), None::<i64>);
        let first = cx.store(self.first)?;
        first.scan_prefix(&user.0, |id, first| {
            if after(first.0).0 <= stream_time {
                late.push(*id);
            } else {
                next = Some(next.map_or(first.0, |next| next.min(first.0)));
            }
            true
        })?;
        late.iter().try_for_each(|id| first.delete(id))?;
        // Where the input stands still nothing is late by its time: look again when the clock says so.
        let again = next.map(|first| after(first).max(due.at.plus(ONE_DAY)));
        again.map_or(Ok(()), |again| cx.timers(self.forget)?.set(user, again))
    }
}

const ONE_DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// When an id that first came at `first` need not be known any more.
fn after(first: i64) -> Timestamp {
    Timestamp(first.saturating_add(REPEATS_MS_MAX + DISORDER_MS))
}

fn tell(routed: &[Routed], cx: &mut Told<'_>) -> Result<()> {
    routed.iter().try_for_each(|routed| cx.forward(&(), routed))
}

fn bury(poison: &Poison, cx: &mut Told<'_>) -> Result<()> {
    cx.dead_letter(&poison.to_string())
}
