//! Workers come and go while a world is poured: the feeds are those of brute force all the same.

use crate::world::{LONG, World};

const SIZE: [&str; 8] =
    ["--users", "300", "--follows", "4000", "--posts", "800", "--events", "9000"];
/// So slow that the workers' coming and going takes a part of it only, also on a busy machine.
const RATE: &str = "400/s";
const WORKERS: usize = 3;

/// The words of a load of the world that ended at `until`.
fn load<'a>(until: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let asked = ["load", "--until", until].into_iter();
    asked.chain(SIZE).chain(more.iter().copied()).collect()
}

#[test]
fn feeds_equal_brute_force_after_workers_went_from_one_to_three_to_two_under_load() {
    let world = World::without_change_capture();
    let until = world.now_ms().to_string();
    let mut pouring = world.spawn("load", &load(&until, &["--rate", RATE, "--verify", "0"]));
    let worked_on = |records: f64| {
        world.poll("records are worked on", || {
            let worked: f64 =
                (0..WORKERS).map(|of| world.worker_metric(of, "millstream_records_total")).sum();
            (worked > records).then_some(())
        });
    };
    worked_on(2_000.0);
    world.start_worker(1);
    world.start_worker(2);
    world.poll("all three have state of their own", || {
        let works = |of| world.worker_metric(of, "millstream_records_total") > 0.0;
        (0..WORKERS).all(works).then_some(())
    });
    assert!(pouring.is_alive().unwrap(), "the load is over too soon: {:?}", pouring.output());
    world.stop_worker(0);
    assert!(pouring.wait(LONG).unwrap().success(), "{:?}", pouring.output());
    let (equal, said) = world.run(&load(&until, &["--verify", "30", "--verify-only"]));
    assert!(equal && said.contains("30 readers have the feeds"), "{said}");
}
