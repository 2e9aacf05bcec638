//! A broker that comes back and does not know the cluster yet: what it says of leaders and of brokers.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use millstream::Offset;
use millstream::broker::Isolation;
use tests::Api;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::faults::behind_with;
use crate::world::{read_for_a_while, read_until};

const PARTITIONS: i32 = 24;

/// What librdkafka warned of; its threads know no subscriber but the process' own.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Warnings;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::WARN {
            let mut words = String::new();
            event.record(&mut |_: &tracing::field::Field, value: &dyn Debug| {
                words.push_str(&format!("{value:?} "));
            });
            WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).push(words);
        }
    }
}

/// librdkafka #5280: a leader that is not known was counted and not filled in, and what lay in memory became a
/// partition's number. A warning is what one sees of it most times, and else a segmentation fault.
#[test]
fn a_reader_outlives_a_broker_that_does_not_know_who_leads() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Warnings)).unwrap();
    let (proxy, world, who) = behind_with(PARTITIONS);
    let mut writer = world.writer("w");
    let mut reader = world.reader(Isolation::ReadCommitted);
    let places: Vec<_> = (0..PARTITIONS).map(|number| (world.at(number), Offset(0))).collect();
    reader.assign(&places).unwrap();
    for round in 0..10 {
        proxy.rewrite_next_answer(Api::FETCH, who.clone(), without_leaders);
        let value = round.to_string();
        world.commit(&mut *writer, &[&value]);
        assert_eq!(read_until(&mut *reader, |seen| !seen.values.is_empty()).words(), [value]);
    }
    let warnings = WARNINGS.lock().unwrap();
    let garbage = |words: &&String| words.contains(&world.name) && words.contains("METADATAUPDATE");
    assert_eq!(warnings.iter().find(garbage), None);
}

/// librdkafka #5301: an answer without any broker took away every broker that was known, and with them whom to ask again.
#[test]
fn a_reader_outlives_a_broker_that_does_not_know_any_broker() {
    let (proxy, world, who) = behind_with(1);
    let mut writer = world.writer("w");
    let mut reader = world.reader_from(0);
    for round in 0..5 {
        let value = round.to_string();
        world.commit(&mut *writer, &[&value]);
        assert_eq!(read_until(&mut *reader, |seen| !seen.values.is_empty()).words(), [value]);
        // One for each of both clients.
        for _ in 0..2 {
            proxy.rewrite_next_answer(Api::METADATA, who.clone(), without_brokers);
        }
        // Who connects asks who is there.
        proxy.cut(&who);
        assert_eq!(read_for_a_while(&mut *reader).values, []);
    }
    proxy.disarm();
    world.commit(&mut *writer, &["after"]);
    assert_eq!(read_until(&mut *reader, |seen| !seen.values.is_empty()).words(), ["after"]);
    assert_eq!(reader.bounds(&world.at(0)).unwrap().start, Offset(0));
}

/// The answer to a question for metadata (versions 9 and later), without its brokers.
fn without_brokers(answer: &[u8]) -> Vec<u8> {
    const HEAD: usize = 4 + 1 + 4; // correlation, tags, throttle
    let mut at = HEAD + 1;
    for _ in 1..answer[HEAD] {
        at += 4; // node
        at += usize::from(answer[at]); // host: its length and one, then itself
        at += 4; // port
        at += usize::from(answer[at].max(1)); // rack, or null
        at += 1; // tags
    }
    [&answer[..HEAD], &[compact(0)], &answer[at..]].concat()
}

/// An answer to a fetch (version 16) in which this broker leads no partition, and knows who does of the first alone.
fn without_leaders(answer: &[u8]) -> Vec<u8> {
    const HEAD: usize = 4 + 1 + 4 + 2 + 4 + 1; // correlation, tags, throttle, error, session, number of topics
    const TOPIC: usize = 16;
    let mut bytes = answer[..HEAD + TOPIC].to_vec();
    bytes.push(compact(PARTITIONS));
    for partition in 0..PARTITIONS {
        let (leader, epoch) = if partition == 0 { (1_i32, 0_i32) } else { (-1, -1) };
        bytes.extend(partition.to_be_bytes());
        bytes.extend(6_i16.to_be_bytes()); // NOT_LEADER_OR_FOLLOWER
        bytes.extend([[255; 8]; 3].concat()); // high watermark, last stable offset, start: not known
        bytes.push(compact(0)); // aborted transactions
        bytes.extend((-1_i32).to_be_bytes()); // preferred replica
        bytes.push(compact(0)); // records
        bytes.extend([1, 1, 9]); // one tag: the current leader
        bytes.extend([leader.to_be_bytes(), epoch.to_be_bytes()].concat());
        bytes.push(0);
    }
    bytes.push(0);
    // One tag: where the leaders that are known can be reached.
    let endpoint =
        [&99_i32.to_be_bytes()[..], &[10], b"127.0.0.1", &9_i32.to_be_bytes(), &[0, 0]].concat();
    bytes.extend([1, 0, 1 + u8::try_from(endpoint.len()).unwrap(), compact(1)]);
    bytes.extend(endpoint);
    bytes
}

fn compact(length: i32) -> u8 {
    u8::try_from(length + 1).unwrap()
}
