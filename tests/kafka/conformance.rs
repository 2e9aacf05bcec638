//! The suite that every broker keeps, on this one.
//!
//! Two checks are left out. `an_applied_commit_without_an_answer_is_found_out_by_the_successor`: librdkafka finds it
//! out itself, by asking again until it has an answer or the transaction's time is up.
//! `compaction_leaves_what_an_open_transaction_holds_back`: a real broker leaves the whole segment of the open record
//! alone, not just what follows it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, Isolation, OutRecord, Outgoing, TopicIndex};
use millstream::testing::conformance::{Broken, Cluster, run};
use millstream::{Headers, Offset, Timestamp, TopicPartition};
use tests::poll_until;

use crate::world::{PATIENCE, World, world};

struct Real(World);

impl Cluster for Real {
    fn broker(&self) -> &dyn Broker {
        &self.0.kafka
    }

    fn fresh(&self, stem: &str) -> String {
        self.0.fresh(stem)
    }

    fn poll_wait(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn again(&self, looks: u32) -> bool {
        let nothing = poll_until(Duration::from_millis(10), || None::<()>);
        nothing.is_err() && looks < 1_000
    }

    /// Records of this time let the broker close the segment before them, as soon as that is older than its
    /// `log.roll.ms`, and then its cleaner comes by.
    fn compact(&self, of: &TopicPartition) {
        let mut filler = Outgoing::default();
        filler.push(OutRecord {
            topic: TopicIndex(0),
            partition: of.partition,
            logged: false,
            timestamp: Timestamp(-1),
            key: Some(b"filler"),
            value: Some(b""),
            headers: Headers::default(),
        });
        let mut writer = self.0.kafka.producer(None, Arc::from([of.topic.clone()])).unwrap();
        let cleaned = poll_until(PATIENCE, || {
            writer.send(&filler).unwrap();
            writer.flush(PATIENCE).unwrap();
            self.is_clean(of).then_some(())
        });
        cleaned.unwrap();
    }

    /// Asked for only by a check that is left out.
    fn lose_next_commit_answer(&self, _: &str) {}
}

impl Real {
    /// Whether every key but the filler's is there once, up to the last stable offset.
    fn is_clean(&self, of: &TopicPartition) -> bool {
        let mut reader = self.0.reader(Isolation::ReadCommitted);
        let end = reader.bounds(of).unwrap().end;
        reader.assign(&[(of.clone(), Offset(0))]).unwrap();
        let mut keys = BTreeSet::new();
        let mut unique = true;
        let mut reached = false;
        while !reached {
            let polled = reader.poll(Duration::from_millis(100)).unwrap();
            for record in polled.batches.iter().flat_map(|batch| batch.iter()) {
                let key = record.key.map(<[u8]>::to_vec);
                unique &= key.as_deref() == Some(b"filler") || keys.insert(key);
            }
            reached = polled.ends.iter().any(|(_, told)| *told >= end);
        }
        unique
    }
}

macro_rules! as_test {
    (an_applied_commit_without_an_answer_is_found_out_by_the_successor) => {};
    (compaction_leaves_what_an_open_transaction_holds_back) => {};
    ($it_is_so:ident) => {
        #[test]
        fn $it_is_so() -> Result<(), Broken> {
            run(stringify!($it_is_so), &Real(world(1)))
        }
    };
}

macro_rules! as_tests {
    ($($theme:ident::$check:ident),* $(,)?) => {
        $(as_test!($check);)*
    };
}

millstream::every_check!(as_tests);
