//! The port to Kafka: what the engine asks of a cluster, in five small handles.
//!
//! Two adapters keep these contracts: `kafka/` on librdkafka and `embedded/` in this process. One
//! conformance suite (`testing::conformance`) runs on both. The port's shape is librdkafka's: records come
//! and go in batches that own one arena, nothing is allocated per record, and every failure carries the
//! three flags that decide what may be done about it.

pub mod embedded;
mod failure;
#[cfg(feature = "kafka")]
pub mod kafka;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "kafka")]
pub(crate) use failure::Cause;
pub use failure::{Call, Code, Failure, Reaction, classify};

pub use crate::batch::Batch;
pub use crate::outgoing::{OutRecord, Outgoing, TopicIndex, headers};
pub use crate::partitioner::{murmur2, partition_of};
use crate::record::{Offset, Topic, TopicPartition};

/// What a reader sees of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Committed records only, up to the first open transaction (the last stable offset).
    ReadCommitted,
    /// Every record up to the high watermark.
    ReadUncommitted,
}

/// Opens handles on one cluster.
pub trait Broker: Send + Sync {
    /// How long an open transaction of a silent producer is kept: then the coordinator aborts it.
    fn transaction_timeout(&self) -> Duration;

    /// Whether a call waits for a cluster that cannot be reached at all: then a thread that does not come round waits, and
    /// does not hang.
    fn is_away(&self) -> bool {
        false
    }

    /// An assign-only consumer. `group` names whose committed offsets it may ask for; it never joins.
    fn consumer(&self, group: &str, isolation: Isolation) -> Result<Box<dyn Consumer>, Failure>;

    /// A producer to `topics`, transactional if it has a transactional id, else idempotent.
    fn producer(
        &self,
        id: Option<&str>,
        topics: Arc<[Topic]>,
    ) -> Result<Box<dyn Producer>, Failure>;

    /// A member of `join.group` on the task topic.
    fn membership(&self, join: &Join) -> Result<Box<dyn Membership>, Failure>;

    /// A consumer that subscribes and commits for itself, for sinks; `read_committed`. With the name of an `instance` it is a
    /// static member: it comes back under its name to its share without a rebalance, and does not leave the group.
    fn group_consumer(
        &self,
        group: &str,
        instance: Option<&str>,
        topics: &[Topic],
    ) -> Result<Box<dyn GroupConsumer>, Failure>;

    /// The administrative calls.
    fn admin(&self) -> Result<Box<dyn Admin>, Failure>;
}

/// Reads assigned partitions.
///
/// # Contract
/// 1. Records of a partition arrive in offset order, none twice, from the assigned offset on.
/// 2. Under [`Isolation::ReadCommitted`] aborted and open records never arrive.
/// 3. An end is reported when the reader reaches what it may see: its offset counts markers and skipped
///    records. A reader that stands at the end gets no second report until the end moved and was reached.
/// 4. `assign` of a partition that is assigned already moves it; nothing of before arrives afterwards.
/// 5. A partition paused keeps its position; nothing of it arrives until it is resumed.
pub trait Consumer: Send {
    /// Starts reading these partitions at these offsets, resumed; others stay as they are.
    fn assign(&mut self, from: &[(TopicPartition, Offset)]) -> Result<(), Failure>;

    /// The end of an assigned partition's log, open transactions included, as the last fetch showed it; none before the
    /// first. It asks nobody.
    fn end_seen(&self, of: &TopicPartition) -> Option<Offset>;

    /// Stops reading these partitions.
    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), Failure>;

    /// Keeps what is assigned from arriving, or lets it arrive again.
    fn flow(&mut self, partitions: &[TopicPartition], flow: Flow) -> Result<(), Failure>;

    /// Whatever has arrived; waits at most `wait` if there is nothing.
    fn poll(&mut self, wait: Duration) -> Result<Polled, Failure>;

    /// The group's committed offsets, asked with `require_stable`: [`Code::UnstableOffsets`] while a
    /// transaction that would change them is open.
    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Offset>>, Failure>;

    /// The first offset of the log, and its end as this reader's isolation sees it (read-committed: the
    /// last stable offset; else the high watermark).
    fn bounds(&mut self, of: &TopicPartition) -> Result<Bounds, Failure>;
}

/// Whether an assigned partition delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It keeps its position and delivers nothing.
    Paused,
    /// It delivers.
    Resumed,
}

/// Where a partition's log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset still there.
    pub start: Offset,
    /// The offset after the last.
    pub end: Offset,
}

