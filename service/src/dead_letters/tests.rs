//! Letters that are written as the engine writes them, and what becomes of them on a cluster in memory.

use std::sync::Arc;

use millstream::broker::embedded::Embedded;
use millstream::broker::{OutRecord, Outgoing, TopicIndex};
use millstream::dead_letter::{Reason, Redriven};
use millstream::{DeadLetter, Header, Headers, Offset, RawRecord, Timestamp, encode_header};

use super::plan::Refusal;
use super::*;
use crate::commands::topics;

const NOW: Timestamp = Timestamp(1_795_216_628_000);
const HOUR_MS: i64 = 3_600_000;
const ANY: Aim = Aim::Redrive { times_max: 3 };

/// What a letter is made of, as far as it matters here.
#[derive(Clone)]
pub struct Sample {
    topic: &'static str,
    partition: i32,
    offset: i64,
    node: &'static str,
    reason: Reason,
    error: &'static str,
    at: Timestamp,
    timestamp: Timestamp,
    key: &'static str,
    value: Vec<u8>,
    headers: Vec<u8>,
}

/// A like that cannot be read, as of now.
fn sample() -> Sample {
    Sample {
        topic: "cdc.likes",
        partition: 1,
        offset: 42,
        node: "rows",
        reason: Reason::Decode,
        error: "decode like: post_id: expected a UUID, found 7",
        at: NOW,
        timestamp: NOW,
        key: "k",
        value: b"v".to_vec(),
        headers: Vec::new(),
    }
}

impl Sample {
    /// Appends the letter, for a topic of three partitions.
    fn write(&self, out: &mut Outgoing) {
        let source = TopicPartition::new(self.topic, self.partition);
        let record = RawRecord {
            offset: Offset(self.offset),
            timestamp: self.timestamp,
            key: Some(self.key.as_bytes()),
            value: Some(&self.value),
            headers: Headers::from_bytes(&self.headers),
        };
        let Self { node, reason, error, .. } = *self;
        let letter = DeadLetter { source: &source, record, node, reason, error };
        letter.send((TopicIndex(0), 3), self.at, out);
    }

