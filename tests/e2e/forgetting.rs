//! Redis forgets everything under load: nobody is refused, and whoever asks is pushed again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millstream::broker::kafka::{Kafka, KafkaSettings};
use tests::poll_until;

use crate::client::{Asked, Asking};
use crate::poison::produce;
use crate::world::{LONG, World};

const READERS: usize = 400;
const PER_SECOND: u32 = 200;
const SPAN: Duration = Duration::from_secs(10);

fn author(number: usize) -> String {
    format!("a0000000-0000-4000-8000-0000000000{number:02}")
}

fn reader(number: usize) -> String {
    format!("c0000000-0000-4000-8000-000000000{number:03}")
}

/// Ten authors of three posts each; every reader follows one of them.
fn write_rows(world: &World) {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let now = world.now_ms();
    let row = |lsn: usize, fields: &str| {
        format!(
            r#"{{"before":null,"after":{{{fields},"created_at":{now}}},"source":{{"lsn":{lsn},"ts_ms":{now}}},"op":"c"}}"#
        )
    };
    let posts = (0..30).map(|number| {
        let (post, author) =
            (format!("d0000000-0000-4000-8000-0000000000{number:02}"), author(number % 10));
        row(number, &format!(r#""id":"{post}","user_id":"{author}","content":"post {number}""#))
    });
    let posts: Vec<_> = posts.collect();
    let follows = (0..READERS).map(|number| {
        let (reader, author) = (reader(number), author(number % 10));
        row(number, &format!(r#""follower_id":"{reader}","followee_id":"{author}""#))
    });
    let follows: Vec<_> = follows.collect();
    let bytes =
        |rows: &[String]| rows.iter().map(|row| row.clone().into_bytes()).collect::<Vec<_>>();
    for (topic, rows) in [("cdc.posts", bytes(&posts)), ("cdc.follows", bytes(&follows))] {
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        produce(&kafka, topic, &rows);
    }
}

/// Everybody is asked until Redis has everybody.
fn warm_up(world: &World, tokens: &[String]) {
    let found = poll_until(LONG, || {
        let span = Duration::from_secs(1);
        let asking = Asking::start(world.feed_url(), tokens.to_vec(), READERS as u32, span);
        let asked = asking.finish();
        asked.iter().all(|one| one.source == "redis").then_some(())
    });
    found.unwrap();
}

/// What everybody got who was asked after `flushed`, in the order of the questions.
fn after(flushed: Instant, asked: &[Asked]) -> BTreeMap<usize, Vec<&str>> {
    let mut answers = BTreeMap::<_, Vec<_>>::new();
    for one in asked.iter().filter(|one| one.at > flushed) {
        answers.entry(one.caller).or_default().push(one.source.as_str());
    }
    answers
}

#[test]
fn a_flushed_redis_costs_no_request_and_everybody_is_back_in_it_after_one() {
    // Whoever asks shares the machine with who answers: a tier must not be given up for that.
    let world = World::with(&[("REDIS__WAIT_MS", "2000"), ("STATE__WAIT_MS", "2000")]);
    write_rows(&world);
    let tokens: Vec<_> = (0..READERS).map(|number| world.token(&reader(number))).collect();
    warm_up(&world, &tokens);
    let began = Instant::now();
    let asking = Asking::start(world.feed_url(), tokens, PER_SECOND, SPAN);
    poll_until(LONG, || (began.elapsed() > SPAN / 5).then_some(())).unwrap();
    world.flush_redis();
    let flushed = Instant::now();
    let asked = asking.finish();
    let refused: Vec<_> = asked.iter().filter(|one| one.status != 200).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let answers = after(flushed, &asked);
    assert_eq!(answers.len(), READERS);
    let firsts = answers.values().filter(|sources| sources[0] == "state").count();
    assert!(firsts > READERS / 2, "few were forgotten: {answers:?}");
    let seconds = answers.values().flat_map(|sources| sources.iter().skip(1));
    let (back, late): (Vec<&str>, Vec<&str>) = seconds.partition(|source| **source == "redis");
    // A pause of the machine makes Redis late for a few.
    assert!(late.len() * 50 < back.len(), "{late:?}: {answers:?}\n{}", world.logs());
}
