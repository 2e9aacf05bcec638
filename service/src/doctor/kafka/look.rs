//! Looks at groups, partitions and rows. It joins no group and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millstream::broker::{Broker, Code, Consumer, Failure, Isolation, Polled};
use millstream::{Clock, Offset, RawRecord, SystemClock, Topic, TopicPartition, Topology};
use schemas::application;
use schemas::topic::{
    CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_POSTS, CDC_USERS, EVENTS, FEEDBACK, FEEDS,
    Topic as Declared,
};

use super::{GroupLag, KafkaVitals, PartitionLag};
use crate::config::Config;
use crate::replay::Register;

/// How long records are waited for at a time, and in all.
const POLL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(5);
/// How many rows of each partition of a changelog are looked at.
const ROWS: i64 = 50;

/// What ClickHouse's sink must read of the inputs.
const INTO_CLICKHOUSE: [Declared; 6] =
    [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES, EVENTS];

/// See the module; `partitions` has those of every topic that is there.
pub fn look(
    broker: &dyn Broker,
    config: &Config,
    topology: &Topology,
    partitions: &BTreeMap<Topic, i32>,
) -> Result<KafkaVitals, Failure> {
    let app = &config.app;
    let mut read: Vec<(String, Vec<Topic>)> = Vec::new();
    read.push((app.clone(), [topology.inputs(), topology.internals()].concat()));
    let standing = Register::of(broker, app).read();
    let epoch = standing.map_or(0, |standing| standing.epoch);
    let mut sink = |is_there: bool, (name, epoch): (&str, u32), topics: &[Declared]| {
        let topics = topics.iter().map(|of| Topic::from(&*application::topic(app, of))).collect();
        let group = application::pushing_group(application::first(app), name, epoch);
        read.extend(is_there.then_some((group, topics)));
    };
    sink(config.redis.is_some(), ("redis", epoch), &[FEEDS]);
    sink(config.postgres.is_some(), ("postgres", 0), &[FEEDBACK]);
    let (is_there, is_one) = (config.clickhouse.is_some(), epoch == 0);
    let both = [&INTO_CLICKHOUSE[..], &[FEEDS]].concat();
    sink(is_there && is_one, ("clickhouse", 0), &both);
    sink(is_there && !is_one, ("clickhouse", 0), &INTO_CLICKHOUSE);
    sink(is_there && !is_one, ("clickhouse", epoch), &[FEEDS]);
    let mut vitals = KafkaVitals::default();
    for (group, topics) in read {
        vitals.groups.push(group_lag(broker, group, &all_of(&topics, partitions))?);
    }
    let mut consumer = broker.consumer(app, Isolation::ReadCommitted)?;
    for topic in topology.inputs().into_iter().chain(topology.internals()) {
        let of = all_of(std::slice::from_ref(&topic), partitions);
        let ends =
            of.iter().map(|of| Ok(consumer.bounds(of)?.end.0)).collect::<Result<_, Failure>>()?;
        vitals.written.insert(topic, ends);
    }
    let logs: Vec<_> = topology.changelogs().into_iter().map(|(log, _)| log).collect();
    vitals.rows = largest_rows(&mut *consumer, &all_of(&logs, partitions))?;
    Ok(vitals)
}

fn all_of(topics: &[Topic], partitions: &BTreeMap<Topic, i32>) -> Vec<TopicPartition> {
    let counted = topics.iter().filter_map(|topic| Some((topic, *partitions.get(topic)?)));
    counted
        .flat_map(|(topic, count)| (0..count).map(|of| TopicPartition::new(topic.clone(), of)))
        .collect()
}

fn group_lag(
    broker: &dyn Broker,
    group: String,
    of: &[TopicPartition],
) -> Result<GroupLag, Failure> {
    let members = broker.admin()?.members(&group)?;
    let mut consumer = broker.consumer(&group, Isolation::ReadCommitted)?;
    let committed = positions(&mut *consumer, of)?;
    let mut from = Vec::new();
    for (of, committed) in of.iter().zip(committed) {
        let bounds = consumer.bounds(of)?;
        let at = committed.unwrap_or(bounds.start).max(bounds.start);
        if at < bounds.end {
            from.push((of.clone(), at, bounds.end.0 - at.0));
        }
    }
    let starts: Vec<_> = from.iter().map(|(of, at, _)| (of.clone(), *at)).collect();
    let mut oldest = BTreeMap::new();
    let unread = read_each(&mut *consumer, &starts, |of, record| {
        oldest.entry(of.clone()).or_insert(record.timestamp.0);
        true
    })?;
    let now = SystemClock.now().0;
    let behind = from.into_iter().filter_map(|(of, _, records)| {
        let age_ms = oldest.get(&of).map(|at| (now - at).max(0));
        // Where only markers lie nothing is unread.
        let is_behind = age_ms.is_some() || unread.contains(&of);
        is_behind.then_some(PartitionLag { of, records, age_ms })
    });
    Ok(GroupLag { group, members, behind: behind.collect() })
}

/// The group's positions, asked again while a transaction is open that would change them.
fn positions(
    consumer: &mut dyn Consumer,
    of: &[TopicPartition],
) -> Result<Vec<Option<Offset>>, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        match consumer.committed(of) {
            Err(failure) if failure.code == Code::UnstableOffsets && Instant::now() < until => {}
            answer => return answer,
        }
    }
}

/// Reads each partition from its place until `is_enough` says so of a record, or its end; answers those of which nothing
/// was told in time.
fn read_each(
    consumer: &mut dyn Consumer,
    from: &[(TopicPartition, Offset)],
    mut is_enough: impl FnMut(&TopicPartition, RawRecord<'_>) -> bool,
) -> Result<BTreeSet<TopicPartition>, Failure> {
    let mut left: BTreeSet<_> = from.iter().map(|(of, _)| of.clone()).collect();
    if left.is_empty() {
        return Ok(left);
    }
    consumer.assign(from)?;
    let until = Instant::now() + PATIENCE;
    while !left.is_empty() && Instant::now() < until {
        let Polled { batches, ends, out_of_range } = consumer.poll(POLL)?;
        for batch in &batches {
            let of = batch.source();
            if left.contains(of) && batch.iter().any(|record| is_enough(of, record)) {
                left.remove(of);
            }
        }
        for of in ends.iter().map(|(of, _)| of).chain(&out_of_range) {
            left.remove(of);
        }
    }
    let all: Vec<_> = from.iter().map(|(of, _)| of.clone()).collect();
    consumer.unassign(&all)?;
    Ok(left)
}

fn largest_rows(
    consumer: &mut dyn Consumer,
    of: &[TopicPartition],
) -> Result<BTreeMap<Topic, usize>, Failure> {
    let mut from = Vec::new();
    for of in of {
        let bounds = consumer.bounds(of)?;
        let at = Offset(bounds.end.0 - ROWS).max(bounds.start);
        if at < bounds.end {
            from.push((of.clone(), at));
        }
    }
    let mut largest: BTreeMap<Topic, usize> = BTreeMap::new();
    read_each(consumer, &from, |of, record| {
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        let most = largest.entry(of.topic.clone()).or_default();
        *most = bytes.max(*most);
        false
    })?;
    Ok(largest)
}