    /// Reads it as if it lay at offset 17.
    fn read<T>(&self, take: impl FnOnce(&Letter<'_>) -> T) -> T {
        let mut out = Outgoing::default();
        self.write(&mut out);
        let sent = out.iter().next().unwrap();
        let (offset, timestamp) = (Offset(17), sent.timestamp);
        let OutRecord { key, value, headers, .. } = sent;
        let record = RawRecord { offset, timestamp, key, value, headers };
        take(&Letter::read(sent.partition, record).unwrap())
    }

    /// With so much history.
    fn redriven(times: i64) -> Self {
        let mut headers = Vec::new();
        for offset in 0..times {
            let from = Place { partition: 0, offset: Offset(offset) };
            let value = Redriven { from, at: NOW }.to_string();
            let header = Header { name: "__dlq.redriven", value: Some(value.as_bytes()) };
            encode_header(header, &mut headers);
        }
        Self { headers, ..sample() }
    }
}

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

#[test]
fn a_letter_is_meant_if_it_fits_all_that_is_said() {
    let fits = |filter: &Filter| sample().read(|letter| filter.fits(letter));
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let filters = [
        (Filter::default(), true),
        (Filter { places: vec![place("0@1"), place("1@17")], ..Filter::default() }, true),
        (Filter { places: vec![place("1@18")], ..Filter::default() }, false),
        (Filter { topics: named(&["events", "cdc.likes"]), ..Filter::default() }, true),
        (Filter { topics: named(&["cdc"]), ..Filter::default() }, false),
        (Filter { nodes: named(&["rows"]), ..Filter::default() }, true),
        (Filter { nodes: named(&["events"]), ..Filter::default() }, false),
        (Filter { reasons: vec![Reason::Decode], ..Filter::default() }, true),
        (Filter { reasons: vec![Reason::Panicked], ..Filter::default() }, false),
        (Filter { error: Some("expected a UUID".into()), ..Filter::default() }, true),
        (Filter { error: Some("expected a uuid".into()), ..Filter::default() }, false),
        (Filter { since: Some(NOW.0), until: Some(NOW.0 + 1), ..Filter::default() }, true),
        (Filter { since: Some(NOW.0 + 1), ..Filter::default() }, false),
        (Filter { until: Some(NOW.0), ..Filter::default() }, false),
        (
            Filter { topics: named(&["cdc.likes"]), nodes: named(&["x"]), ..Filter::default() },
            false,
        ),
    ];
    for (filter, expected) in filters {
        assert_eq!(fits(&filter), expected, "{filter:?}");
    }
}

/// What is planned for a letter, on a cluster whose topics have three partitions but for `reads`, which is not there.
fn planned(sample: &Sample, aim: Aim) -> Result<Option<(String, i32)>, Refusal> {
    let there = topic::ALL.iter().filter(|topic| topic.name != "reads");
    let partitions = there.map(|topic| (Topic::from(topic.name), 3)).collect();
    let (mut plan, targets) = (Plan::default(), Targets { partitions, now: NOW });
    sample.read(|letter| plan.add(letter, aim, &targets));
    match plan.refused.keys().next() {
        Some(refusal) => Err(*refusal),
        None => Ok(plan.planned.remove(&place(&format!("{}@17", sample.partition % 3))).unwrap())
            .map(|target| target.map(|(topic, partition)| (topic.to_string(), partition))),
    }
}

#[test]
fn a_record_goes_back_to_its_partition_and_to_that_of_its_key_if_there_is_none() {
    let to = |partition| planned(&Sample { partition, ..sample() }, ANY);
    assert_eq!(to(2), Ok(Some(("cdc.likes".into(), 2))));
    let of_key = millstream::broker::partition_of(b"k", 3);
    assert_eq!(to(7), Ok(Some(("cdc.likes".into(), of_key))));
}

#[test]
fn what_would_do_harm_is_refused_and_dropped_all_the_same() {
    let old = |hours: i64| Timestamp(NOW.0 - hours * HOUR_MS);
    let of = |topic, hours| Sample { topic, timestamp: old(hours), ..sample() };
    let by_sink = |topic, hours| Sample { reason: Reason::Refused, ..of(topic, hours) };
    let table = [
        (Sample { value: vec![0; 300 << 10], ..sample() }, Err(Refusal::Cut)),
        (of("elsewhere", 0), Err(Refusal::NoTopic)),
        (of("reads", 0), Err(Refusal::NoTopic)),
        (of("preferences", 0), Err(Refusal::LastCounts)),
        (of("posts-live", 0), Err(Refusal::LastCounts)),
        (of("trending-parts", 0), Err(Refusal::LastCounts)),
        (of("feedback", 90 * 24), Err(Refusal::Expired)),
        (of("feedback", 90 * 24 - 1), Ok(())),
        (of("cdc.likes", 5_000), Ok(())),
        (of("by-post", 5_000), Ok(())),
        (of("events", 25), Ok(())),
        (by_sink("events", 25), Err(Refusal::Counted)),
        (by_sink("events", 24), Ok(())),
        (by_sink("cdc.likes", 25), Ok(())),
        (Sample::redriven(2), Ok(())),
        (Sample::redriven(3), Err(Refusal::TooOften)),
    ];
    for (sample, expected) in table {
        assert_eq!(planned(&sample, ANY).map(drop), expected, "{}", sample.topic);
        assert_eq!(planned(&sample, Aim::Drop), Ok(None));
    }
    let more = Aim::Redrive { times_max: 4 };
    assert!(planned(&Sample::redriven(3), more).is_ok());
}

#[test]
fn a_note_is_of_the_letter_that_lay_there_and_not_of_a_later_one() {
    let mut done = Done::default();
    let note = sample().read(|letter| Note::of(letter, What::Dropped, NOW));
    done.take(Some(b"1@17"), Some(&serde_json::to_vec(&note).unwrap()));
    for (key, value) in
        [(None, Some(&b"{}"[..])), (Some(&b"x"[..]), None), (Some(b"1@17"), Some(b"7"))]
    {
        done.take(key, value);
    }
    assert_eq!(sample().read(|letter| done.of(letter)), Some(note));
    let later = Sample { at: Timestamp(NOW.0 + 1), ..sample() };
    assert_eq!(later.read(|letter| done.of(letter)), None);
    done.take(Some(b"1@17"), None);
    assert_eq!(done, Done::default());
}

#[test]
fn letters_are_counted_by_topic_node_and_reason_the_largest_group_first() {
    let mut groups = Groups::default();
    let seconds = |seconds: i64| Timestamp(NOW.0 + seconds * 1_000);
    let (one, other) = (Sample { topic: "events", ..sample() }, sample());
    one.read(|letter| groups.add(letter));
    Sample { at: seconds(5), error: "newer", ..other.clone() }.read(|letter| groups.add(letter));
    Sample { at: seconds(2), ..other }.read(|letter| groups.add(letter));
    let all = groups.all();
    let told: Vec<_> = all.iter().map(|group| (group.topic, group.letters)).collect();
    assert_eq!(told, [("cdc.likes", 2), ("events", 1)]);
    let (first, last) = (seconds(2).0, seconds(5).0);
    assert_eq!((all[0].first_at, all[0].last_at, all[0].last_error), (first, last, "newer"));
}

/// A cluster with these letters, a record each under its offset.
pub fn cluster(samples: &[Sample]) -> Embedded {
    let broker = Embedded::new(Arc::new(SystemClock));
    topics::create(&mut *broker.admin().unwrap(), "feedmill", 3).unwrap();
    let mut out = Outgoing::default();
    samples.iter().for_each(|sample| sample.write(&mut out));
    let topics = Arc::from([Topic::from("feedmill-dead-letters")]);
    let mut producer = broker.producer(None, topics).unwrap();
    producer.send(&out).unwrap();
    producer.flush(std::time::Duration::from_secs(5)).unwrap();
    broker
}

fn letters(broker: &Embedded) -> DeadLetters<'_> {
    DeadLetters { broker, app: "feedmill" }
}

