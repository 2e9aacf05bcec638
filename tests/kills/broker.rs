//! The broker dies, not the workers.

use tests::{Part, Stack};

use millstream::Exit;

use crate::history;
use crate::load::{Load, Sums};
use crate::victim::Victim;
use crate::worker;
use crate::world::World;

/// Back before its old session is over, a lone broker of 4.3.1 takes its partitions for deleted ones and skips markers
/// of transactions that it had begun to end, so some partitions have a commit and others hang: no client can make
/// that whole. With so short a session it seldom believes in its old self when it comes back; a marker that is skipped
/// all the same (1 run in 13) shows here as a transaction that is one with the next.
#[test]
#[ignore = "part of script/reliability: a broker takes its time to come back"]
fn a_broker_that_is_killed_under_load_and_comes_back_costs_no_count() {
    let mut stack = Stack::of(&[Part::Kafka])
        .property("broker.heartbeat.interval.ms", "100")
        .property("broker.session.timeout.ms", "400")
        .start()
        .unwrap();
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
    let sent = load.stop();
    world.wait_until_committed_while(&world.input_ends(), || start_what_stalled(&mut victims));
    let codes = victims.each_mut().map(Victim::terminate);
    assert_eq!(codes, [Some(Exit::Done.code()); 2], "{}\n{}", victims[0].log(), victims[1].log());
    // A broker that was killed may have forgotten what the load's producer sent it and take a batch twice.
    let sums = arrived(&world);
    assert!(sent.iter().all(|(key, sent)| sums.get(key) >= Some(sent)), "nothing sent is lost");
    let seen = history::verify(&world, &sums);
    assert_eq!(i64::try_from(seen.updates).unwrap(), sums.values().sum::<i64>());
}

/// How many records each key has in the input.
fn arrived(world: &World) -> Sums {
    let mut sums = Sums::new();
    for partition in 0..world.partitions {
        for row in world.read(&worker::input(&world.app), partition) {
            *sums.entry(String::from_utf8(row.key).unwrap()).or_default() += 1;
        }
    }
    sums
}

/// A call into librdkafka that does not come back while the broker is away ends its process, by its watchdog; whoever
/// runs the process starts it again.
fn start_what_stalled(victims: &mut [Victim]) {
    for victim in victims.iter_mut().filter_map(|victim| (!victim.is_alive()).then_some(victim)) {
        assert_eq!(victim.exit(), Some(Exit::Stalled.code()), "{}", victim.log());
        victim.start();
    }
}