/// What a poll brought.
#[derive(Debug, Default)]
pub struct Polled {
    /// Records, each batch of one partition and in offset order.
    pub batches: Vec<Batch>,
    /// Partitions whose end was reached, with the offset of the end.
    pub ends: Vec<(TopicPartition, Offset)>,
    /// Partitions whose position is not in the log any more; they deliver nothing until assigned anew.
    pub out_of_range: Vec<TopicPartition>,
}

impl Polled {
    /// Whether it brought nothing.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.ends.is_empty() && self.out_of_range.is_empty()
    }
}

/// Writes records, in transactions if it has a transactional id.
///
/// # Contract
/// 1. Between `begin` and `commit` or `abort` everything sent belongs to one transaction.
/// 2. `commit` answers `Ok` only if the transaction is committed; any error leaves the outcome to
///    [`classify`]. It flushes first, and serves its own delivery reports.
/// 3. `send_offsets` with a generation that is not the group's is refused, abortable; with generation -1
///    and an empty member id it is **accepted**, as on Kafka. The caller must not ask for it.
/// 4. `init` fences every older producer of the same transactional id and ends its open transaction.
/// 5. Within a partition, records keep the order in which they were sent.
pub trait Producer: Send {
    /// Registers the transactional id; waits at most `wait`.
    fn init(&mut self, wait: Duration) -> Result<(), Failure>;

    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), Failure>;

    /// Hands records over; they are on their way when it returns, not acknowledged.
    fn send(&mut self, records: &Outgoing) -> Result<(), Failure>;

    /// Adds the group's next positions to the transaction. Every offset must be concrete.
    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, Offset)],
        group: &GroupMetadata,
    ) -> Result<(), Failure>;

    /// Commits; answers the last acknowledged offset of every logged partition since `begin`.
    fn commit(&mut self) -> Result<Acknowledged, Failure>;

    /// Aborts what is open.
    fn abort(&mut self) -> Result<(), Failure>;

    /// Waits until everything sent is acknowledged, in a transaction or without one.
    fn flush(&mut self, wait: Duration) -> Result<Acknowledged, Failure>;
}

/// The last acknowledged offset of each partition that logged records went to ([`OutRecord::logged`]).
pub type Acknowledged = Vec<(TopicPartition, Offset)>;

/// Who joins which group, on which topic.
#[derive(Clone, Debug)]
pub struct Join {
    /// The group, which is the application.
    pub group: Arc<str>,
    /// The task topic to subscribe to.
    pub topic: Topic,
    /// The static member's name.
    pub instance: Arc<str>,
    /// How long the group waits for a silent member.
    pub session_timeout: Duration,
}

/// The group's view of a member. An opaque pair to the engine, but for the check of [`Self::is_member`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The group.
    pub group: Arc<str>,
    /// The generation, -1 before the first join.
    pub generation: i32,
    /// The member id, empty before the first join.
    pub member: String,
    /// The static member's name.
    pub instance: Arc<str>,
}

impl GroupMetadata {
    /// Whether the broker will fence by it: generation -1 and an empty member are accepted *unfenced*.
    pub fn is_member(&self) -> bool {
        self.generation >= 0 && !self.member.is_empty()
    }
}

/// A position of a group, with the words that were committed beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The next offset to read.
    pub next: Offset,
    /// What the one who committed it has to say to the next who asks; mostly nothing.
    pub metadata: String,
}

impl From<Offset> for Position {
    fn from(next: Offset) -> Self {
        Self { next, metadata: String::new() }
    }
}

/// A change of what a member owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions are this member's from here on.
    Assigned(Vec<i32>),
    /// The group wants these back; they are given up when the callback returns.
    Revoked(Vec<i32>),
    /// These are gone already: somebody else may own them.
    Lost(Vec<i32>),
}

/// Who hears of changes.
pub type OnRebalance<'a> = dyn FnMut(Rebalance, &GroupMetadata) + 'a;

