//! One check's own corner of a cluster: a topic, a group, a transactional id, and short words for what checks do.

use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{Broken, Cluster};
use crate::broker::{
    Bounds, Change, Cleanup, Code, Consumer, Failure, GroupMetadata, Isolation, Join, Membership,
    OutRecord, Outgoing, Polled, Producer, TopicIndex, TopicSpec,
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
    pub fn reader(&self, isolation: Isolation) -> Outcome<Reader<'_>> {
        let mut consumer = self.cluster.broker().consumer(&self.group, isolation)?;
        consumer.assign(&[(self.first(), Offset(0))])?;
        Ok(Reader { world: self, consumer })
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

pub(super) struct Reader<'a> {
    world: &'a World<'a>,
    pub consumer: Box<dyn Consumer>,
}

impl Reader<'_> {
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
    let row = |record: crate::record::RawRecord<'_>| {
        (record.offset.0, text(record.key.unwrap_or_default()), record.value.map(text))
    };
    records.map(row).collect()
}

pub(super) struct Member<'a> {
    world: &'a World<'a>,
    pub handle: Box<dyn Membership>,
    pub owned: Vec<i32>,
}

impl Member<'_> {
    /// One poll; answers the changes it told.
    pub fn poll(&mut self) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        let answer =
            self.handle.poll(self.world.cluster.poll_wait(), &mut |change| changes.push(change));
        for change in &changes {
            match change {
                Change::Assigned(gained) => self.owned.extend(gained),
                Change::Revoked(gone) | Change::Lost(gone) => {
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
