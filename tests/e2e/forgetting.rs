//! Redis forgets everything under load: nobody is refused, and whoever asks is pushed again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tests::poll_until;

use crate::client::{Asked, Asking};
use crate::readers::{self, tokens};
use crate::world::{LONG, World};

const READERS: usize = 400;
const PER_SECOND: u32 = 200;
const SPAN: Duration = Duration::from_secs(10);

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
    readers::write(&world, READERS);
    let tokens = tokens(&world, READERS);
    readers::warm_up(&world, &tokens);
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
