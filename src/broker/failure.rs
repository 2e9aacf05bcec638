//! A failed call of the port, and what to do about it.
//!
//! librdkafka says of each error whether it is fatal, retriable or wants an abort; the call and the code
//! decide the rest. [`classify`] is total and has no wildcard, so that a new code asks for a decision.

use std::fmt;

/// The call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Making a handle.
    Open,
    /// `Producer::init`.
    Init,
    /// `Producer::begin`.
    Begin,
    /// `Producer::send`, or a delivery report.
    Send,
    /// `Producer::send_offsets`.
    SendOffsets,
    /// `Producer::commit`.
    Commit,
    /// `Producer::abort`.
    Abort,
    /// `Producer::flush`.
    Flush,
    /// `Consumer::assign`, `unassign`, `flow`.
    Assign,
    /// A poll of any consumer or member.
    Poll,
    /// `Consumer::committed`.
    Committed,
    /// `Consumer::bounds`.
    Bounds,
    /// A group consumer's commit.
    GroupCommit,
    /// An administrative call.
    Admin,
}

/// What the broker or the client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No answer in time.
    TimedOut,
    /// The connection broke, or there is none.
    Transport,
    /// A newer producer has this transactional id, or the coordinator ended the transaction.
    Fenced,
    /// The epoch is older than the broker's.
    InvalidProducerEpoch,
    /// The transaction is not in a state that allows the call.
    InvalidTransactionState,
    /// The coordinator has forgotten the transactional id.
    InvalidProducerIdMapping,
    /// The partition has forgotten the producer.
    UnknownProducerId,
    /// The sequence has a gap.
    OutOfOrderSequence,
    /// Another transaction of this id is still being ended.
    ConcurrentTransactions,
    /// Another transactional call of this handle is in progress.
    Conflict,
    /// The group's generation is another.
    IllegalGeneration,
    /// The group does not know the member.
    UnknownMember,
    /// Another process has this static member's name.
    FencedInstance,
    /// The member's epoch is older than the group's.
    StaleMemberEpoch,
    /// The group is rebalancing.
    RebalanceInProgress,
    /// An open transaction would change the offsets asked for.
    UnstableOffsets,
    /// The coordinator is loading or moving.
    CoordinatorNotAvailable,
    /// No such topic or partition.
    UnknownTopic,
    /// The position is not in the log.
    OffsetOutOfRange,
    /// The record is larger than the broker takes.
    MessageTooLarge,
    /// The local queue is full.
    QueueFull,
    /// Purged by an abort before it was sent.
    Purged,
    /// Not authenticated or not authorised.
    Denied,
    /// The broker or this build cannot do it.
    Unsupported,
    /// A wrong argument: a fault of the caller.
    InvalidArgument,
    /// Anything else, by librdkafka's number.
    Other(i32),
}

/// A failed call, with librdkafka's three flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The call.
    pub call: Call,
    /// What was said.
    pub code: Code,
    /// The handle is dead.
    pub fatal: bool,
    /// The same call may be made again.
    pub retriable: bool,
    /// The open transaction must be aborted, and may be.
    pub abortable: bool,
    /// The words of it.
    pub detail: String,
}

impl Failure {
    /// A failure without flags.
    pub fn new(call: Call, code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { call, code, fatal: false, retriable: false, abortable: false, detail }
    }

    /// The same, with the handle dead.
    pub fn fatal(self) -> Self {
        Self { fatal: true, ..self }
    }

    /// The same, and may be tried again.
    pub fn retriable(self) -> Self {
        Self { retriable: true, ..self }
    }

    /// The same, and wants an abort.
    pub fn abortable(self) -> Self {
        Self { abortable: true, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}: {}", self.call, self.code, self.detail)
    }
}

impl std::error::Error for Failure {}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// Make the same call again, with the same arguments, within its budget.
    Retry,
    /// Abort, go back to the committed positions, process again.
    AbortAndRewind,
    /// The outcome is unknown or the handle is dead: a new producer, and every task restores.
    RebuildProducer,
    /// End the process: no retry can help.
    Die,
}

/// Decides; pure and total. An error with no flag at all is librdkafka's "treat as fatal".
pub fn classify(failure: &Failure) -> Reaction {
    match failure.code {
        Code::Denied | Code::Unsupported | Code::InvalidArgument => return Reaction::Die,
        Code::FencedInstance if failure.call != Call::SendOffsets => return Reaction::Die,
        Code::FencedInstance
        | Code::TimedOut
        | Code::Transport
        | Code::Fenced
        | Code::InvalidProducerEpoch
        | Code::InvalidTransactionState
        | Code::InvalidProducerIdMapping
        | Code::UnknownProducerId
        | Code::OutOfOrderSequence
        | Code::ConcurrentTransactions
        | Code::Conflict
        | Code::IllegalGeneration
        | Code::UnknownMember
        | Code::StaleMemberEpoch
        | Code::RebalanceInProgress
        | Code::UnstableOffsets
        | Code::CoordinatorNotAvailable
        | Code::UnknownTopic
        | Code::OffsetOutOfRange
        | Code::MessageTooLarge
        | Code::QueueFull
        | Code::Purged
        | Code::Other(_) => {}
    }
    match (failure.fatal, failure.abortable, failure.retriable) {
        (true, _, _) => Reaction::RebuildProducer,
        (false, true, _) => Reaction::AbortAndRewind,
        (false, false, true) => Reaction::Retry,
        (false, false, false) => Reaction::RebuildProducer,
    }
}
