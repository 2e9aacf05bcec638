//! What a connection is at, told by its bytes and its requests, and when that has lasted too long.
//!
//! hyper knows one time limit, for a head, and begins it while nobody asks: it cannot tell who is idle from who dribbles. So bytes
//! are watched where they pass ([`Watched`]) and requests where they are answered ([`Busy`]).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::config::{Live, Waits};

/// What a connection is at. Cheap to clone; all clones are of the same.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Mutex<Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    phase: Phase,
    since: Instant,
    /// Bytes between requests need not begin one: HTTP/2 has frames of other kinds.
    is_multiplexed: bool,
    /// Since when nothing of what is written is taken.
    stuck: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte has come.
    Silent,
    /// A head comes.
    Head,
    /// So many requests are worked on, or their answers sent.
    Busy(usize),
    /// Between requests.
    Idle,
}

/// What has lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The first byte.
    FirstByte,
    /// The head of a request.
    Head,
    /// The next request.
    Idle,
    /// Taking what is written.
    Write,
}

impl Overdue {
    /// In a metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstByte => "no_first_byte",
            Self::Head => "slow_head",
            Self::Idle => "idle",
            Self::Write => "slow_reader",
        }
    }
}

impl Activity {
    /// That of a connection that begins.
    pub fn begin() -> Self {
        let seen = Seen {
            phase: Phase::Silent,
            since: Instant::now(),
            is_multiplexed: false,
            stuck: None,
        };
        Self(Arc::new(Mutex::new(seen)))
    }

    /// A request has come; it lasts as long as what is returned.
    pub fn request(&self, version: Version) -> Busy {
        let mut seen = self.seen();
        seen.is_multiplexed = version == Version::HTTP_2;
        seen.phase = match seen.phase {
            Phase::Busy(others) => Phase::Busy(others + 1),
            Phase::Silent | Phase::Head | Phase::Idle => Phase::Busy(1),
        };
        Busy(self.clone())
    }

    /// Waits until something has lasted too long.
    pub async fn overdue(&self, waits: &Live<Waits>) -> Overdue {
        loop {
            let waits = waits.get();
            // What begins while this sleeps has at least so long.
            let look = [waits.first_byte, waits.head, waits.idle, waits.write];
            let look = look.into_iter().min().unwrap_or_default();
            let (now, due) = (Instant::now(), self.seen().due(&waits));
            match due {
                Some((at, what)) if at <= now => return what,
                Some((at, _)) => sleep_until(at.min(now + look)).await,
                None => sleep_until(now + look).await,
            }
        }
    }

    fn came(&self) {
        let mut seen = self.seen();
        let begins_head = match seen.phase {
            Phase::Silent => true,
            Phase::Idle => !seen.is_multiplexed,
            Phase::Head | Phase::Busy(_) => false,
        };
        if begins_head {
            (seen.phase, seen.since) = (Phase::Head, Instant::now());
        }
    }

    fn ended(&self) {
        let mut seen = self.seen();
        match seen.phase {
            Phase::Busy(requests @ 2..) => seen.phase = Phase::Busy(requests - 1),
            Phase::Silent | Phase::Head | Phase::Idle | Phase::Busy(_) => {
                (seen.phase, seen.since) = (Phase::Idle, Instant::now());
            }
        }
    }

    fn wrote<T>(&self, polled: &Poll<T>) {
        let mut seen = self.seen();
        match polled {
            Poll::Pending => seen.stuck = seen.stuck.or_else(|| Some(Instant::now())),
            Poll::Ready(_) => {
                seen.stuck = None;
                // The rest of an answer may be sent after its body was handed over.
                if seen.phase == Phase::Idle {
                    seen.since = Instant::now();
                }
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// What will have lasted too long first, and when.
    fn due(&self, waits: &Waits) -> Option<(Instant, Overdue)> {
        if let Some(since) = self.stuck {
            return Some((since + waits.write, Overdue::Write));
        }
        match self.phase {
            Phase::Silent => Some((self.since + waits.first_byte, Overdue::FirstByte)),
            Phase::Head => Some((self.since + waits.head, Overdue::Head)),
            Phase::Idle => Some((self.since + waits.idle, Overdue::Idle)),
            Phase::Busy(_) => None,
        }
    }
}

/// A request that is worked on, or whose answer is being sent.
#[derive(Debug)]
pub struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// A stream whose bytes tell what its connection is at.
pub struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    /// `stream`, watched for `activity`.
    pub fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.came();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.activity.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.wrote(&polled);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.activity.wrote(&polled);
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WAITS: Waits = Waits {
        request: Duration::from_secs(1),
        first_byte: Duration::from_secs(5),
        head: Duration::from_secs(6),
        idle: Duration::from_secs(30),
        write: Duration::from_secs(8),
        unready: Duration::ZERO,
        drain: Duration::ZERO,
    };

    /// What is overdue, and after how many seconds.
    async fn overdue(activity: &Activity) -> (Overdue, u64) {
        let began = Instant::now();
        let what = activity.overdue(&WAITS.into()).await;
        (what, began.elapsed().as_secs())
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn silence_a_slow_head_and_idleness_each_have_their_time() {
        let activity = Activity::begin();
        assert_eq!(overdue(&activity).await, (Overdue::FirstByte, 5));
        let activity = Activity::begin();
        pass(4).await;
        activity.came();
        pass(3).await;
        // A byte now and then is no new beginning.
        activity.came();
        assert_eq!(overdue(&activity).await, (Overdue::Head, 3));
        let activity = Activity::begin();
        activity.came();
        drop(activity.request(Version::HTTP_11));
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 30));
        let activity = Activity::begin();
        drop(activity.request(Version::HTTP_11));
        activity.came();
        assert_eq!(overdue(&activity).await, (Overdue::Head, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn as_long_as_a_request_is_answered_nothing_is_overdue_but_an_answer_that_nobody_takes() {
        let activity = Activity::begin();
        let (first, second) =
            (activity.request(Version::HTTP_2), activity.request(Version::HTTP_2));
        drop(first);
        pass(1_000).await;
        assert_eq!(activity.seen().due(&WAITS), None);
        activity.wrote(&Poll::<()>::Pending);
        pass(3).await;
        activity.wrote(&Poll::<()>::Pending);
        assert_eq!(overdue(&activity).await, (Overdue::Write, 5));
        activity.wrote(&Poll::Ready(()));
        drop(second);
        // A ping is no request.
        activity.came();
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 30));
    }
}
