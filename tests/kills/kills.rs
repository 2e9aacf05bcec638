//! The suite's heart: two processes, ten kills, three pauses, and everything is counted once.

use millstream::{Exit, FailPoint};

use crate::history;
use crate::load::Load;
use crate::state;
use crate::victim::Victim;
use crate::worker;
use crate::world::{World, kills};

const PARTITIONS: i32 = 4;

/// Where a process is killed: at a place it was led to, or wherever it was with a transaction open.
const AIMS: [Option<FailPoint>; 10] = [
    None,
    Some(FailPoint::AfterBegin),
    Some(FailPoint::AfterProduce),
    None,
    Some(FailPoint::BeforeOffsets),
    Some(FailPoint::AfterOffsets),
    Some(FailPoint::BeforeCommit),
    None,
    Some(FailPoint::AfterProduce),
    Some(FailPoint::BeforeCommit),
];

/// Committed at the broker, and the store knows nothing or not all of it; and on the way to the disk.
const AFTER: [FailPoint; 3] =
    [FailPoint::AfterCommit, FailPoint::AfterApply, FailPoint::BeforeFlush];

/// Where a process stands still for longer than the group waits for it.
const PAUSES: [Option<FailPoint>; 3] =
    [Some(FailPoint::BeforeOffsets), Some(FailPoint::BeforeCommit), None];

#[test]
fn kills_and_pauses_leave_every_count_right() {
    let world = World::new(PARTITIONS);
    let mut victims = [world.victim("one"), world.victim("two")];
    victims.iter_mut().for_each(Victim::start);
    let load = Load::start(&world.kafka, &worker::input(&world.app), PARTITIONS);
    share(&victims);

    let aims = AIMS.iter().cycle().take(kills()).copied();
    for (round, aim) in aims.chain(AFTER.map(Some)).enumerate() {
        kill(&world, &mut victims[round % 2], round, aim);
    }
    leave(&world, &mut victims);
    let pauses = PAUSES.into_iter().cycle().take(PAUSES.len().max(kills() / 10));
    for (round, aim) in pauses.enumerate() {
        pause(&world, &mut victims, round, aim);
    }

    let sums = load.stop();
    world.wait_until_committed(&world.input_ends());
    let codes = victims.each_mut().map(Victim::terminate);
    assert_eq!(codes, [Some(Exit::Done.code()); 2], "{}\n{}", victims[0].log(), victims[1].log());
    for victim in &victims {
        state::verify(&world, victim.dir());
    }
    let seen = history::verify(&world, &sums);
    println!(
        "{} updates in {} transactions are as they should be, {} are void",
        seen.updates, seen.transactions, seen.aborted
    );
    assert!(seen.aborted > 0, "no kill left a transaction for the broker to abort");
}

/// Waits until both work.
fn share(victims: &[Victim]) {
    for victim in victims {
        victim.wait_until("working", |status| status.tasks > 0 && status.commits > 0);
    }
}

fn kill(world: &World, victim: &mut Victim, round: usize, aim: Option<FailPoint>) {
    let before = victim.wait_until("working", |status| status.tasks > 0 && status.commits > 0);
    let phase = victim.stand(aim);
    victim.kill();
    let left = state::verify(world, victim.dir());
    victim.start();
    let after = victim.wait_until("back", |status| status.tasks > 0 && status.commits > 0);
    let (tail, whole) = (left.behind(world), left.whole(world));
    println!(
        "kill {round}: {} at {phase} after {} commits; {} rows on disk are the fold of the log; \
         restored {} of {whole}",
        victim.name, before.commits, left.rows, after.restored,
    );
    assert!(after.restored <= tail, "restored {}, the tail is {tail}", after.restored);
}

/// One dies and stays away until the other has taken over and gone on; what it comes back to on disk is old.
fn leave(world: &World, victims: &mut [Victim; 2]) {
    share(victims);
    let [late, heir] = victims;
    late.stand(None);
    late.kill();
    heir.wait_until("owner of all", |status| status.tasks == PARTITIONS as usize);
    world.wait_until_committed(&world.input_ends());
    let left = state::verify(world, late.dir());
    late.start();
    let back = late.wait_until("back", |status| status.tasks > 0 && status.commits > 0);
    println!("late: {} has {} rows of old and restored {}", late.name, left.rows, back.restored);
}

/// One stands still with a transaction open, the other takes over; when the first goes on, what it had open is void.
fn pause(world: &World, victims: &mut [Victim; 2], round: usize, aim: Option<FailPoint>) {
    share(victims);
    let [sleeper, heir] = victims;
    let at = sleeper.stand(aim);
    sleeper.pause();
    heir.wait_until("owner of all", |status| status.tasks == PARTITIONS as usize);
    world.wait_until_committed(&world.input_ends());
    sleeper.let_go();
    let asleep = sleeper.status();
    sleeper.resume();
    sleeper.wait_until("awake", |status| status.beat > asleep.beat);
    heir.wait_until("sharing again", |status| status.tasks < PARTITIONS as usize);
    let back = sleeper.wait_until("back", |status| status.commits > asleep.commits);
    println!("pause {round}: {} stood at {at}, was fenced and came back: {back:?}", sleeper.name);
    victims.swap(0, 1);
}
