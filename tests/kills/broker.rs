//! The broker dies, not the workers.

use tests::{Part, Stack};

use millstream::Exit;

use crate::history;
use crate::load::Load;
use crate::victim::Victim;
use crate::worker;
use crate::world::World;

#[test]
#[ignore = "part of script/reliability: a broker takes its time to come back, and the load's own transaction with it"]
fn a_broker_that_is_killed_under_load_and_comes_back_costs_no_count() {
    let mut stack = Stack::of(&[Part::Kafka]).start().unwrap();
    let world = World::on(&stack, 2);
    let mut victims = [world.victim("one"), world.victim("two")];
    victims.iter_mut().for_each(Victim::start);
    let load = Load::start(&world.kafka, &worker::input(&world.app), 2);
    for victim in &victims {
        victim.wait_until("working", |status| status.tasks > 0 && status.commits > 3);
    }
    stack.kill(Part::Kafka).unwrap();
    stack.start(Part::Kafka).unwrap();
    world.wait_until_committed_while(&world.input_ends(), || start_what_stalled(&mut victims));
    let sums = load.stop();
    world.wait_until_committed_while(&world.input_ends(), || start_what_stalled(&mut victims));
    let codes = victims.each_mut().map(Victim::terminate);
    assert_eq!(codes, [Some(Exit::Done.code()); 2], "{}\n{}", victims[0].log(), victims[1].log());
    let seen = history::verify(&world, &sums);
    assert_eq!(i64::try_from(seen.updates).unwrap(), sums.values().sum::<i64>());
}

/// A call into librdkafka that does not come back while the broker is away ends its process, by its watchdog; whoever
/// runs the process starts it again.
fn start_what_stalled(victims: &mut [Victim]) {
    for victim in victims.iter_mut().filter_map(|victim| (!victim.is_alive()).then_some(victim)) {
        assert_eq!(victim.exit(), Some(Exit::Stalled.code()), "{}", victim.log());
        victim.start();
    }
}
