//! What is written while something fails: likes, as change capture tells them, and events that were taken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use tokio::runtime::Runtime;
use tokio::time::interval;

use super::through_http::{Connection, EVENTS, event_id, events};
use crate::poison::try_to_produce;
use crate::readers::like;
use crate::world::World;

/// Likes in one write, of people of their own.
const LIKES: usize = 100;

/// See the module.
pub struct Writing {
    stop: Arc<AtomicBool>,
    likes: thread::JoinHandle<usize>,
    /// Numbers of requests whose events were taken.
    taken: tokio::task::JoinHandle<Vec<u64>>,
    runtime: Runtime,
}

impl Writing {
    /// Begins; events are those of who has this token.
    pub fn begin(world: &World, token: String) -> Self {
        let (stop, now) = (Arc::<AtomicBool>::default(), world.now_ms());
        let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
        let stopped = Arc::clone(&stop);
        let likes = thread::spawn(move || {
            let mut written = 0;
            while !stopped.load(Ordering::Relaxed) {
                let rows: Vec<_> = (written..written + LIKES).map(|of| like(of, now)).collect();
                let rows: Vec<&[u8]> = rows.iter().map(String::as_bytes).collect();
                // As a connector does, which does not know either what came of it; a row that is told twice is one.
                while try_to_produce(&kafka, "cdc.likes", &rows).is_err() {}
                written += LIKES;
            }
            written
        });
        let (runtime, to) = (Runtime::new().unwrap(), world.public());
        let stopped = Arc::clone(&stop);
        let taken = runtime.spawn(async move {
            let (mut due, mut taken) = (interval(Duration::from_millis(500)), Vec::new());
            for number in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                due.tick().await;
                let body = Some(events(number * EVENTS, now));
                let mut open = Connection::open(to).await;
                let answer = open.ask("/api/v1/events", &token, body).await;
                taken.extend((answer.status == 202).then_some(number));
            }
            taken
        });
        Self { stop, likes, taken, runtime }
    }

    /// Ends; how many likes, and which events.
    pub fn end(self) -> (usize, BTreeSet<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let taken = self.runtime.block_on(self.taken).unwrap().into_iter();
        let ids = taken.flat_map(|number| number * EVENTS..(number + 1) * EVENTS);
        (self.likes.join().unwrap(), ids.map(event_id).collect())
    }
}
