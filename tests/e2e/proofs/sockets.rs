//! R12: sockets that are stuck, each in its way, beside callers who are honest.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};

use super::answers::Answers;
use super::{is_whole, sized, tell};
use crate::client::Asking;
use crate::readers::{self, tokens};
use crate::world::World;

/// Until when a stuck socket is to be closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);
/// Answers that nobody takes fill what the kernel keeps for a socket, a few MiB.
const UNREAD: usize = 600;

/// In which way a socket is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stuck {
    /// It says nothing.
    Silent,
    /// Its head comes a byte a second.
    Head,
    /// Its body does not come.
    Body,
    /// It asks, and takes no answer.
    Unread,
}

/// Who is stuck, of so many: half say nothing, most others dribble, two in a hundred each do the rest.
fn stuck(many: usize) -> impl Iterator<Item = Stuck> {
    (0..many).map(|number| match number % 50 {
        0 => Stuck::Body,
        25 => Stuck::Unread,
        even if even % 2 == 0 => Stuck::Silent,
        _ => Stuck::Head,
    })
}

/// How long a socket stays open; none if it does for longer than anything may.
async fn closed_after(stuck: Stuck, to: SocketAddr, token: &str) -> io::Result<Option<Duration>> {
    let socket = TcpSocket::new_v4()?;
    if stuck == Stuck::Unread {
        // As little as lets the rest come quickly once it is taken.
        socket.set_recv_buffer_size(64 << 10)?;
    }
    let mut stream = socket.connect(to).await?;
    let began = Instant::now();
    let written = match stuck {
        Stuck::Silent => Ok(()),
        Stuck::Head => stream.write_all(b"GET /api/v1/feed HTTP/1.1\r\nx: ").await,
        Stuck::Body => {
            let head =
                "POST /api/v1/events HTTP/1.1\r\nhost: feedmill\r\ncontent-type: application/json";
            let head = format!(
                "{head}\r\nauthorization: Bearer {token}\r\ncontent-length: 1000\r\n\r\n{{"
            );
            stream.write_all(head.as_bytes()).await
        }
        Stuck::Unread => return closed_unread(stream, began).await,
    };
    let mut heard = [0; 1024];
    let mut is_open = written.is_ok();
    while is_open && began.elapsed() < 2 * CLOSED_WITHIN {
        let read = timeout(Duration::from_secs(1), stream.read(&mut heard)).await;
        is_open = match read {
            Ok(Ok(bytes)) => bytes > 0,
            Ok(Err(_)) => false,
            Err(_) => stuck != Stuck::Head || stream.write_all(b"a").await.is_ok(),
        };
    }
    Ok((!is_open).then(|| began.elapsed()))
}

/// Who does not read learns only by reading: what was on its way is not all that was asked for, and ends.
async fn closed_unread(mut stream: TcpStream, began: Instant) -> io::Result<Option<Duration>> {
    let asked = b"GET /openapi.json HTTP/1.1\r\nhost: feedmill\r\n\r\n".repeat(UNREAD);
    // It is stuck from when the kernel's buffers are full: at once, unless the machine has much else to do.
    let _ = timeout(sized(3 * CLOSED_WITHIN, CLOSED_WITHIN), async {
        let _ = stream.write_all(&asked).await;
        std::future::pending::<()>().await;
    })
    .await;
    let mut rest = Vec::new();
    let ended = timeout(CLOSED_WITHIN, stream.read_to_end(&mut rest)).await;
    let answers = rest.windows(12).filter(|bytes| bytes == b"HTTP/1.1 200").count();
    let is_closed = ended.is_ok() && answers < UNREAD;
    Ok(is_closed.then(|| began.elapsed().min(CLOSED_WITHIN)))
}

#[test]
fn stuck_sockets_are_closed_while_honest_callers_are_answered() {
    let (many, per_second) = (sized(200, 5_000), sized(50, 200));
    // Each has an end here too.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let world = World::with(&[("REDIS__WAIT_MS", "2000")]);
    readers::write(&world, 20);
    let tokens = tokens(&world, 20);
    readers::warm_up(&world, &tokens);
    let to = world.public();
    let before = world.api_memory_kib();
    let asking = Asking::start(world.feed_url(), tokens.clone(), per_second, 2 * CLOSED_WITHIN);
    let runtime = Runtime::new().unwrap();
    let watched = stuck(many).map(|stuck| {
        let token = tokens[0].clone();
        let closed = async move { (stuck, closed_after(stuck, to, &token).await) };
        runtime.spawn(closed)
    });
    let watched: Vec<_> = watched.collect();
    let closed: Vec<_> =
        runtime.block_on(join_all(watched)).into_iter().map(Result::unwrap).collect();
    let grown = world.api_memory_kib().saturating_sub(before) >> 10;
    let answers = Answers::of(&asking.finish());

    let mut slowest = BTreeMap::<_, (usize, Option<Duration>)>::new();
    for (stuck, after) in closed {
        let after = after.unwrap_or_else(|fault| panic!("{stuck:?}: {fault}"));
        let of = slowest.entry(stuck).or_insert((0, Some(Duration::ZERO)));
        *of = (of.0 + 1, of.1.zip(after).map(|(one, other)| one.max(other)));
    }
    let are_closed = slowest.values().all(|(_, after)| after.is_some());
    let in_time = slowest.values().all(|(_, after)| after.is_some_and(|of| of <= CLOSED_WITHIN));
    let passes = in_time && answers.percent() >= 99.9;
    let words = format!("{many} stuck, the slowest of each {slowest:?}, {grown} MiB; {answers}");
    let seconds = slowest.iter().map(|(stuck, (many, after))| {
        (format!("{stuck:?}"), json!({"many": many, "slowest_s": after.map(|of| of.as_secs_f64())}))
    });
    let seconds: serde_json::Map<_, _> = seconds.collect();
    let figures = json!({"stuck": seconds, "honest": answers.figures(), "grown_mib": grown});
    tell("R12", passes, &words, figures);
    assert!(are_closed, "{slowest:?}");
    assert!(passes || !is_whole(), "{words}");
}
