//! A failed call of the port, and what to do about it.
//!
//! librdkafka says of each error whether it is fatal, retriable or wants an abort; the call and the code
//! decide the rest. [`classify`] is total and has no wildcard, so that a new code asks for a decision.

use std::fmt;

use crate::error::Exit;

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
    /// The member went without a poll for too long and was given up; its next poll joins again.
    PollOverdue,
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

    /// The code for a process that ends because of it: options that no handle can be made of are a wrong configuration, and
    /// a cluster that does not answer may do so later.
    pub fn exit(&self) -> Exit {
        match self.code.cause() {
            Cause::Caller if self.call == Call::Open && self.code == Code::InvalidArgument => {
                Exit::Usage
            }
            Cause::Passing => Exit::Unavailable,
            Cause::Caller | Cause::Group | Cause::Record | Cause::Producer => Exit::Failed,
        }
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
///
/// The code decides where librdkafka's flags say too little (which is everywhere but in the transactional calls) or
/// where retrying would never end; the flags decide the rest.
pub fn classify(failure: &Failure) -> Reaction {
    let otherwise = match failure.code.cause() {
        Cause::Caller => return Reaction::Die,
        // Of the member itself: a second process has its name. Of a commit's metadata: it was taken before.
        Cause::Group
            if failure.code == Code::FencedInstance && failure.call != Call::SendOffsets =>
        {
            return Reaction::Die;
        }
        Cause::Group | Cause::Record => Reaction::AbortAndRewind,
        Cause::Passing if !failure.call.is_transactional() => Reaction::Retry,
        Cause::Passing | Cause::Producer => Reaction::RebuildProducer,
    };
    by_flags_or(failure, otherwise)
}

/// What lies behind a code: all that [`classify`] asks of it, but for one of the group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The request: no retry can help.
    Caller,
    /// The group has moved on without this member.
    Group,
    /// The record or the position: another must go out, or none; the same one would be refused for ever.
    Record,
    /// The cluster is busy, moving or away: it passes by itself.
    Passing,
    /// The producer, or something unknown.
    Producer,
}

impl Code {
    /// Total and without a wildcard, so that a new code asks for a decision.
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Denied | Self::Unsupported | Self::InvalidArgument => Cause::Caller,
            Self::FencedInstance
            | Self::IllegalGeneration
            | Self::UnknownMember
            | Self::StaleMemberEpoch => Cause::Group,
            Self::MessageTooLarge | Self::Purged | Self::OffsetOutOfRange => Cause::Record,
            Self::TimedOut
            | Self::Transport
            | Self::ConcurrentTransactions
            | Self::Conflict
            | Self::RebalanceInProgress
            | Self::PollOverdue
            | Self::UnstableOffsets
            | Self::CoordinatorNotAvailable
            | Self::UnknownTopic
            | Self::QueueFull => Cause::Passing,
            Self::Fenced
            | Self::InvalidProducerEpoch
            | Self::InvalidTransactionState
            | Self::InvalidProducerIdMapping
            | Self::UnknownProducerId
            | Self::OutOfOrderSequence
            | Self::Other(_) => Cause::Producer,
        }
    }
}

/// What librdkafka's flags ask for, in their order of weight; `otherwise` if there is none.
fn by_flags_or(failure: &Failure, otherwise: Reaction) -> Reaction {
    if failure.fatal {
        return Reaction::RebuildProducer;
    }
    // An abort that wants an abort has failed: going on from the committed positions needs an acknowledged one.
    if failure.abortable && failure.call != Call::Abort {
        return Reaction::AbortAndRewind;
    }
    if failure.retriable { Reaction::Retry } else { otherwise }
}

