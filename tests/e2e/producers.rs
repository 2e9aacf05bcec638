//! The examples of producers, run by the lines that README.md prints for them: only the addresses are others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use connectors::registry::{Registry, RegistrySettings};
use millstream::broker::partition_of;
use schemas::{Event, Payload};

use crate::log::{Entry, entries};
use crate::world::{World, repository};
use crate::{LIKER, POST, READER, write_the_first_rows};

/// The binary of this build, and the Python that script/setup has put the example's packages into.
const PATHS: &str =
    r#"root=$PWD; . script/stack.d/versions.sh; PATH=$FEEDMILL:$producer_python/bin:$PATH"#;

#[test]
fn the_examples_of_producers_write_events_that_count_all_of_a_user_in_one_partition() {
    let world = World::in_avro();
    write_the_first_rows(&world);
    world.feed_when(READER, |feed| feed.has(POST));
    let lines = lines_of_the_readme();
    run(&world, &lines);
    let written = entries(&world, "events");
    let ours = partition_of(LIKER.as_bytes(), 3);
    assert_eq!(written.iter().map(|of| of.partition).collect::<Vec<_>>(), [ours; 9]);
    assert_eq!(counts(&world, &written), BTreeMap::from([("like", 3), ("share", 3), ("view", 3)]));
    // A user's likes of a post are one.
    world.feed_when(READER, |feed| feed.shares(POST) == 3 && feed.likes(POST) == 1);
    assert_eq!(world.worker_sum(0, "millstream_dead_letters_total{"), 0.0);

    // What the examples warn of: one of them without its `partitioner`.
    let told = fs::read_to_string(repository().join("examples/producers/python/produce.py"));
    let untold = told.unwrap().replace("    \"partitioner\": \"murmur2_random\",\n", "");
    let addresses: String = lines.split_inclusive('\n').take(2).collect();
    run(&world, &format!("{addresses}python - <<'UNTOLD'\n{untold}UNTOLD\n"));
    let elsewhere = entries(&world, "events").iter().filter(|of| of.partition != ours).count();
    assert_eq!(elsewhere, 3, "librdkafka's own partitioner has another partition for this user");
}

/// The block of README.md that runs the examples.
fn lines_of_the_readme() -> String {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut of_producers = blocks.filter(|block| block.contains("examples/producers"));
    of_producers.next().unwrap().to_owned()
}

/// Runs lines of a shell in the checkout, with this world's addresses in the place of those that README.md prints.
fn run(world: &World, lines: &str) {
    let lines = [("kafka:9092", world.kafka()), ("http://registry:8081", world.registry())]
        .into_iter()
        .fold(lines.to_owned(), |lines, (printed, address)| {
            assert!(lines.contains(printed), "{printed}: {lines}");
            lines.replace(printed, address)
        });
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("{PATHS}\n{lines}")])
        .env("FEEDMILL", Path::new(env!("CARGO_BIN_EXE_feedmill")).parent().unwrap())
        .current_dir(repository())
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

/// How many events of each action there are; every one is of the user and the post that README.md names.
fn counts(world: &World, written: &[Entry]) -> BTreeMap<&'static str, usize> {
    let urls = vec![world.registry().to_owned()];
    let registry = Registry::open(&RegistrySettings { urls, ..RegistrySettings::default() });
    let (registry, mut counts) = (registry.unwrap(), BTreeMap::new());
    for entry in written {
        let mut payload = Payload::default();
        world.poll("the schema is fetched", || payload.fill(&entry.value, &registry).ok());
        let event = Event::decode(&payload).unwrap();
        assert_eq!((event.user.to_string(), event.post.to_string()), (LIKER.into(), POST.into()));
        assert_eq!(entry.key, LIKER.as_bytes());
        *counts.entry(event.action.name()).or_default() += 1;
    }
    counts
}
