//! Who owns which partition, and how one moves.

use super::Cluster;
use super::clients::{rows_of, until_own};
use super::world::{Outcome, Row, World, same};
use crate::broker::{Cleanup, GroupConsumer, Rebalance};
use crate::record::Offset;

pub(super) fn a_lone_member_owns_every_partition(cluster: &dyn Cluster) -> Outcome {
    let world = World::with(cluster, 3, Cleanup::Delete(None))?;
    let mut one = world.member("one")?;
    same(one.metadata().is_member(), false)?;
    one.until_owns(3)?;
    same(one.owned.clone(), vec![0, 1, 2])?;
    same(one.metadata().is_member(), true)?;
    let mut given = Vec::new();
    one.handle.close(&mut |change, _| given.push(change))?;
    same(given, vec![Rebalance::Revoked(vec![0, 1, 2])])
}

pub(super) fn a_group_has_as_many_members_as_joined_it(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut admin = cluster.broker().admin()?;
    same(admin.members(&world.group)?, 0)?;
    let mut member = world.member("a")?;
    member.until_owns(1)?;
    same(admin.members(&world.group)?, 1)
}

pub(super) fn a_partition_is_given_up_before_another_member_owns_it(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::with(cluster, 2, Cleanup::Delete(None))?;
    let mut old = world.member("old")?;
    old.until_owns(2)?;
    let mut new = world.member("new")?;
    for _ in 0..20 {
        same(new.poll()?, Vec::new())?;
    }
    let (mut gone, mut gained) = (Vec::new(), Vec::new());
    world.until("the new member owns one", || {
        gained.extend(new.poll()?);
        if gained.is_empty() {
            gone.extend(old.poll()?);
        }
        Ok((new.owned.len() == 1).then_some(()))
    })?;
    same(gained, vec![Rebalance::Assigned(new.owned.clone())])?;
    same(gone, vec![Rebalance::Revoked(new.owned.clone())])?;
    same(old.owned.len(), 1)
}

pub(super) fn a_partition_never_has_two_owners(cluster: &dyn Cluster) -> Outcome {
    let world = World::with(cluster, 6, Cleanup::Delete(None))?;
    let (mut first, mut second) = (world.member("first")?, world.member("second")?);
    until_own([&mut first, &mut second], [3, 3])?;
    let mut members = [second, world.member("third")?, first];
    world.until("each owns two", || {
        members.rotate_left(1);
        let [next, ..] = &mut members;
        next.poll()?;
        let mut owned: Vec<i32> = members.iter().flat_map(|of| of.owned.clone()).collect();
        owned.sort_unstable();
        let once: std::collections::BTreeSet<i32> = owned.iter().copied().collect();
        same(owned, once.into_iter().collect())?;
        Ok(members.iter().all(|of| of.owned.len() == 2).then_some(()))
    })
}

pub(super) fn a_silent_members_partitions_go_to_the_others(cluster: &dyn Cluster) -> Outcome {
    let world = World::with(cluster, 2, Cleanup::Delete(None))?;
    let (mut stays, mut dies) = (world.member("stays")?, world.member("dies")?);
    until_own([&mut stays, &mut dies], [1, 1])?;
    drop(dies);
    stays.until_owns(2)?;
    same(stays.owned, vec![0, 1])
}

pub(super) fn a_restarted_static_member_gets_its_share_in_the_same_generation(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::with(cluster, 4, Cleanup::Delete(None))?;
    let (mut stays, mut leaves) = (world.member("stays")?, world.member("leaves")?);
    until_own([&mut stays, &mut leaves], [2, 2])?;
    let (share, before) = (leaves.owned.clone(), stays.metadata());
    leaves.handle.close(&mut |_, _| {})?;
    let mut back = world.member("leaves")?;
    until_own([&mut stays, &mut back], [2, 2])?;
    same(back.owned.clone(), share)?;
    same(stays.metadata(), before.clone())?;
    same(back.metadata().generation, before.generation)
}

pub(super) fn a_group_consumer_goes_on_at_the_committed_position(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    world.write(&[("a", None), ("b", None), ("c", None)])?;
    let mut first = world.group_consumer()?;
    same(rows(&world, &mut *first, 3)?, bare(&[(0, "a"), (1, "b"), (2, "c")]))?;
    first.commit(&[(world.first(), Offset(2))])?;
    drop(first);
    let mut second = world.group_consumer()?;
    same(rows(&world, &mut *second, 1)?, bare(&[(2, "c")]))
}

pub(super) fn a_group_consumers_share_moves_to_the_one_that_stays(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::new(cluster)?;
    world.write(&[("a", None)])?;
    let mut one = world.group_consumer()?;
    same(rows(&world, &mut *one, 1)?, bare(&[(0, "a")]))?;
    let mut other = world.group_consumer()?;
    same(other.poll(cluster.poll_wait())?.batches.len(), 0)?;
    drop(one);
    same(rows(&world, &mut *other, 1)?, bare(&[(0, "a")]))
}

pub(super) fn a_static_group_consumer_comes_back_to_its_share(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    world.write(&[("a", None), ("b", None)])?;
    let mut one = world.static_group_consumer("one")?;
    same(rows(&world, &mut *one, 2)?, bare(&[(0, "a"), (1, "b")]))?;
    one.commit(&[(world.first(), Offset(1))])?;
    let mut other = world.static_group_consumer("other")?;
    same(other.poll(cluster.poll_wait())?.batches.len(), 0)?;
    drop(one);
    let mut back = world.static_group_consumer("one")?;
    same(other.poll(cluster.poll_wait())?.batches.len(), 0)?;
    same(rows(&world, &mut *back, 1)?, bare(&[(1, "b")]))
}

/// The next `count` rows.
fn rows(world: &World<'_>, consumer: &mut dyn GroupConsumer, count: usize) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    world.until(&format!("{count} rows"), || {
        rows.extend(rows_of(&consumer.poll(world.cluster.poll_wait())?));
        Ok((rows.len() >= count).then_some(()))
    })?;
    Ok(rows)
}

/// Rows without values.
fn bare(rows: &[(i64, &str)]) -> Vec<Row> {
    rows.iter().map(|(offset, key)| (*offset, (*key).to_owned(), None)).collect()
}