/// Membership in the group that owns tasks.
///
/// # Contract
/// 1. `poll` tells a revoke *before* the partition can be another's in a generation this member's handle
///    could name, and an assignment after it is this member's.
/// 2. `metadata` is what the last `poll` left.
/// 3. Dropping it without `close` leaves the group to notice by the session's timeout; a static member
///    that closes does not leave the group either.
/// 4. `commit` is refused once the group has another generation, or another has taken this member's name. The group
///    takes positions in any partition of any topic; whose they are is the caller's to know.
pub trait Membership: Send {
    /// Serves the group for at most `wait`; hands each change to `on`, with the group's view of this member at
    /// that moment: a commit made while partitions are wanted back needs the new generation.
    fn poll(&mut self, wait: Duration, on: &mut OnRebalance<'_>) -> Result<(), Failure>;

    /// The group's view of this member, to fence a commit with.
    fn metadata(&self) -> GroupMetadata;

    /// Commits the next positions in this member's name, outside any transaction, and waits for the answer.
    fn commit(&mut self, positions: &[(TopicPartition, Position)]) -> Result<(), Failure>;

    /// The group's positions as they were committed last.
    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, Failure>;

    /// Gives every partition back (through `on`) and closes.
    fn close(&mut self, on: &mut OnRebalance<'_>) -> Result<(), Failure>;
}

/// A subscribed consumer that commits for itself: at least once, for sinks.
pub trait GroupConsumer: Send {
    /// Whatever has arrived; waits at most `wait` if there is nothing.
    fn poll(&mut self, wait: Duration) -> Result<Polled, Failure>;

    /// Commits the next positions, and waits for the answer.
    fn commit(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure>;
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: Topic,
    /// How many partitions.
    pub partitions: i32,
    /// What becomes of old records.
    pub cleanup: Cleanup,
}

/// How long a compacted topic shows that a key was deleted: whoever reads on within this time misses no deletion.
pub const DELETE_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// The same of one that is compacted soon. Whoever was away reads it anew, so that deletions matter only to those who
/// are behind; and every transaction leaves its end in the log for as long, which those who read it whole read, too.
pub const DELETE_RETENTION_SOON: Duration = Duration::from_secs(24 * 3600);

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// The last value of each key stays, a deletion for [`DELETE_RETENTION`].
    Compact,
    /// The last value of each key stays, and what it replaced goes soon; a deletion stays for
    /// [`DELETE_RETENTION_SOON`]. For a topic that every process reads whole at its start.
    CompactSoon,
    /// They go after this time; `None` keeps them for ever.
    Delete(Option<Duration>),
}

impl Cleanup {
    /// Whether the last value of each key stays.
    pub fn is_compact(self) -> bool {
        match self {
            Self::Compact | Self::CompactSoon => true,
            Self::Delete(_) => false,
        }
    }
}

/// What became of a topic that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New,
    /// It was there already, as it is.
    Existed,
}

/// A topic as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// How many partitions.
    pub partitions: i32,
    /// On how many brokers each partition lies; of the one that lies on fewest.
    pub replicas: i32,
    /// Its settings by Kafka's names, the broker's defaults among them.
    pub settings: BTreeMap<String, String>,
}

impl TopicDescription {
    /// A setting that is a number.
    pub fn number(&self, setting: &str) -> Option<i64> {
        self.settings.get(setting)?.parse().ok()
    }

    /// Whether the last value of each key stays, and nothing goes by age.
    pub fn is_compacted(&self) -> bool {
        self.settings.get("cleanup.policy").is_some_and(|policy| policy == "compact")
    }

    /// How long it shows deletions; `None` if records go by age too, or are not compacted at all.
    pub fn delete_retention(&self) -> Option<Duration> {
        let kept = self.number("delete.retention.ms").filter(|_| self.is_compacted())?;
        Some(Duration::from_millis(u64::try_from(kept).unwrap_or(0)))
    }
}

/// The administrative calls on groups.
pub trait GroupAdmin {
    /// How many members a group has; none if there is no such group.
    fn members(&mut self, group: &str) -> Result<usize, Failure>;

    /// Deletes a group with its positions, if there is one; refused while it has members.
    fn delete_group(&mut self, group: &str) -> Result<(), Failure>;
}

/// The administrative calls.
pub trait Admin: GroupAdmin + Send {
    /// Creates what is missing.
    fn create(&mut self, topics: &[TopicSpec]) -> Result<Vec<Created>, Failure>;

    /// How many partitions each has; `None` if there is no such topic.
    fn partitions(&mut self, of: &[Topic]) -> Result<Vec<Option<i32>>, Failure>;

    /// The topics that there are, by name, as far as they may be seen and but for the cluster's own.
    fn topics(&mut self) -> Result<Vec<Topic>, Failure>;

    /// Each as it is; `None` if there is no such topic. [`Code::Denied`] where settings may not be looked at.
    fn describe(&mut self, of: &[Topic]) -> Result<Vec<Option<TopicDescription>>, Failure>;

    /// Deletes topics, with the positions that groups have in them; one that is not there is deleted already.
    fn delete(&mut self, topics: &[Topic]) -> Result<(), Failure>;

    /// Deletes the records before these offsets.
    fn delete_before(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure>;
}
