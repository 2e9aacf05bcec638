//! The sink's loop: what the group gives is read, becomes stretches, and each stretch goes `begun` (committed beside its
//! position), inserted, and only then passed by the position.
//!
//! The group gives partitions by number, of all topics at once: its member subscribes to the application's task topic, and
//! reads through a consumer that is assigned. A partition that is wanted back is given up with all that was read of it;
//! whoever gets it begins where the group stands. While ClickHouse does not take what it is sent, the loop holds what
//! [`Limits`] allow, and Kafka the rest.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, future, stream};
use millstream::TopicPartition;
use millstream::broker::{
    Admin, Consumer, Failure, Flow, Membership, Polled, Position, Reaction, Rebalance, classify,
};
use schemas::topic::CDC_POSTS;
use tokio::runtime::Handle;
use tracing::Instrument;

use super::lane::{Lane, Limits};
use super::letters::Letters;
use super::sink::{Hold, Inserted, Sink};
use super::stretch::Stretch;
use super::trouble::Trouble;
use super::{ClickHouseFault, Progress};
use crate::outage::Kind;

const POLL: Duration = Duration::from_millis(100);
/// How often positions are committed with which nothing begins.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked for topics that were not there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// For so long a stretch is not tried again whose schema could not be had.
const SCHEMA_PAUSE: Duration = Duration::from_secs(1);
/// How many inserts are on their way at once.
const INSERTS_MAX: usize = 4;

/// A sink at work, and who may stop it.
pub struct Sinking<'a> {
    /// The member of the sink's own group, on the application's task topic.
    pub membership: Box<dyn Membership>,
    /// Reads committed records.
    pub consumer: Box<dyn Consumer>,
    /// Knows how many partitions there are.
    pub admin: Box<dyn Admin>,
    /// Takes what ClickHouse does not.
    pub letters: Letters,
    /// Where to.
    pub sink: Sink,
    /// When a stretch ends.
    pub limits: Limits,
    /// Counts as it goes.
    pub progress: &'a Progress,
    /// Set by somebody else: come to an end.
    pub stop: &'a AtomicBool,
}

/// Runs on the calling thread until `stop` is set. A failure of Kafka that no retry helps ends it.
pub fn run(sinking: Sinking<'_>, runtime: &Handle) -> Result<(), Failure> {
    let mut work = Work {
        sinking,
        runtime,
        lanes: BTreeMap::new(),
        owned: BTreeSet::new(),
        looked: None,
        told: Instant::now(),
        trouble: Trouble::default(),
    };
    while !work.sinking.stop.load(Ordering::Relaxed) {
        work.step()?;
    }
    work.leave()
}

struct Work<'a> {
    sinking: Sinking<'a>,
    runtime: &'a Handle,
    lanes: BTreeMap<TopicPartition, Lane>,
    /// The numbers that the group gave.
    owned: BTreeSet<i32>,
    /// When it was looked which partitions of these numbers there are; none if they are to be looked for now.
    looked: Option<Instant>,
    /// When positions were committed last.
    told: Instant,
    trouble: Trouble,
}

type Outcome = (Stretch, Result<Inserted, Hold>);

