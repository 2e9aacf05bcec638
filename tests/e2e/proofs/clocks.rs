//! R7: the clock of the machine jumps, ahead and back, behind and back: reads go on, and all counts once.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Part, poll_until};

use super::answers::Answers;
use super::outages::span;
use super::tell;
use super::writing::Writing;
use crate::client::Asking;
use crate::readers::{self, LIKED, reader};
use crate::world::{LONG, SetClock, World, servers};

const PER_SECOND: u32 = 200;
const READERS: usize = 20;
const JUMPS: [(&str, i64); 2] = [("an hour ahead", 3_600), ("an hour behind", -3_600)];
/// What tokens say of time holds by each of the clocks.
const SIGNED: i64 = -2 * 3_600;
const HOLDS: &str = "86400";
/// How long the clock is right, after each.
const BETWEEN: Duration = Duration::from_secs(10);

#[test]
#[ignore = "minutes: script/reliability R7"]
fn readers_are_answered_and_all_counts_once_while_the_clock_jumps() {
    let stack = servers(&[Part::Kafka, Part::Postgres, Part::Redis]).start().unwrap();
    let world = World::by_clock(stack, &[], Some(SetClock::new()));
    let clock = world.clock.as_ref().unwrap();
    let token = |number| {
        let mut command = world.command(&["token", &reader(number), "--seconds", HOLDS]);
        clock.fix(&mut command, SIGNED);
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let tokens: Vec<_> = (0..READERS).map(token).collect();
    readers::write(&world, READERS);
    readers::warm_up(&world, &tokens);
    // What somebody viewed is not shown to them: this is none of the readers.
    let writing = Writing::begin(&world, token(READERS));
    let mut failed = Vec::new();
    for (what, seconds) in JUMPS {
        let asking =
            Asking::start(world.feed_url(), tokens.clone(), PER_SECOND, 2 * span() + BETWEEN);
        let began = Instant::now();
        let pass = |until| poll_until(LONG + until, || (began.elapsed() >= until).then_some(()));
        clock.set(seconds);
        pass(span()).unwrap();
        clock.set(0);
        let ended = Instant::now();
        let asked = asking.finish();
        let during = Answers::of(asked.iter().filter(|one| one.at < ended));
        let after = Answers::of(asked.iter().filter(|one| one.at >= ended));
        let passes = during.percent() == 100.0 && after.percent() == 100.0;
        let words = format!("the clock is {what:<20} {during}; right again: {after}");
        let figures = json!({
            "outage": format!("the clock is {what}"), "seconds": span().as_secs(),
            "during": during.figures(), "after": after.figures(),
        });
        tell("R7", passes, &words, figures);
        failed.extend((!passes).then_some(words));
    }
    let (likes, _) = writing.end();
    let counted = || LIKED.map(|post| world.feed(&reader(0)).likes(post)).iter().sum::<u64>();
    let all = poll_until(LONG, || (counted() == likes as u64).then_some(()));
    let words = format!("clocks that jump: {} of {likes} likes count", counted());
    tell("R7", all.is_ok(), &words, json!({"likes": likes, "counted": counted()}));
    failed.extend(all.is_err().then_some(words));
    assert!(failed.is_empty(), "\n{}\n{}", failed.join("\n"), world.logs());
}
