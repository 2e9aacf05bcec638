//! Clean stops, and two processes that would be one.

use millstream::Exit;

use crate::load::Load;
use crate::worker;
use crate::world::World;

#[test]
fn a_process_that_is_asked_to_stop_commits_and_comes_back_with_nothing_to_restore() {
    let world = World::new(2);
    let mut process = world.victim("one");
    process.start();
    let load = Load::start(&world.kafka, &worker::input(&world.app), 2);
    process.wait_until("working", |status| status.tasks == 2 && status.commits > 3);
    assert_eq!(process.terminate(), Some(Exit::Done.code()), "{}", process.log());
    process.start();
    let back = process.wait_until("back", |status| status.tasks == 2 && status.commits > 0);
    assert_eq!(back.restored, 0);
    load.stop();
    world.wait_until_committed(&world.input_ends());
}

#[test]
fn a_second_process_on_the_same_state_exits_as_a_duplicate() {
    let world = World::new(1);
    let (mut first, mut second) = (world.victim("one"), world.victim("one"));
    first.start();
    first.wait_until("working", |status| status.tasks == 1);
    second.start();
    assert_eq!(second.exit(), Some(Exit::Duplicate.code()), "{}", second.log());
    assert!(first.is_alive());
}

#[test]
fn of_two_processes_with_one_name_the_older_exits_as_a_duplicate() {
    let world = World::new(1);
    let mut ghost = world.victim("one").named("same");
    let mut heir = world.victim("two").named("same");
    ghost.start();
    ghost.wait_until("working", |status| status.tasks == 1);
    heir.start();
    assert_eq!(ghost.exit(), Some(Exit::Duplicate.code()), "{}", ghost.log());
    heir.wait_until("the owner", |status| status.tasks == 1);
}