pub fn likes(offsets: std::ops::Range<i64>) -> Vec<Sample> {
    let now = SystemClock.now();
    let of = |offset| Sample {
        offset,
        value: offset.to_string().into(),
        at: now,
        timestamp: now,
        ..sample()
    };
    offsets.map(of).collect()
}

/// The committed records of a topic: partition, value, and how often they were re-driven.
fn appended(broker: &Embedded, topic: &str) -> Vec<(i32, String, usize)> {
    let mut log = LogReader::of_one(broker, "test", &topic.into()).unwrap().unwrap();
    let mut all = Vec::new();
    while !log.is_at_end() {
        for batch in log.poll().unwrap().batches {
            for record in batch.iter() {
                let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                let times = record.headers.filter(|header| header.name == "__dlq.redriven");
                all.push((batch.source().partition, value, times.count()));
            }
        }
    }
    all
}

fn run_to_its_end(broker: &Embedded, filter: &Filter, aim: Aim) -> u64 {
    let mut run = Run::open(letters(broker), filter, aim, Pace::Unlimited).unwrap();
    while run.step().unwrap().is_some() {}
    run.progress().done
}

#[test]
fn every_record_is_appended_once_in_order_and_a_second_run_finds_nothing_to_do() {
    let broker = cluster(&likes(0..1_200));
    assert_eq!(run_to_its_end(&broker, &Filter::default(), ANY), 1_200);
    assert_eq!(run_to_its_end(&broker, &Filter::default(), ANY), 0);
    let expected: Vec<_> = (0..1_200).map(|of| (1, of.to_string(), 1)).collect();
    assert_eq!(appended(&broker, "cdc.likes"), expected);
}

#[test]
fn a_run_that_is_killed_within_a_transaction_is_gone_on_with_and_nothing_is_appended_twice() {
    let broker = cluster(&likes(0..1_200));
    let open = || Run::open(letters(&broker), &Filter::default(), ANY, Pace::Unlimited).unwrap();
    let mut killed = open();
    killed.step().unwrap();
    killed.send_and_die();
    assert_eq!(run_to_its_end(&broker, &Filter::default(), ANY), 700);
    let expected: Vec<_> = (0..1_200).map(|of| (1, of.to_string(), 1)).collect();
    assert_eq!(appended(&broker, "cdc.likes"), expected);
}

