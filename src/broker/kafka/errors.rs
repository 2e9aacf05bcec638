//! librdkafka's error numbers in the port's words, and the errors of the crate rdkafka.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys::rd_kafka_resp_err_t as Err;

use super::ffi::words_of;
use crate::broker::{Call, Cause, Code, Failure};

/// Every number with a word of its own; the rest are [`Code::Other`].
const WORDS: [(Err, Code); 63] = [
    (Err::RD_KAFKA_RESP_ERR__TIMED_OUT, Code::TimedOut),
    (Err::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, Code::TimedOut),
    (Err::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, Code::TimedOut),
    (Err::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, Code::TimedOut),
    (Err::RD_KAFKA_RESP_ERR__TRANSPORT, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR__RESOLVE, Code::Transport),
    // Of a connection that could not be made, which librdkafka tries again; also of one whose broker went away while it
    // asked who is there.
    (Err::RD_KAFKA_RESP_ERR__AUTHENTICATION, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR__SSL, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR_NOT_CONTROLLER, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, Code::Transport),
    (Err::RD_KAFKA_RESP_ERR__FENCED, Code::Fenced),
    (Err::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, Code::Fenced),
    (Err::RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED, Code::Fenced),
    (Err::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Code::InvalidProducerEpoch),
    (Err::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, Code::InvalidTransactionState),
    (Err::RD_KAFKA_RESP_ERR__STATE, Code::InvalidTransactionState),
    (Err::RD_KAFKA_RESP_ERR__INCONSISTENT, Code::InvalidTransactionState),
    (Err::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, Code::InvalidProducerIdMapping),
    (Err::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, Code::UnknownProducerId),
    (Err::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, Code::OutOfOrderSequence),
    (Err::RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, Code::OutOfOrderSequence),
    (Err::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, Code::ConcurrentTransactions),
    (Err::RD_KAFKA_RESP_ERR__CONFLICT, Code::Conflict),
    (Err::RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS, Code::Conflict),
    (Err::RD_KAFKA_RESP_ERR__IN_PROGRESS, Code::Conflict),
    (Err::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, Code::IllegalGeneration),
    (Err::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, Code::UnknownMember),
    (Err::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, Code::FencedInstance),
    (Err::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH, Code::StaleMemberEpoch),
    (Err::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, Code::RebalanceInProgress),
    (Err::RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, Code::PollOverdue),
    (Err::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, Code::UnstableOffsets),
    (Err::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, Code::CoordinatorNotAvailable),
    (Err::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, Code::CoordinatorNotAvailable),
    (Err::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, Code::CoordinatorNotAvailable),
    (Err::RD_KAFKA_RESP_ERR__WAIT_COORD, Code::CoordinatorNotAvailable),
    (Err::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Code::UnknownTopic),
    (Err::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Code::UnknownTopic),
    (Err::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Code::UnknownTopic),
    (Err::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, Code::OffsetOutOfRange),
    (Err::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, Code::OffsetOutOfRange),
    (Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Code::MessageTooLarge),
    (Err::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, Code::MessageTooLarge),
    (Err::RD_KAFKA_RESP_ERR__QUEUE_FULL, Code::QueueFull),
    (Err::RD_KAFKA_RESP_ERR__PURGE_QUEUE, Code::Purged),
    (Err::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, Code::Purged),
    (Err::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, Code::Denied),
    (Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Code::Denied),
    (Err::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, Code::Denied),
    (Err::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Code::Denied),
    (Err::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Code::Denied),
    (Err::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, Code::Unsupported),
    (Err::RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, Code::Unsupported),
    (Err::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, Code::Unsupported),
    (Err::RD_KAFKA_RESP_ERR__INVALID_ARG, Code::InvalidArgument),
    (Err::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, Code::InvalidArgument),
    (Err::RD_KAFKA_RESP_ERR_INVALID_CONFIG, Code::InvalidArgument),
];

/// The port's word for a number.
pub(super) fn code_of(err: Err) -> Code {
    WORDS
        .iter()
        .find(|(number, _)| *number == err)
        .map_or(Code::Other(err as i32), |(_, code)| *code)
}

/// A failure of a call that librdkafka answers with a bare number: the flags follow from the code.
///
/// The transactional calls bring their own flags and never come here.
pub(super) fn failure(call: Call, err: Err, detail: String) -> Failure {
    let mut failed = Failure::new(call, code_of(err), detail);
    failed.fatal = err == Err::RD_KAFKA_RESP_ERR__FATAL;
    failed.retriable = failed.code.cause() == Cause::Passing;
    failed
}

/// A failure that the crate tells with a number.
pub(super) fn numbered(call: Call, code: RDKafkaErrorCode) -> Failure {
    let err = Err::try_from(code as i32).unwrap_or(Err::RD_KAFKA_RESP_ERR_UNKNOWN);
    failure(call, err, words_of(err))
}

/// A failure that the crate tells. Without a number it was asked wrongly; an option's value, which may be a password, is
/// not repeated.
pub(super) fn told(call: Call, error: KafkaError) -> Failure {
    let code = match error {
        KafkaError::ClientConfig(_, words, ..)
        | KafkaError::ClientCreation(words)
        | KafkaError::AdminOpCreation(words) => {
            return Failure::new(call, Code::InvalidArgument, words);
        }
        KafkaError::AdminOp(code) => Some(code),
        // Nobody waits for the answer any more.
        KafkaError::Canceled => Some(RDKafkaErrorCode::BrokerTransportFailure),
        ref other => other.rdkafka_error_code(),
    };
    let asked_wrongly = || Failure::new(call, Code::InvalidArgument, error.to_string());
    code.map_or_else(asked_wrongly, |code| numbered(call, code))
}
