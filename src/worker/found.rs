//! What a start finds on the cluster: the topics, what its changelogs keep, the manifest of who ran before.
//!
//! It is read and nothing else: what it means is decided in [`StartPlan`](super::StartPlan).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::retry::retry_at_startup;
use super::{manifest, topics};
use crate::broker::{Admin, Broker, Call, Code, Consumer, Failure, Isolation};
use crate::record::{Offset, RawRecord, Topic, TopicPartition};
use crate::task::genesis;
use crate::topology::{Role, Shape, Topology, changelog_named};

/// How often a log is asked for its first record, and how long at a time.
const LOOKS: usize = 100;
const ROUND: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many partitions each topic has that is there, of those that matter.
    pub partitions: BTreeMap<Topic, i32>,
    /// For how long changelogs show deletions, as far as the cluster says it; none in it for one that forgets by age.
    pub kept: BTreeMap<Topic, Option<Duration>>,
    /// What the manifest says, if there is one.
    pub manifest: Option<String>,
    /// Topics of the application's own that `topology` does not read, and in which records lie that were not worked off.
    pub unread: BTreeSet<Topic>,
    /// How changelogs begin; only whoever asks for a plan looks so closely, as each task does when it opens.
    pub beginnings: BTreeMap<Topic, Beginnings>,
}

/// How the partitions of a changelog begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beginnings {
    /// So many have no record.
    pub empty: usize,
    /// So many begin with a genesis record.
    pub known: usize,
    /// So many begin with something else.
    pub foreign: usize,
}

impl Found {
    /// Looks at all that matters to a start of `topology`.
    pub fn look(topology: &Topology, broker: &dyn Broker) -> Result<Self, Failure> {
        let mut admin = broker.admin()?;
        let mut found = Self::default();
        found.count(&topics::named(topology), &mut *admin)?;
        if found.partitions.contains_key(&topology.task_topic()) {
            found.manifest = manifest::read(topology, broker)?;
        }
        let before = found.manifest.as_deref().and_then(|text| Shape::decode(text).ok());
        if let Some(before) = before {
            let subs = before.subs().map(|(name, _)| name);
            let subs = subs.chain(before.gone.iter().map(|(sub, _)| sub));
            let logs: Vec<_> = subs.map(|sub| changelog_named(topology.app(), sub)).collect();
            found.count(&logs, &mut *admin)?;
            found.unread = unread(&before, topology, &mut *admin, broker)?;
        }
        let logs = topology.changelogs().into_iter().map(|(log, _)| log);
        let logs: Vec<_> = logs.filter(|log| found.partitions.contains_key(log)).collect();
        found.kept = kept(logs, &mut *admin)?;
        Ok(found)
    }

    /// Looks at how the changelogs begin, too.
    pub fn look_closer(
        mut self,
        topology: &Topology,
        broker: &dyn Broker,
    ) -> Result<Self, Failure> {
        let mut consumer = broker.consumer(topology.app(), Isolation::ReadCommitted)?;
        for (log, _) in topology.changelogs() {
            let Some(partitions) = self.partitions.get(&log) else { continue };
            let mut begin = Beginnings::default();
            for partition in 0..*partitions {
                let at = TopicPartition::new(log.clone(), partition);
                match begins_with_genesis(&at, &mut *consumer)? {
                    None => begin.empty += 1,
                    Some(true) => begin.known += 1,
                    Some(false) => begin.foreign += 1,
                }
            }
            self.beginnings.insert(log, begin);
        }
        Ok(self)
    }

    fn count(&mut self, topics: &[Topic], admin: &mut dyn Admin) -> Result<(), Failure> {
        let counts = retry_at_startup(|| admin.partitions(topics))?;
        let there =
            topics.iter().zip(counts).filter_map(|(topic, count)| Some((topic.clone(), count?)));
        self.partitions.extend(there);
        Ok(())
    }
}

/// For how long these show deletions; nothing is known where the cluster does not say.
fn kept(
    logs: Vec<Topic>,
    admin: &mut dyn Admin,
) -> Result<BTreeMap<Topic, Option<Duration>>, Failure> {
    match retry_at_startup(|| admin.describe(&logs)) {
        Ok(found) => {
            let found = logs.into_iter().zip(found);
            Ok(found.filter_map(|(log, of)| Some((log, of?.delete_retention()))).collect())
        }
        Err(failure) if matches!(failure.code, Code::Denied | Code::Unsupported) => {
            let names = logs.join(", ");
            tracing::warn!(%failure, names, "DescribeConfigs: not known whether changelogs keep what they must");
            Ok(BTreeMap::new())
        }
        Err(failure) => Err(failure),
    }
}

/// Whether the first record of a changelog is its genesis; none if it has no record.
fn begins_with_genesis(
    log: &TopicPartition,
    consumer: &mut dyn Consumer,
) -> Result<Option<bool>, Failure> {
    let start = retry_at_startup(|| consumer.bounds(log))?.start;
    first_record(log, start, consumer, |first| genesis::is(&first))
}

/// Of the topics between sub-topologies those that nobody would go on reading, and that were not read to their ends.
fn unread(
    before: &Shape,
    topology: &Topology,
    admin: &mut dyn Admin,
    broker: &dyn Broker,
) -> Result<BTreeSet<Topic>, Failure> {
    let read = topics::named(topology);
    let between = before.sources.iter().filter(|(_, of)| of.role == Role::Internal);
    let left: Vec<_> = between.map(|(topic, _)| topic.clone()).collect();
    let left: Vec<_> = left.into_iter().filter(|topic| !read.contains(topic)).collect();
    let counts = retry_at_startup(|| admin.partitions(&left))?;
    let mut consumer = broker.consumer(topology.app(), Isolation::ReadCommitted)?;
    let mut unread = BTreeSet::new();
    for (topic, count) in left.into_iter().zip(counts) {
        for partition in 0..count.unwrap_or(0) {
            let at = TopicPartition::new(topic.clone(), partition);
            let committed = retry_at_startup(|| consumer.committed(std::slice::from_ref(&at)))?;
            let start = retry_at_startup(|| consumer.bounds(&at))?.start;
            let from = committed.first().copied().flatten().map_or(start, |at| at.max(start));
            if first_record(&at, from, &mut *consumer, |_| ())?.is_some() {
                unread.insert(topic.clone());
            }
        }
    }
    Ok(unread)
}

/// What `look` says of the first record from `start` on; none if there is none up to the end.
fn first_record<T>(
    log: &TopicPartition,
    start: Offset,
    consumer: &mut dyn Consumer,
    look: impl Fn(RawRecord<'_>) -> T,
) -> Result<Option<T>, Failure> {
    if start >= retry_at_startup(|| consumer.bounds(log))?.end {
        return Ok(None);
    }
    consumer.assign(&[(log.clone(), start)])?;
    for _ in 0..LOOKS {
        let polled = retry_at_startup(|| consumer.poll(ROUND))?;
        let mut ours = polled.batches.iter().filter(|batch| batch.source() == log);
        let found = ours.find_map(|batch| batch.get(0).map(&look));
        if found.is_some() || polled.ends.iter().any(|(of, _)| of == log) {
            consumer.unassign(std::slice::from_ref(log))?;
            return Ok(found);
        }
    }
    Err(Failure::new(Call::Poll, Code::TimedOut, format!("{log} could not be read")))
}
