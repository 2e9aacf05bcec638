//! One check's own corner of a cluster: a topic, a group, a transactional id, and short words for what checks do.

use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::clients::{Member, PartitionReader};
use super::{Broken, Cluster};
use crate::broker::{
    Cleanup, Code, Failure, GroupConsumer, GroupMetadata, Isolation, Join, OutRecord, Outgoing,
    Producer, TopicIndex, TopicSpec,
};
use crate::record::{Headers, Offset, Timestamp, Topic, TopicPartition};

pub(super) type Outcome<T = ()> = Result<T, Broken>;

/// A time that no broker takes for "now".
pub(super) const AT: Timestamp = Timestamp(1_600_000_000_000);
/// The shortest session a Kafka broker grants by default.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
const CALL: Duration = Duration::from_secs(30);

/// A record as checks compare it: offset, key, value.
pub(super) type Row = (i64, String, Option<String>);

/// A row with a value.
pub(super) fn row(offset: i64, key: &str, value: &str) -> Row {
    (offset, key.to_owned(), Some(value.to_owned()))
}

/// Says what was found when it is not what was wanted.
#[track_caller]
pub(super) fn same<T: PartialEq + Debug>(found: T, wanted: T) -> Outcome {
    if found == wanted {
        return Ok(());
    }
    Err(Broken(format!("found {found:?}, wanted {wanted:?}, at {}", Location::caller())))
}

/// The failure of a call that has to fail.
#[track_caller]
pub(super) fn refused<T: Debug>(answer: Result<T, Failure>) -> Outcome<Failure> {
    match answer {
        Err(failure) => Ok(failure),
        Ok(taken) => Err(Broken(format!("accepted with {taken:?}, at {}", Location::caller()))),
    }
}

pub(super) struct World<'a> {
    pub cluster: &'a dyn Cluster,
    pub topic: Topic,
    pub group: Arc<str>,
    pub id: String,
}

impl<'a> World<'a> {
    /// A world with one partition that keeps everything.
    pub fn new(cluster: &'a dyn Cluster) -> Outcome<Self> {
        Self::with(cluster, 1, Cleanup::Delete(None))
    }

    pub fn with(cluster: &'a dyn Cluster, partitions: i32, cleanup: Cleanup) -> Outcome<Self> {
        let topic: Topic = cluster.fresh("topic").into();
        let spec = TopicSpec { name: topic.clone(), partitions, cleanup };
        cluster.broker().admin()?.create(&[spec])?;
        let (group, id) = (cluster.fresh("group").into(), cluster.fresh("writer"));
        Ok(Self { cluster, topic, group, id })
    }

    /// Partition 0.
    pub fn first(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: 0 }
    }

    /// Looks until there is something to see.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
        let caller = Location::caller();
        let mut looks = 0;
        loop {
            if let Some(seen) = look()? {
                return Ok(seen);
            }
            looks += 1;
            if !self.cluster.again(looks) {
                return Err(Broken(format!("{what}: not so after {looks} looks, at {caller}")));
            }
        }
    }

    /// A producer that has been initialised.
    pub fn producer(&self, id: &str) -> Outcome<Box<dyn Producer>> {
        let topics = Arc::from([self.topic.clone()]);
        let mut producer = self.cluster.broker().producer(Some(id), topics)?;
        producer.init(CALL)?;
        Ok(producer)
    }

    /// A producer without a transactional id.
    pub fn plain(&self) -> Outcome<Box<dyn Producer>> {
        Ok(self.cluster.broker().producer(None, Arc::from([self.topic.clone()]))?)
    }

    /// Writes and flushes rows outside any transaction.
    pub fn write(&self, rows: &[(&str, Option<&str>)]) -> Outcome {
        let mut producer = self.plain()?;
        producer.send(&out(rows))?;
        producer.flush(CALL)?;
        Ok(())
    }

    /// A transaction of one record, committed.
    pub fn commit(&self, producer: &mut dyn Producer, key: &str, value: &str) -> Outcome {
        producer.begin()?;
        producer.send(&out(&[(key, Some(value))]))?;
        producer.commit()?;
        Ok(())
    }

    /// An open transaction of one record, which is known to lie in partition 0 at `offset`.
    pub fn open(&self, producer: &mut dyn Producer, key: &str, offset: i64) -> Outcome {
        producer.begin()?;
        producer.send(&out(&[(key, Some("open"))]))?;
        self.until("the open record lies in the log", || {
            let mut reader = self.reader(Isolation::ReadUncommitted)?;
            let end = reader.consumer.bounds(&self.first())?.end;
            Ok((end > Offset(offset)).then_some(()))
        })
    }

    /// A reader of partition 0 from its start.
    pub fn reader(&self, isolation: Isolation) -> Outcome<PartitionReader<'_>> {
        let mut consumer = self.cluster.broker().consumer(&self.group, isolation)?;
        consumer.assign(&[(self.first(), Offset(0))])?;
        Ok(PartitionReader { world: self, consumer })
    }

    /// What a reader of partition 0 sees from its start until its end is at `end`.
    pub fn rows(&self, isolation: Isolation, end: i64) -> Outcome<Vec<Row>> {
        self.reader(isolation)?.rows_to(end)
    }

    /// The committed position of partition 0, once it is stable.
    pub fn position(&self) -> Outcome<Option<i64>> {
        let mut consumer = self.cluster.broker().consumer(&self.group, Isolation::ReadCommitted)?;
        self.until("the position is stable", || match consumer.committed(&[self.first()]) {
            Ok(committed) => Ok(Some(committed.first().copied().flatten().map(|at| at.0))),
            Err(failure) if failure.code == Code::UnstableOffsets => Ok(None),
            Err(failure) => Err(failure.into()),
        })
    }

    /// Somebody who names the group and no member of it.
    pub fn nobody(&self) -> GroupMetadata {
        GroupMetadata {
            group: self.group.clone(),
            generation: -1,
            member: String::new(),
            instance: Arc::default(),
        }
    }

    /// A consumer of the group, subscribed to the topic.
    pub fn group_consumer(&self) -> Outcome<Box<dyn GroupConsumer>> {
        let topics = std::slice::from_ref(&self.topic);
        Ok(self.cluster.broker().group_consumer(&self.group, None, topics)?)
    }

    /// The same as a static member.
    pub fn static_group_consumer(&self, instance: &str) -> Outcome<Box<dyn GroupConsumer>> {
        let topics = std::slice::from_ref(&self.topic);
        Ok(self.cluster.broker().group_consumer(&self.group, Some(instance), topics)?)
    }

    /// A member of the group on the topic, which has not polled yet.
    pub fn member(&self, instance: &str) -> Outcome<Member<'_>> {
        let join = Join {
            group: self.group.clone(),
            topic: self.topic.clone(),
            instance: instance.into(),
            session_timeout: SESSION_TIMEOUT,
        };
        let handle = self.cluster.broker().membership(&join)?;
        Ok(Member { world: self, handle, owned: Vec::new() })
    }
}

/// Rows for partition 0, at [`AT`].
pub(super) fn out(rows: &[(&str, Option<&str>)]) -> Outgoing {
    let mut out = Outgoing::default();
    for (key, value) in rows {
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: 0,
            logged: false,
            timestamp: AT,
            key: Some(key.as_bytes()),
            value: value.map(str::as_bytes),
            headers: Headers::default(),
        });
    }
    out
}