#[test]
fn of_two_runs_the_later_one_fences_the_other() {
    let broker = cluster(&likes(0..1_200));
    let open = || Run::open(letters(&broker), &Filter::default(), ANY, Pace::Unlimited).unwrap();
    let (mut first, mut second) = (open(), open());
    let Failed(exit, words) = first.step().unwrap_err();
    assert_eq!(exit, millstream::Exit::Mismatch, "{words}");
    assert!(words.contains("another run has begun: 0 of 1200 letters are done"), "{words}");
    while second.step().unwrap().is_some() {}
    assert_eq!(appended(&broker, "cdc.likes").len(), 1_200);
}

#[test]
fn a_letter_that_is_dropped_is_done_with_and_its_record_goes_nowhere() {
    let broker = cluster(&likes(0..10));
    let two = Filter { places: vec![place("1@3"), place("1@4")], ..Filter::default() };
    assert_eq!(run_to_its_end(&broker, &two, Aim::Drop), 2);
    assert_eq!(appended(&broker, "cdc.likes"), []);
    let plan = letters(&broker).plan(&two, ANY).unwrap();
    assert_eq!((plan.planned.len(), plan.absent), (0, two.places.into_iter().collect()));
    assert_eq!(letters(&broker).plan(&Filter::default(), ANY).unwrap().planned.len(), 8);
}

#[test]
fn notes_of_letters_that_are_deleted_are_forgotten() {
    let broker = cluster(&likes(0..10));
    assert_eq!(run_to_its_end(&broker, &Filter::default(), Aim::Drop), 10);
    let log = TopicPartition::new("feedmill-dead-letters", 1);
    broker.admin().unwrap().delete_before(&[(log, Offset(4))]).unwrap();
    run_to_its_end(&broker, &Filter::default(), Aim::Drop);
    let left = letters(&broker).done().unwrap();
    let mut expected = Done::default();
    letters(&broker)
        .each((&Filter::default(), true), |letter, _| {
            let note = left.of(letter).unwrap();
            let key = letter.place.to_string();
            expected.take(Some(key.as_bytes()), Some(&serde_json::to_vec(&note).unwrap()));
        })
        .unwrap();
    assert_eq!(left, expected);
}

#[test]
fn one_letter_is_read_by_its_place_and_where_there_is_none_it_is_said_which_there_are() {
    let broker = cluster(&likes(0..10));
    let read = |of: &str| letters(&broker).find(place(of), |letter| letter.unwrap().offset.0);
    assert_eq!(read("1@7").unwrap().unwrap(), 7);
    let words = read("1@10").unwrap().unwrap_err().to_string();
    assert!(words.ends_with("feedmill-dead-letters-1 has offsets 0 to 10"), "{words}");
}

#[test]
fn a_transaction_that_hangs_in_a_log_keeps_a_run_from_beginning() {
    let broker = cluster(&likes(0..3));
    let mut out = Outgoing::default();
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: 1,
        logged: false,
        timestamp: NOW,
        key: None,
        value: Some(b"x"),
        headers: Headers::default(),
    });
    let mut other = broker.producer(Some("other"), Arc::from([Topic::from("cdc.likes")])).unwrap();
    other.init(std::time::Duration::from_secs(5)).unwrap();
    other.begin().unwrap();
    other.send(&out).unwrap();
    let log = [TopicPartition::new("cdc.likes", 1)];
    let waits = open_transactions::wait_for(&broker, ("feedmill", std::time::Duration::ZERO), &log);
    let Failed(_, words) = waits.unwrap_err();
    assert!(words.starts_with("cdc.likes-1: a transaction hangs before offset 1"), "{words}");
    other.abort().unwrap();
    open_transactions::wait(&broker, "feedmill", &log).unwrap();
}