impl Work<'_> {
    fn step(&mut self) -> Result<(), Failure> {
        self.follow_the_group()?;
        self.open().or_else(survive)?;
        self.read()?;
        let now = Instant::now();
        if !self.trouble.is_pausing(now) {
            self.insert(now)?;
        }
        self.recover();
        if now.duration_since(self.told) >= COMMIT_EVERY {
            self.told = now;
            self.tell().or_else(survive)?;
        }
        let since = self.lanes.values().filter_map(Lane::since).min();
        let waiting = since.map_or(0, |since| now.duration_since(since).as_millis());
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.sinking.progress.waiting_ms.store(waiting, Ordering::Relaxed);
        Ok(())
    }

    /// Takes what the group gives, and gives up what it wants back.
    fn follow_the_group(&mut self) -> Result<(), Failure> {
        let Self { lanes, owned, looked, .. } = self;
        let mut gone = Vec::new();
        let polled = self.sinking.membership.poll(Duration::ZERO, &mut |change, _| match change {
            Rebalance::Assigned(numbers) => {
                owned.extend(numbers);
                *looked = None;
            }
            Rebalance::Revoked(numbers) | Rebalance::Lost(numbers) => {
                owned.retain(|number| !numbers.contains(number));
                let wanted = |of: &TopicPartition| numbers.contains(&of.partition);
                gone.extend(lanes.keys().filter(|of| wanted(of)).cloned());
                lanes.retain(|of, _| !wanted(of));
            }
        });
        if !gone.is_empty() {
            self.sinking.consumer.unassign(&gone)?;
        }
        polled.or_else(survive)
    }

    /// Begins to read what the group gave, where it stands. A topic may come later, as a connector makes it.
    fn open(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let is_known = |looked: Instant| now.duration_since(looked) < LOOK_EVERY;
        if self.owned.is_empty() || self.looked.is_some_and(is_known) {
            return Ok(());
        }
        let topics = &self.sinking.sink.share.topics;
        let partitions = self.sinking.admin.partitions(topics)?;
        let counted = topics.iter().zip(partitions);
        let places: Vec<_> = counted
            .flat_map(|(topic, count)| {
                let numbers = self.owned.iter().filter(move |at| **at < count.unwrap_or(0));
                numbers.map(|at| TopicPartition::new(topic.clone(), *at))
            })
            .filter(|of| !self.lanes.contains_key(of))
            .collect();
        if places.is_empty() {
            self.looked = Some(now);
            return Ok(());
        }
        let committed = self.sinking.membership.committed(&places)?;
        let mut opened = Vec::new();
        for (of, committed) in places.into_iter().zip(committed) {
            let log = self.sinking.consumer.bounds(&of)?;
            opened.push((of.clone(), Lane::open(of, committed, log)));
        }
        let from: Vec<_> = opened.iter().map(|(of, lane)| (of.clone(), lane.next())).collect();
        self.sinking.consumer.assign(&from)?;
        self.lanes.extend(opened);
        self.looked = Some(now);
        Ok(())
    }

    /// Reads on, if there is room.
    fn read(&mut self) -> Result<(), Failure> {
        if self.held_bytes() >= self.sinking.limits.held_bytes_max {
            // Whoever holds so much waits for ClickHouse, and must not spin meanwhile.
            std::thread::sleep(if self.trouble.is_on() { POLL } else { Duration::ZERO });
            return Ok(());
        }
        let polled = match self.sinking.consumer.poll(POLL) {
            Ok(polled) => polled,
            Err(failure) => return survive(failure),
        };
        self.take(polled)
    }

    /// What is held of partitions that are read on.
    fn held_bytes(&self) -> usize {
        self.lanes.values().filter(|lane| !lane.is_held()).map(Lane::bytes).sum()
    }

    fn take(&mut self, polled: Polled) -> Result<(), Failure> {
        let now = Instant::now();
        for batch in polled.batches {
            if let Some(lane) = self.lanes.get_mut(batch.source()) {
                lane.take(batch, now);
            }
        }
        for (of, at) in polled.ends {
            if let Some(lane) = self.lanes.get_mut(&of) {
                lane.ended(at);
            }
        }
        for of in polled.out_of_range {
            tracing::warn!(%of, "records are gone before clickhouse had them; it goes on where the log begins");
            self.sinking.consumer.unassign(std::slice::from_ref(&of))?;
            self.lanes.remove(&of);
            self.looked = None;
        }
        Ok(())
    }

    /// Inserts what is due.
    fn insert(&mut self, now: Instant) -> Result<(), Failure> {
        let due = self.due(now);
        if due.is_empty() {
            return Ok(());
        }
        if let Err(failure) = self.begin(&due) {
            return survive(failure);
        }
        // What is done with a post is added up under its author.
        let (posts, others): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(stretch, _)| *stretch.of.topic == *CDC_POSTS.name);
        for wave in [posts, others] {
            if self.trouble.is_pausing(Instant::now()) {
                return Ok(());
            }
            for (stretch, outcome) in self.insert_all(&wave) {
                self.settle(stretch, outcome)?;
            }
        }
        Ok(())
    }

    /// Says that it is over once nothing waits for it, be it that all was inserted or that others have what was not.
    fn recover(&mut self) {
        if self.lanes.values().any(Lane::is_stuck) {
            return;
        }
        if self.trouble.end() {
            tracing::info!(sink = "clickhouse", "a sink goes on");
        }
        self.sinking.progress.fault.note(None);
    }

    /// Everything that is held, if it is too much; else what has waited or is long.
    fn due(&self, now: Instant) -> Vec<(Stretch, bool)> {
        let Limits { held_bytes_max, .. } = self.sinking.limits;
        let linger = if self.held_bytes() >= held_bytes_max {
            Duration::ZERO
        } else {
            self.sinking.limits.linger
        };
        let limits = Limits { linger, ..self.sinking.limits };
        self.lanes.values().filter_map(|lane| lane.due(now, &limits)).collect()
    }

    /// Has the group know which stretches begin; whoever is none of it any more learns it here.
    fn begin(&mut self, due: &[(Stretch, bool)]) -> Result<(), Failure> {
        let positions: Vec<_> =
            due.iter().map(|(stretch, _)| (stretch.of.clone(), stretch.begun())).collect();
        self.sinking.membership.commit(&positions)?;
        for (stretch, _) in due {
            if let Some(lane) = self.lanes.get_mut(&stretch.of) {
                lane.begun(stretch);
            }
        }
        Ok(())
    }

    /// Inserts some at a time. Once one is not answered, no other is begun: each would wait as long for nothing, and the
    /// group would give up a member that is silent meanwhile.
    fn insert_all(&self, due: &[(Stretch, bool)]) -> Vec<Outcome> {
        let is_away = &Cell::new(false);
        let jobs = due.iter().filter_map(|(stretch, is_doubtful)| {
            let records = self.lanes.get(&stretch.of)?.records(stretch);
            let insert = self.sinking.sink.insert(stretch, *is_doubtful, records);
            let insert = insert.instrument(tracing::info_span!("insert", %stretch, is_doubtful));
            Some(async move {
                if is_away.get() {
                    return None;
                }
                let outcome = insert.await;
                if let Err(Hold::Server(ClickHouseFault::Unavailable(_))) = outcome {
                    is_away.set(true);
                }
                Some((stretch.clone(), outcome))
            })
        });
        let outcomes = stream::iter(jobs).buffered(INSERTS_MAX);
        self.runtime.block_on(outcomes.filter_map(future::ready).collect())
    }

    fn settle(&mut self, stretch: Stretch, outcome: Result<Inserted, Hold>) -> Result<(), Failure> {
        match outcome {
            Ok(inserted) => self.inserted(&stretch, inserted),
            Err(Hold::Server(ClickHouseFault::Rows(_))) => self.split(&stretch),
            Err(Hold::Server(fault)) => {
                self.wait_for_server(&stretch, &fault);
                Ok(())
            }
            Err(Hold::Schema(why)) => self.wait_for_schema(&stretch, &why),
        }
    }

    fn inserted(&mut self, stretch: &Stretch, inserted: Inserted) -> Result<(), Failure> {
        let progress = self.sinking.progress;
        progress.inserts.fetch_add(1, Ordering::Relaxed);
        progress.rows.fetch_add(inserted.rows, Ordering::Relaxed);
        progress.none.fetch_add(inserted.none, Ordering::Relaxed);
        let Some(lane) = self.lanes.get_mut(&stretch.of) else { return Ok(()) };
        let was_held = lane.is_held();
        lane.inserted(stretch, Instant::now());
        if was_held {
            self.sinking.consumer.flow(std::slice::from_ref(&stretch.of), Flow::Resumed)?;
        }
        Ok(())
    }

    fn wait_for_server(&mut self, stretch: &Stretch, fault: &ClickHouseFault) {
        let (now, words) = (Instant::now(), fault.to_string());
        self.sinking.progress.failed.fetch_add(1, Ordering::Relaxed);
        if self.sinking.stop.load(Ordering::Relaxed) {
            // Its own end cuts off what is on its way.
            return;
        }
        self.trouble.log((fault.kind(), &words), now);
        self.sinking.progress.fault.note(Some(words));
        self.trouble.met(now);
        if let Some(lane) = self.lanes.get_mut(&stretch.of) {
            lane.doubt(stretch);
        }
    }

    /// The others go on; of this partition nothing more is read meanwhile.
    fn wait_for_schema(&mut self, stretch: &Stretch, why: &str) -> Result<(), Failure> {
        let (now, words) = (Instant::now(), format!("{stretch}: {why}"));
        self.trouble.log((Kind::Unavailable, &words), now);
        self.sinking.progress.fault.note(Some(words));
        if let Some(lane) = self.lanes.get_mut(&stretch.of) {
            lane.doubt(stretch);
            lane.hold(now + SCHEMA_PAUSE);
        }
        self.sinking.consumer.flow(std::slice::from_ref(&stretch.of), Flow::Paused)
    }

    /// Finds the rows of a stretch that ClickHouse does not take, inserts the others, and gives those up.
    fn split(&mut self, stretch: &Stretch) -> Result<(), Failure> {
        let Some(lane) = self.lanes.get(&stretch.of) else { return Ok(()) };
        let (mut parts, mut total) = (vec![stretch.clone()], Inserted::default());
        while let Some(part) = parts.pop() {
            let inserted = self.sinking.sink.insert(&part, true, lane.records(&part));
            match (self.runtime.block_on(inserted), part.halves()) {
                (Ok(inserted), _) => total = total.and(inserted),
                (Err(Hold::Server(ClickHouseFault::Rows(_))), Some([first, second])) => {
                    parts.extend([second, first]);
                }
                (Err(Hold::Server(fault @ ClickHouseFault::Rows(_))), None) => {
                    let record = lane.records(&part).next();
                    record.map_or(Ok(()), |record| {
                        self.sinking.letters.send(&part.of, record, &fault.to_string())
                    })?;
                    self.sinking.progress.dead_letters.fetch_add(1, Ordering::Relaxed);
                }
                (Err(Hold::Server(fault)), _) => {
                    self.wait_for_server(stretch, &fault);
                    return Ok(());
                }
                (Err(Hold::Schema(why)), _) => {
                    return self.wait_for_schema(stretch, &why);
                }
            }
        }
        self.inserted(stretch, total)
    }

    /// Has the group know the positions with which nothing begins.
    fn tell(&mut self) -> Result<(), Failure> {
        let idle: Vec<(TopicPartition, Position)> =
            self.lanes.iter().filter_map(|(of, lane)| Some((of.clone(), lane.idle()?))).collect();
        if idle.is_empty() {
            return Ok(());
        }
        self.sinking.membership.commit(&idle)?;
        for (of, position) in idle {
            if let Some(lane) = self.lanes.get_mut(&of) {
                lane.told(position);
            }
        }
        Ok(())
    }

    fn leave(mut self) -> Result<(), Failure> {
        self.tell().or_else(survive)?;
        self.sinking.membership.close(&mut |_, _| {}).or_else(survive)
    }
}

/// What was lost only repeats work; a handle that is dead ends the sink.
fn survive(failure: Failure) -> Result<(), Failure> {
    match classify(&failure) {
        Reaction::Retry | Reaction::AbortAndRewind => {
            tracing::warn!(%failure, "clickhouse sink goes on");
            Ok(())
        }
        Reaction::RebuildProducer | Reaction::Die => Err(failure),
    }
}
