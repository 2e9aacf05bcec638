//! The positions that groups commit within transactions.

use super::Cluster;
use super::world::{Outcome, World, refused, same};
use crate::broker::{Cleanup, Code, Isolation, Position, Reaction, classify};
use crate::record::{Offset, TopicPartition};

pub(super) fn offsets_roll_back_on_abort(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send_offsets(&[(world.first(), Offset(1))], &world.nobody())?;
    producer.commit()?;
    same(world.position()?, Some(1))?;
    producer.begin()?;
    producer.send_offsets(&[(world.first(), Offset(2))], &world.nobody())?;
    producer.abort()?;
    same(world.position()?, Some(1))
}

pub(super) fn offsets_of_an_open_transaction_are_unstable(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send_offsets(&[(world.first(), Offset(1))], &world.nobody())?;
    let mut owner = cluster.broker().consumer(&world.group, Isolation::ReadCommitted)?;
    let failure = refused(owner.committed(&[world.first()]))?;
    same(failure.code, Code::UnstableOffsets)?;
    same(classify(&failure), Reaction::Retry)?;
    producer.commit()?;
    same(world.position()?, Some(1))
}

pub(super) fn offsets_of_other_partitions_stay_stable(cluster: &dyn Cluster) -> Outcome {
    let world = World::with(cluster, 2, Cleanup::Delete(None))?;
    let second = TopicPartition::new(world.topic.clone(), 1);
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send_offsets(&[(second.clone(), Offset(3))], &world.nobody())?;
    producer.commit()?;
    let mut other = world.producer(&cluster.fresh("other"))?;
    other.begin()?;
    other.send_offsets(&[(world.first(), Offset(1))], &world.nobody())?;
    let mut owner = cluster.broker().consumer(&world.group, Isolation::ReadCommitted)?;
    let found = world.until("the first commit's marker is written", || {
        match owner.committed(std::slice::from_ref(&second)) {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.code == Code::UnstableOffsets => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    })?;
    same(found, vec![Some(Offset(3))])?;
    other.commit()?;
    same(world.position()?, Some(1))
}

pub(super) fn a_group_that_committed_nothing_has_no_position(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    same(world.position()?, None)
}

pub(super) fn a_member_finds_the_words_that_were_committed_beside_a_position(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::with(cluster, 2, Cleanup::Delete(None))?;
    let places = [world.first(), TopicPartition::new(world.topic.clone(), 1)];
    let mut one = world.member("one")?;
    one.until_owns(2)?;
    same(one.handle.committed(&places)?, vec![None, None])?;
    let noted = Position { next: Offset(7), metadata: "up to 9".to_owned() };
    one.handle.commit(&[(world.first(), noted.clone())])?;
    same(one.handle.committed(&places)?, vec![Some(noted), None])?;
    one.handle.commit(&[(world.first(), Offset(9).into())])?;
    same(one.handle.committed(&places)?, vec![Some(Offset(9).into()), None])?;
    same(world.position()?, Some(9))
}

pub(super) fn a_member_whose_name_another_has_taken_commits_nothing(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::new(cluster)?;
    let mut old = world.member("one")?;
    old.until_owns(1)?;
    old.handle.commit(&[(world.first(), Offset(1).into())])?;
    let mut new = world.member("one")?;
    new.until_owns(1)?;
    let failure = refused(old.handle.commit(&[(world.first(), Offset(2).into())]))?;
    same(matches!(classify(&failure), Reaction::Die | Reaction::AbortAndRewind), true)?;
    same(world.position()?, Some(1))?;
    new.handle.commit(&[(world.first(), Offset(3).into())])?;
    same(world.position()?, Some(3))
}