impl Call {
    /// Whether librdkafka answers the call with flags, and an outcome unknown leaves a transaction unknown.
    fn is_transactional(self) -> bool {
        match self {
            Self::Init
            | Self::Begin
            | Self::Send
            | Self::SendOffsets
            | Self::Commit
            | Self::Abort => true,
            Self::Open
            | Self::Flush
            | Self::Assign
            | Self::Poll
            | Self::Committed
            | Self::Bounds
            | Self::GroupCommit
            | Self::Admin => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(call: Call, code: Code) -> Failure {
        Failure::new(call, code, "")
    }

    #[test]
    fn every_failure_the_field_has_met_has_its_reaction() {
        use Call::{Abort, Admin, Begin, Commit, Committed, Flush, GroupCommit, Init, Poll, Send};
        use Call::{Bounds, SendOffsets};
        use Reaction::{AbortAndRewind, Die, RebuildProducer, Retry};
        let rows = [
            // The group has moved on: the records are for another to process.
            (failed(SendOffsets, Code::IllegalGeneration).abortable(), AbortAndRewind),
            (failed(SendOffsets, Code::UnknownMember).abortable(), AbortAndRewind),
            (failed(SendOffsets, Code::FencedInstance).abortable(), AbortAndRewind),
            (failed(SendOffsets, Code::StaleMemberEpoch), AbortAndRewind),
            // Two of us: the other one wins.
            (failed(Poll, Code::FencedInstance).fatal(), Die),
            (failed(GroupCommit, Code::FencedInstance), Die),
            (failed(Commit, Code::Fenced).fatal(), RebuildProducer),
            (failed(Init, Code::Fenced).fatal(), RebuildProducer),
            (failed(SendOffsets, Code::InvalidProducerEpoch).fatal(), RebuildProducer),
            // The outcome is unknown, or the handle is dead.
            (failed(Commit, Code::InvalidTransactionState).fatal(), RebuildProducer),
            (failed(Commit, Code::InvalidProducerIdMapping).abortable(), AbortAndRewind),
            (failed(SendOffsets, Code::InvalidProducerIdMapping).fatal(), RebuildProducer),
            (failed(Commit, Code::Transport), RebuildProducer),
            (failed(Commit, Code::Other(-1)), RebuildProducer),
            (failed(Begin, Code::InvalidTransactionState), RebuildProducer),
            (failed(Abort, Code::InvalidTransactionState).abortable(), RebuildProducer),
            (failed(Flush, Code::OutOfOrderSequence).fatal(), RebuildProducer),
            // Commit and abort may be called again; so may what another call of the same handle delays.
            (failed(Commit, Code::TimedOut).retriable(), Retry),
            (failed(Abort, Code::TimedOut).retriable(), Retry),
            (failed(Init, Code::TimedOut).retriable(), Retry),
            (failed(SendOffsets, Code::Conflict).retriable(), Retry),
            (failed(Flush, Code::TimedOut), Retry),
            // A record did not arrive.
            (failed(Commit, Code::InvalidTransactionState).abortable(), AbortAndRewind),
            (failed(Send, Code::QueueFull).abortable(), AbortAndRewind),
            (failed(Send, Code::MessageTooLarge), AbortAndRewind),
            // Questions are asked again.
            (failed(Committed, Code::UnstableOffsets), Retry),
            (failed(Committed, Code::CoordinatorNotAvailable), Retry),
            (failed(Bounds, Code::Transport), Retry),
            (failed(Admin, Code::TimedOut), Retry),
            (failed(Poll, Code::UnknownTopic), Retry),
            (failed(Poll, Code::PollOverdue), Retry),
            // A sink whose partitions went elsewhere reads on from what is committed.
            (failed(GroupCommit, Code::IllegalGeneration), AbortAndRewind),
            (failed(GroupCommit, Code::RebalanceInProgress), Retry),
            // No retry can help.
            (failed(Init, Code::Denied).fatal(), Die),
            (failed(Send, Code::Denied).abortable(), Die),
            (failed(Admin, Code::Unsupported), Die),
            (failed(SendOffsets, Code::InvalidArgument), Die),
        ];
        for (failure, reaction) in rows {
            assert_eq!((classify(&failure), &failure), (reaction, &failure));
        }
    }

    #[test]
    fn a_transactional_call_without_a_flag_is_never_simply_repeated() {
        let calls = [Call::Init, Call::Begin, Call::SendOffsets, Call::Commit, Call::Abort];
        let codes = [Code::TimedOut, Code::Transport, Code::Conflict, Code::Other(7)];
        for call in calls {
            let reactions = codes.map(|code| classify(&failed(call, code)));
            assert_eq!(reactions, [Reaction::RebuildProducer; 4]);
        }
    }
}
