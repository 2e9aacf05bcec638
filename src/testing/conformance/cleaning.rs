//! What topics are set to, what compaction keeps, what a deletion takes.

use std::time::Duration;

use super::Cluster;
use super::world::{Outcome, Row, World, out, row, same};
use crate::broker::{
    Cleanup, DELETE_RETENTION, DELETE_RETENTION_SOON, Isolation, TopicDescription, TopicSpec,
};
use crate::record::{Offset, Topic};

pub(super) fn a_compacted_topic_tells_how_long_it_shows_deletions_and_another_does_not(
    cluster: &dyn Cluster,
) -> Outcome {
    let at_least = [
        (Cleanup::Compact, DELETE_RETENTION),
        (Cleanup::CompactSoon, DELETE_RETENTION_SOON),
        (Cleanup::Delete(None), Duration::ZERO),
    ];
    let mut topics = Vec::new();
    for (cleanup, _) in at_least {
        topics.push(World::with(cluster, 1, cleanup)?.first().topic);
    }
    let told = cluster.broker().admin()?.describe(&topics)?;
    let is_kept = |(told, (_, wanted)): (Option<TopicDescription>, &(_, Duration))| {
        told.and_then(|of| of.delete_retention()).is_some_and(|kept| kept >= *wanted)
    };
    same(told.into_iter().zip(&at_least).map(is_kept).collect(), vec![true, true, false])
}

pub(super) fn a_topic_is_described_as_it_was_made_and_one_that_is_not_there_is_not(
    cluster: &dyn Cluster,
) -> Outcome {
    let kept = Duration::from_secs(3600);
    let world = World::with(cluster, 3, Cleanup::Delete(Some(kept)))?;
    let missing = Topic::from(cluster.fresh("missing"));
    let told = cluster.broker().admin()?.describe(&[missing, world.topic.clone()])?;
    let of = |setting: &str| told.get(1)?.as_ref()?.settings.get(setting).cloned();
    let sizes = told.iter().map(|of| of.as_ref().map(|of| (of.partitions, of.replicas >= 1)));
    same(sizes.collect(), vec![None, Some((3, true))])?;
    same(of("retention.ms"), Some("3600000".to_owned()))?;
    same(of("cleanup.policy"), Some("delete".to_owned()))?;
    same(["min.insync.replicas", "max.message.bytes"].map(|name| of(name).is_some()), [true; 2])
}

pub(super) fn a_topic_that_was_deleted_is_gone_with_the_positions_in_it(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send_offsets(&[(world.first(), Offset(0))], &world.nobody())?;
    producer.commit()?;
    same(world.position()?, Some(0))?;
    let mut admin = cluster.broker().admin()?;
    same(admin.topics()?.contains(&world.topic), true)?;
    let names = [world.topic.clone(), cluster.fresh("missing").into()];
    admin.delete(&names)?;
    same(admin.partitions(&names)?, vec![None, None])?;
    same(admin.topics()?.contains(&world.topic), false)?;
    let cleanup = Cleanup::Delete(None);
    admin.create(&[TopicSpec { name: world.topic.clone(), partitions: 1, cleanup }])?;
    world.until("the position is gone", || Ok(world.position()?.is_none().then_some(())))
}

pub(super) fn a_group_that_was_deleted_has_no_position_and_one_with_members_is_refused(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send_offsets(&[(world.first(), Offset(0))], &world.nobody())?;
    producer.commit()?;
    same(world.position()?, Some(0))?;
    let mut admin = cluster.broker().admin()?;
    admin.delete_group(&cluster.fresh("missing"))?;
    let mut member = world.member("a")?;
    member.until_owns(1)?;
    same(admin.delete_group(&world.group).is_err(), true)?;
    drop(member);
    world.until("the group is gone", || Ok(admin.delete_group(&world.group).ok()))?;
    same(world.position()?, None)
}

pub(super) fn compaction_keeps_latest_values_and_tombstones_at_their_offsets(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::with(cluster, 1, Cleanup::Compact)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send(&out(&[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]))?;
    producer.commit()?;
    world.open(&mut *producer, "a", 4)?;
    producer.abort()?;
    producer.begin()?;
    producer.send(&out(&[("c", Some("2")), ("b", None)]))?;
    producer.commit()?;
    let before = [row(0, "a", "1"), row(1, "b", "1"), row(2, "c", "1"), row(6, "c", "2")];
    let tombstone = (7, "b".to_owned(), None);
    let whole = before.iter().cloned().chain([tombstone.clone()]).collect();
    same(world.rows(Isolation::ReadCommitted, 9)?, whole)?;
    cluster.compact(&world.first());
    same(kept(&world, 9)?, vec![row(0, "a", "1"), row(6, "c", "2"), tombstone])
}

pub(super) fn compaction_leaves_what_an_open_transaction_holds_back(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::with(cluster, 1, Cleanup::Compact)?;
    let mut producer = world.producer(&world.id)?;
    world.commit(&mut *producer, "a", "1")?;
    world.commit(&mut *producer, "a", "2")?;
    world.open(&mut *producer, "a", 4)?;
    cluster.compact(&world.first());
    producer.commit()?;
    same(kept(&world, 6)?, vec![row(2, "a", "2"), row(4, "a", "open")])
}

/// The rows up to an end at `end` or beyond, without fillers.
fn kept(world: &World<'_>, end: i64) -> Outcome<Vec<Row>> {
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    let mut rows = Vec::new();
    world.until("the end of the cleaned log", || {
        let polled = reader.poll()?;
        rows.extend(super::clients::rows_of(&polled));
        Ok(polled.ends.iter().any(|(_, told)| told.0 >= end).then_some(()))
    })?;
    rows.retain(|(_, key, _)| !key.starts_with("filler"));
    Ok(rows)
}
