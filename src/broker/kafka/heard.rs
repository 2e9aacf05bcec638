//! Why a handle cannot connect, as librdkafka says it: in its log and nowhere else.
//!
//! A call that waits for a connection ends as one that took too long, whether the broker is away, refuses a password, or
//! shows a certificate that nobody vouches for. So who calls for administration hears what its handle logs and tells it
//! with the call; of what all other handles log, each cause is told once a minute and not once a handle.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;

use crate::broker::{Code, Failure};

/// What librdkafka calls a connection that could not be made or broke.
const FAILED: &str = "FAIL";

/// How long a cause that was told is no news.
const TOLD_FOR: Duration = Duration::from_secs(60);

static TOLD: Mutex<BTreeMap<String, Instant>> = Mutex::new(BTreeMap::new());

/// What one handle of the crate has said.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Option<String>>);

impl ClientContext for Heard {}

impl Heard {
    /// Takes a line of the log.
    pub(super) fn hear(&self, facility: &str, line: &str) {
        tracing::debug!(facility, "{line}");
        if facility == FAILED {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let cause = cause_of(line);
            let says_more = |known: &String| known.contains(without_broker(cause));
            if !known.as_ref().is_some_and(says_more) {
                *known = Some(cause.to_owned());
            }
        }
    }

    /// Forgets what was said: it is over.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The failure, with why no connection could be made if that is what lies behind it.
    pub(super) fn explain(&self, failed: Failure) -> Failure {
        let cause = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (failed.code, cause) {
            (Code::TimedOut | Code::Transport, Some(cause)) => {
                Failure { detail: format!("{}: {cause}", failed.detail), ..failed }
            }
            (_, _) => failed,
        }
    }
}

/// Whether a line of the log is to be told, or its cause was a moment ago, by whichever handle.
pub(super) fn is_news(facility: &str, line: &str, now: Instant) -> bool {
    if facility != FAILED {
        return true;
    }
    let cause = without_broker(cause_of(line));
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    told.retain(|_, at| now.saturating_duration_since(*at) < TOLD_FOR);
    let is_news = !told.keys().any(|told| told.contains(cause));
    if is_news {
        told.insert(cause.to_owned(), now);
    }
    is_news
}

/// A cause without the broker that it begins with, which has another name at each of its connections. What is left of a
/// certificate that was not trusted may be told with advice and without.
fn without_broker(cause: &str) -> &str {
    cause.split_once(": ").map_or(cause, |(_, cause)| cause)
}

/// A line without the thread that it begins with and the time that it took: what stays is the same each time.
fn cause_of(line: &str) -> &str {
    let line = line
        .strip_prefix("[thrd:")
        .and_then(|line| line.split_once("]: "))
        .map_or(line, |(_, line)| line);
    line.rsplit_once(" (after ").map_or(line, |(line, _)| line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Call;

    const LINE: &str = "[thrd:sasl_ssl://kafka:9093/bootstrap]: sasl_ssl://kafka:9093/bootstrap: SASL authentication \
                        error: Authentication failed (after 312ms in state AUTH_REQ, 1 identical error(s) suppressed)";
    const CAUSE: &str =
        "sasl_ssl://kafka:9093/bootstrap: SASL authentication error: Authentication failed";

    #[test]
    fn a_call_that_waited_for_a_connection_tells_why_there_was_none() {
        let heard = Heard::default();
        let waited = |code| Failure::new(Call::Admin, code, "Local: Timed out");
        assert_eq!(heard.explain(waited(Code::TimedOut)), waited(Code::TimedOut));
        heard.hear("FAIL", LINE);
        heard.hear("GETPID", "of no concern");
        let told = heard.explain(waited(Code::TimedOut));
        assert_eq!(told.detail, format!("Local: Timed out: {CAUSE}"));
        assert_eq!(heard.explain(waited(Code::UnknownTopic)), waited(Code::UnknownTopic));
        heard.forget();
        assert_eq!(heard.explain(waited(Code::TimedOut)), waited(Code::TimedOut));
    }

    #[test]
    fn the_same_cause_in_fewer_words_takes_nothing_back() {
        let heard = Heard::default();
        heard.hear("FAIL", "a: SSL handshake failed: not trusted: verify ssl.ca.location");
        heard.hear("FAIL", "a: not trusted");
        let waited = Failure::new(Call::Admin, Code::Transport, "no");
        let told = "no: a: SSL handshake failed: not trusted: verify ssl.ca.location";
        assert_eq!(heard.explain(waited).detail, told);
    }

    #[test]
    fn a_cause_that_many_handles_have_is_told_once_a_minute() {
        let now = Instant::now();
        let other = LINE.replace("bootstrap", "1").replace("312ms", "7ms");
        assert!(is_news("FAIL", LINE, now));
        assert!(!is_news("FAIL", &other, now + TOLD_FOR / 2));
        assert!(is_news(
            "FAIL",
            "[thrd:a]: a: Connection refused (after 1ms in state CONNECT)",
            now
        ));
        assert!(is_news("GETPID", LINE, now));
        assert!(is_news("FAIL", &other, now + TOLD_FOR));
    }
}
