//! What broadcasts take of the memory that rows share.

use std::time::Duration;

use super::{LATER, World, watchful};

#[test]
fn what_a_broadcast_takes_is_reserved_as_soon_as_it_is_there() {
    let mut world = World::of(watchful());
    let reserved = |world: &World| world.instance.context.record_caches.reserved();
    let before = reserved(&world);
    world.send_to("prices", 0, &[0; 8]);
    world.broadcasts.step(LATER, Duration::ZERO).unwrap();
    let told = world.instance.memory();
    let told = told.iter().find(|part| part.part == "broadcasts").and_then(|part| part.bytes);
    let taken = reserved(&world) - before;
    assert!(taken > 1, "{taken}");
    assert_eq!(told, Some(taken));
}
