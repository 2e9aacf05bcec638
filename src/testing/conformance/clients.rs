//! The clients of a check: a consumer of partition 0, and a member of the group.

use super::world::{Outcome, Row, World, same};
use crate::broker::{Bounds, Consumer, Failure, GroupMetadata, Membership, Polled, Rebalance};
use crate::record::RawRecord;

pub(super) struct PartitionReader<'a> {
    pub world: &'a World<'a>,
    pub consumer: Box<dyn Consumer>,
}

impl PartitionReader<'_> {
    pub fn poll(&mut self) -> Outcome<Polled> {
        Ok(self.consumer.poll(self.world.cluster.poll_wait())?)
    }

    /// The rows that arrive until an end at `end` or beyond is told; it must be `end`.
    #[track_caller]
    pub fn rows_to(&mut self, end: i64) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        let world = self.world;
        let told = world.until(&format!("the end at {end}"), || {
            let polled = self.poll()?;
            rows.extend(rows_of(&polled));
            Ok(polled.ends.iter().map(|(_, told)| told.0).find(|told| *told >= end))
        })?;
        same(told, end)?;
        Ok(rows)
    }

    /// Polls a few times; nothing may arrive.
    #[track_caller]
    pub fn nothing(&mut self) -> Outcome {
        for _ in 0..5 {
            let polled = self.poll()?;
            same((rows_of(&polled), polled.ends), (Vec::new(), Vec::new()))?;
        }
        Ok(())
    }

    pub fn bounds(&mut self) -> Outcome<Bounds> {
        Ok(self.consumer.bounds(&self.world.first())?)
    }
}

pub(super) fn rows_of(polled: &Polled) -> Vec<Row> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let records = polled.batches.iter().flat_map(|batch| batch.iter());
    let row = |record: RawRecord<'_>| {
        (record.offset.0, text(record.key.unwrap_or_default()), record.value.map(text))
    };
    records.map(row).collect()
}

pub(super) struct Member<'a> {
    pub world: &'a World<'a>,
    pub handle: Box<dyn Membership>,
    pub owned: Vec<i32>,
}

impl Member<'_> {
    /// One poll; answers the changes it told.
    pub fn poll(&mut self) -> Result<Vec<Rebalance>, Failure> {
        let mut changes = Vec::new();
        let answer =
            self.handle.poll(self.world.cluster.poll_wait(), &mut |change, _| changes.push(change));
        for change in &changes {
            match change {
                Rebalance::Assigned(gained) => self.owned.extend(gained),
                Rebalance::Revoked(gone) | Rebalance::Lost(gone) => {
                    self.owned.retain(|owned| !gone.contains(owned));
                }
            }
        }
        self.owned.sort_unstable();
        answer.map(|()| changes)
    }

    pub fn metadata(&self) -> GroupMetadata {
        self.handle.metadata()
    }

    /// Polls until it owns so many partitions.
    #[track_caller]
    pub fn until_owns(&mut self, count: usize) -> Outcome {
        let world = self.world;
        world.until(&format!("{count} partitions are owned"), || {
            self.poll()?;
            Ok((self.owned.len() == count).then_some(()))
        })
    }
}

/// Polls both, in turn, until they own so many.
#[track_caller]
pub(super) fn until_own(both: [&mut Member<'_>; 2], counts: [usize; 2]) -> Outcome {
    let [one, other] = both;
    let world = one.world;
    world.until(&format!("{counts:?} partitions are owned"), || {
        one.poll()?;
        other.poll()?;
        Ok(([one.owned.len(), other.owned.len()] == counts).then_some(()))
    })
}
