//! R7: one of three brokers is gone, each in turn: reads go on, rows count once, and no event is lost that was taken.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use millstream::broker::kafka::{Kafka, KafkaSettings};
use serde_json::json;
use tests::{Part, poll_until};

use super::answers::Answers;
use super::outages::span;
use super::tell;
use super::through_http::values;
use super::writing::Writing;
use crate::client::Asking;
use crate::readers::{self, LIKED, reader, tokens};
use crate::world::{LONG, World, servers};

const PER_SECOND: u32 = 200;
const READERS: usize = 20;
/// How long all are there, after each.
const BETWEEN: Duration = Duration::from_secs(10);
const BROKERS: [Part; 3] = [Part::Kafka, Part::Kafka2, Part::Kafka3];

#[test]
#[ignore = "minutes: script/reliability R7"]
fn readers_are_answered_and_all_counts_once_while_one_of_three_brokers_is_gone() {
    let parts = [Part::Kafka, Part::Postgres, Part::Redis];
    let stack = servers(&parts).cluster().start().unwrap();
    let mut world = World::on(stack, &[]);
    readers::write(&world, READERS);
    let tokens = tokens(&world, READERS);
    readers::warm_up(&world, &tokens);
    // What somebody viewed is not shown to them: this is none of the readers.
    let writing = Writing::begin(&world, world.token(&reader(READERS)));
    let asking = Asking::start(
        world.feed_url(),
        tokens,
        PER_SECOND,
        (span() + BETWEEN) * BROKERS.len() as u32,
    );
    let mut restarts = 0;
    // A call into the client that does not come back ends the process; whoever runs it starts it again.
    let mut keep_running = |world: &World| {
        if !world.is_worker_alive(0) {
            restarts += 1;
            world.start_worker(0);
        }
    };
    for broker in BROKERS {
        let began = Instant::now();
        let mut pass = |world: &World, until: Duration| {
            let is_over = || {
                keep_running(world);
                (began.elapsed() >= until).then_some(())
            };
            poll_until(LONG + until, is_over).unwrap();
        };
        world.kill_server(broker);
        pass(&world, span());
        world.start_server(broker);
        pass(&world, span() + BETWEEN);
    }
    let answers = Answers::of(&asking.finish());
    let (likes, taken) = writing.end();
    let counted = || {
        let feed = world.feed(&reader(0));
        LIKED.map(|post| feed.likes(post)).iter().sum::<u64>()
    };
    let _ = poll_until(LONG, || {
        keep_running(&world);
        let is_settled = world.worker_metric(0, "millstream_settled") == 1.0;
        (is_settled && counted() >= likes as u64).then_some(())
    });
    let counted = counted();
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let kept: BTreeSet<_> = values(&kafka, "events", taken.len() as u64)
        .iter()
        .map(|value| serde_json::from_slice::<serde_json::Value>(value).unwrap())
        .map(|event| event["event_id"].as_str().unwrap().to_owned())
        .collect();
    let lost = taken.difference(&kept).count();
    let passes = answers.percent() == 100.0 && counted == likes as u64 && lost == 0;
    let words = format!(
        "each of three brokers is gone: {answers}; {counted} of {likes} likes count; of {} events that were taken {lost} are lost; {restarts} restarts",
        taken.len()
    );
    let figures = json!({
        "outage": "one of three brokers", "seconds": span().as_secs(), "answers": answers.figures(),
        "likes": likes, "counted": counted, "restarts": restarts, "taken": taken.len(), "lost": lost,
    });
    tell("R7", passes, &words, figures);
    let engine = world.component_of_worker(0, "engine");
    assert!(passes, "{words}\n{engine}\n{}", world.logs());
}
