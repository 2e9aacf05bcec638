//! Who is kept from writing: older epochs, older generations, strangers.

use super::clients::until_own;
use super::world::{Outcome, World, out, refused, row, same};
use super::{Broken, Cluster};
use crate::broker::{
    Cleanup, Code, Failure, GroupMetadata, Isolation, Producer, Reaction, classify,
};
use crate::record::Offset;

pub(super) fn an_older_epoch_is_refused_for_good(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut zombie = world.producer(&world.id)?;
    let mut successor = world.producer(&world.id)?;
    let failure = refused(one_transaction(&mut *zombie))?;
    same(classify(&failure), Reaction::RebuildProducer)?;
    same(failure.fatal, true)?;
    let fenced = [Code::Fenced, Code::InvalidProducerEpoch].contains(&failure.code);
    same((fenced, failure.code), (true, failure.code))?;
    refused(zombie.begin())?;
    world.commit(&mut *successor, "b", "1")?;
    same(world.rows(Isolation::ReadUncommitted, 2)?, vec![row(0, "b", "1")])
}

pub(super) fn an_old_generation_is_refused(cluster: &dyn Cluster) -> Outcome {
    let world = World::with(cluster, 2, Cleanup::Delete(None))?;
    let mut one = world.member("one")?;
    one.until_owns(2)?;
    let old = one.metadata();
    let mut other = world.member("other")?;
    until_own([&mut one, &mut other], [1, 1])?;
    refuse_offsets(&world, &old, &[Code::IllegalGeneration])
}

pub(super) fn an_unknown_member_is_refused(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut one = world.member("one")?;
    one.until_owns(1)?;
    let stranger = GroupMetadata { member: "stranger".into(), ..one.metadata() };
    let stranger = GroupMetadata { instance: "".into(), ..stranger };
    refuse_offsets(&world, &stranger, &[Code::UnknownMember])
}

pub(super) fn generation_minus_one_is_accepted_unfenced(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut one = world.member("one")?;
    one.until_owns(1)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send_offsets(&[(world.first(), Offset(5))], &world.nobody())?;
    producer.commit()?;
    same(world.position()?, Some(5))
}

pub(super) fn a_rebalance_in_mid_transaction_refuses_the_old_owners_commit(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::with(cluster, 2, Cleanup::Delete(None))?;
    let mut old = world.member("old")?;
    old.until_owns(2)?;
    let before = old.metadata();
    let mut late = world.producer(&world.id)?;
    world.open(&mut *late, "late", 0)?;
    let mut new = world.member("new")?;
    until_own([&mut old, &mut new], [1, 1])?;
    let failure = refused(late.send_offsets(&[(world.first(), Offset(1))], &before))?;
    same(classify(&failure), Reaction::AbortAndRewind)?;
    late.abort()?;
    same(world.rows(Isolation::ReadCommitted, 2)?, Vec::new())?;
    let mut owner = world.producer(&cluster.fresh("owner"))?;
    owner.begin()?;
    owner.send(&out(&[("owner", Some("1"))]))?;
    owner.send_offsets(&[(world.first(), Offset(2))], &new.metadata())?;
    owner.commit()?;
    same(world.position()?, Some(2))?;
    same(world.rows(Isolation::ReadCommitted, 4)?, vec![row(2, "owner", "1")])
}

pub(super) fn a_second_process_of_a_static_name_fences_the_first(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut first = world.member("one")?;
    first.until_owns(1)?;
    let old = first.metadata();
    let mut second = world.member("one")?;
    second.until_owns(1)?;
    refuse_offsets(&world, &old, &[Code::FencedInstance, Code::UnknownMember])?;
    let failure = world.until("the first process hears of it", || Ok(first.poll().err()))?;
    same((failure.code, failure.fatal), (Code::FencedInstance, true))?;
    same(classify(&failure), Reaction::Die)?;
    same(second.owned, vec![0])
}

/// A whole transaction, whichever of its calls is refused.
fn one_transaction(producer: &mut dyn Producer) -> Result<(), Failure> {
    producer.begin()?;
    producer.send(&out(&[("zombie", Some("1"))]))?;
    producer.commit()?;
    Ok(())
}

/// Positions sent with this view of the group are refused, abortable, with one of `codes`; after the
/// abort nothing is left of them.
#[track_caller]
fn refuse_offsets(world: &World<'_>, by: &GroupMetadata, codes: &[Code]) -> Outcome {
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    let failure = refused(producer.send_offsets(&[(world.first(), Offset(9))], by))?;
    if !codes.contains(&failure.code) {
        return Err(Broken(format!("{failure}, wanted one of {codes:?}")));
    }
    same(classify(&failure), Reaction::AbortAndRewind)?;
    producer.abort()?;
    same(world.position()?, None)?;
    world.commit(&mut *producer, "after", "1")
}
