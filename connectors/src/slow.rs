//! Calls to servers that take long: logged with what was asked and what its parameters are like, never what they say; and
//! counted.
//!
//! There is one for the process, as there is one log: whoever opens a connection need not be handed it. A call that nobody
//! waited for to its end counts with the time until then. Each server's folder has one place where calls pass; it says there
//! what was asked, and only of a call that was slow.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A server that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// ClickHouse.
    ClickHouse,
    /// Redis.
    Redis,
}

/// From when on its calls are slow, and how many were.
struct Watched {
    from_micros: AtomicU64,
    slow: AtomicU64,
}

static WATCHED: [Watched; 3] =
    [const { Watched { from_micros: AtomicU64::new(u64::MAX), slow: AtomicU64::new(0) } }; 3];

impl Server {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::ClickHouse, Self::Redis];

    /// Its name, in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::ClickHouse => "clickhouse",
            Self::Redis => "redis",
        }
    }

    /// From now on a call that takes so long is slow; none is, as before, if it is zero.
    pub fn watch(self, from: Duration) {
        let micros = u64::try_from(from.as_micros()).unwrap_or(u64::MAX);
        let micros = if micros == 0 { u64::MAX } else { micros };
        self.watched().from_micros.store(micros, Ordering::Relaxed);
    }

    /// Whether any call of it can be slow: else nobody need know what it was like.
    pub(crate) fn is_watched(self) -> bool {
        self.watched().from_micros.load(Ordering::Relaxed) < u64::MAX
    }

    /// How many of its calls were slow.
    pub fn slow_calls(self) -> u64 {
        self.watched().slow.load(Ordering::Relaxed)
    }

    fn watched(self) -> &'static Watched {
        let [postgres, clickhouse, redis] = &WATCHED;
        match self {
            Self::Postgres => postgres,
            Self::ClickHouse => clickhouse,
            Self::Redis => redis,
        }
    }

    /// How long a call took, if it was slow; which is counted.
    fn slow(self, took: Duration) -> Option<Duration> {
        let watched = self.watched();
        let is_slow = took.as_micros() >= u128::from(watched.from_micros.load(Ordering::Relaxed));
        is_slow.then(|| {
            watched.slow.fetch_add(1, Ordering::Relaxed);
            took
        })
    }
}

/// What was asked of a server.
pub(crate) struct Call {
    /// The statement, or the command, without what was bound to it.
    pub(crate) statement: String,
    /// What its parameters are like.
    pub(crate) parameters: String,
}

/// Waits for the answer to a call, and tells of it if that takes long; `call` says what was asked.
pub(crate) async fn watched<T, E>(
    server: Server,
    call: impl Fn() -> Call,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut under_way = UnderWay { server, call, began: Instant::now(), end: "given up" };
    let answered = answer.await;
    under_way.end = if answered.is_ok() { "answered" } else { "failed" };
    answered
}

/// A call that has not been answered yet.
struct UnderWay<F: Fn() -> Call> {
    server: Server,
    call: F,
    began: Instant,
    end: &'static str,
}

impl<F: Fn() -> Call> Drop for UnderWay<F> {
    fn drop(&mut self) {
        let Some(took) = self.server.slow(self.began.elapsed()) else { return };
        let Call { statement, parameters } = (self.call)();
        tracing::warn!(
            server = self.server.name(),
            took_ms = took.as_millis() as u64,
            end = self.end,
            statement = one_line(&statement),
            parameters,
            "a slow call"
        );
    }
}

/// The most of a statement that is logged, in bytes.
const STATEMENT_MAX: usize = 500;

/// A statement as it is logged: in one line, cut if it is long.
fn one_line(statement: &str) -> String {
    let mut line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > STATEMENT_MAX {
        let end = (0..=STATEMENT_MAX).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        line.truncate(end);
        line.push_str(" ...");
    }
    line
}

/// What a parameter is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its type.
    pub(crate) kind: String,
    /// How long it is as it is sent, or about so long; none if that is not known.
    pub(crate) bytes: Option<usize>,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            Some(bytes) => write!(f, "{} {bytes} B", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

/// What all parameters of a call are like, as it is logged.
pub(crate) fn shapes<'a>(of: impl IntoIterator<Item = &'a Shape>) -> String {
    of.into_iter().map(Shape::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    fn call() -> Call {
        Call { statement: "SELECT 1".to_owned(), parameters: String::new() }
    }

    /// No other test watches a server.
    #[test]
    fn a_call_is_slow_from_its_servers_bound_on_also_if_nobody_waits_for_its_end() {
        let answered = || watched(Server::Postgres, call, ready(Ok::<_, ()>(7))).now_or_never();
        assert_eq!((answered(), Server::Postgres.slow_calls()), (Some(Ok(7)), 0));
        Server::Postgres.watch(Duration::from_micros(2));
        let slow = |took| Server::Postgres.slow(Duration::from_micros(took)).is_some();
        assert_eq!([0, 1, 2, 3].map(slow), [false, false, true, true]);
        assert_eq!(Server::Postgres.slow_calls(), 2);
        let mut waiting = Box::pin(watched(Server::Postgres, call, pending::<Result<(), ()>>()));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(2) {}
        drop(waiting);
        assert_eq!(Server::Postgres.slow_calls(), 3);
        Server::Postgres.watch(Duration::ZERO);
        assert!(!slow(u64::MAX - 1));
        assert_eq!(Server::Redis.slow_calls(), 0);
    }

    #[test]
    fn a_statement_is_one_line_and_a_long_one_is_cut() {
        assert_eq!(one_line("SELECT a,\n       b\n  FROM c\n"), "SELECT a, b FROM c");
        let long = one_line(&"ä".repeat(400));
        assert_eq!((long.len(), long.ends_with(" ...")), (STATEMENT_MAX + 4, true));
    }

    #[test]
    fn shapes_say_types_and_lengths() {
        let shape = |kind: &str, bytes| Shape { kind: kind.to_owned(), bytes };
        let of = [shape("UUID[]", Some(320)), shape("Day", None)];
        assert_eq!(shapes(&of), "UUID[] 320 B, Day");
    }
}
