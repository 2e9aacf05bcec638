//! What a topology says of itself, and what refuses to build or to start.

use millstream::testing::Driver;
use millstream::{
    Builder, Bytes, Context, Emit, I64, InvalidTopology, Processor, Rec, Result, Topology, Utf8,
};

use crate::world::word_count;

fn faults(of: Result<Topology, InvalidTopology>) -> Vec<String> {
    of.err().map(|invalid| invalid.faults().to_vec()).unwrap_or_default()
}

#[test]
fn a_topology_describes_itself() -> Result<()> {
    let text = "\
application word-count

sub-topology split
  source     lines
  flat_map   split <- lines
  sink       word-count-words-repartition <- split

sub-topology counts
  source     word-count-words-repartition
  aggregate  counts <- word-count-words-repartition [counts]
  sink       word-counts <- counts
  changelog  word-count-counts-changelog [counts, counts-task]
";
    let topology = word_count(Emit::OnCommit)?;
    assert_eq!(topology.describe(), text);
    assert_eq!(topology.hash(), word_count(Emit::EveryUpdate)?.hash());
    Ok(())
}

#[test]
fn every_fault_is_told_at_once() {
    let builder = Builder::new("app");
    builder.store("unused", Utf8, I64);
    builder.timers("due", Utf8);
    let lines = builder.stream::<String, String>("lines", Utf8, Utf8);
    lines.filter("", |_| true).to("bad topic", Utf8, Utf8);
    lines.count("counts", Utf8).to("out", Utf8, I64);
    lines.count("counts", Utf8).emit(Emit::EveryUpdate).to("out", Utf8, I64);
    builder
        .stream::<String, String>("lines", Utf8, Utf8)
        .emit(Emit::OnCommit)
        .to("lines", Utf8, Utf8);
    builder.store("default", Utf8, I64);
    let expected = [
        "`emit` follows a stateful operator",
        "topic lines is read and written: declare it with `internal`, so that it is carried with \
         version and time",
        "an operator has no name",
        "two operators are named counts",
        "two stores are named counts",
        "store \"default\": this name is the engine's own",
        "topic \"bad topic\": a name has letters, digits, `.`, `_`, `-`",
        "no operator uses the store unused",
        "no operator uses the timers due",
        "no operator uses the store default",
        "topic lines is read twice: read it once, and attach both to that stream",
    ];
    assert_eq!(faults(builder.build()), expected);
}

#[test]
fn the_name_of_an_application_must_be_fit_for_a_topic() {
    let named = |app: &str| {
        let builder = Builder::new(app);
        builder.stream::<String, String>("lines", Utf8, Utf8).to("out", Utf8, Utf8);
        faults(builder.build())
    };
    let bad = ["application \"bad name\": a name has letters, digits, `.`, `_`, `-`"];
    assert_eq!(named("bad name"), bad);
    assert_eq!(named("good-name"), <[&str; 0]>::default());
}

#[test]
fn a_name_that_grows_too_long_in_front_of_another_is_a_fault_and_topics_of_others_are_not_counted()
{
    let (app, store) = ("a".repeat(190), "s".repeat(60));
    let of = |output: &str, store: &str| {
        let builder = Builder::new(&app);
        let lines = builder.stream::<String, String>("lines", Utf8, Utf8);
        lines.count(store, Utf8).to(output, Utf8, I64);
        faults(builder.build())
    };
    assert_eq!(of(&"o".repeat(200), "s"), <[&str; 0]>::default());
    let told = of("out", &store);
    assert!(!told.is_empty() && told.iter().all(|fault| fault.contains("249 bytes")), "{told:?}");
}

#[test]
fn a_topic_read_by_two_sub_topologies_is_a_fault() {
    let builder = Builder::new("app");
    for name in ["a", "b"] {
        let lines = builder.stream::<String, String>("lines", Utf8, Utf8);
        lines.count(name, Utf8).to(&format!("{name}-out"), Utf8, I64);
    }
    let expected = ["topic lines is read twice: read it once, and attach both to that stream"];
    assert_eq!(faults(builder.build()), expected);
}

#[test]
fn timers_at_two_operators_are_a_fault() {
    let builder = Builder::new("app");
    let due = builder.timers("due", Utf8);
    let lines = builder.stream::<String, String>("lines", Utf8, Utf8);
    lines.process("a", &[due.into()], || Idle).process("b", &[due.into()], || Idle);
    let expected = ["timers due are attached to a, b: a deadline rings at one"];
    assert_eq!(faults(builder.build()), expected);
}

struct Idle;

impl Processor for Idle {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        _line: Rec<'_, String, String>,
        _cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_store_with_the_name_of_the_tasks_own_is_a_fault() {
    let builder = Builder::new("app");
    let lines = builder.stream::<String, String>("lines", Utf8, Utf8);
    lines.count("x", Utf8).filter("y", |_| true).to("out", Utf8, I64);
    lines.count("x-task", Utf8).to("out-2", Utf8, I64);
    let expected = ["store \"x-task\": this name is of the task x's own"];
    assert_eq!(faults(builder.build()), expected);
}

fn two_topics(first: &str) -> Result<Topology> {
    let builder = Builder::new("app");
    let (a, b) = (
        builder.stream::<String, String>("a", Utf8, Utf8),
        builder.stream::<String, String>("b", Utf8, Utf8),
    );
    a.merge(&b).count(first, Utf8).to("out", Utf8, I64);
    Ok(builder.build()?)
}

#[test]
fn a_sub_topology_has_the_name_of_its_first_operator() -> Result<()> {
    let names: Vec<_> = two_topics("both")?
        .changelogs()
        .iter()
        .map(|(topic, sub)| format!("{sub}: {topic}"))
        .collect();
    assert_eq!(names, ["both: app-both-changelog"]);
    Ok(())
}

#[test]
fn input_topics_that_are_missing_are_named() -> Result<()> {
    let started = Driver::of(two_topics("both")?).topics(&[("b", 2)]).start();
    let words = started.err().map(|fault| fault.message().to_owned());
    let expected = "Mismatch (5): topic a is an input and does not exist; \
                    create it with the partitions that its writers need";
    assert_eq!(words.as_deref(), Some(expected));
    Ok(())
}

#[test]
fn topics_that_cannot_share_state_or_a_task_or_would_lose_state_are_named() -> Result<()> {
    let topics = [("a", 2), ("b", 3), ("app-both-changelog", 4), ("app-tasks", 1)];
    let started = Driver::of(two_topics("both")?).topics(&topics).start();
    let words = started.err().map(|fault| fault.message().to_owned()).unwrap_or_default();
    let faults = [
        "topic a is new, and read from its beginning; has 2 partitions, but shares state in both with a topic that has 3",
        "topic app-both-changelog must have cleanup.policy=compact and nothing else; has 4 partitions, both has 3",
        "topic app-tasks has 1 partitions, 3 are needed",
    ];
    assert_eq!(words.lines().count(), faults.len());
    for (line, fault) in words.trim_start_matches("Mismatch (5): ").lines().zip(faults) {
        assert!(line.starts_with(fault), "{line}");
    }
    Ok(())
}

#[test]
fn topics_that_may_not_be_created_are_named() -> Result<()> {
    let started = Driver::of(two_topics("both")?).config(|c| c.create_topics = false).start();
    let words = started.err().map(|fault| fault.message().to_owned()).unwrap_or_default();
    for topic in ["app-both-changelog", "app-dead-letters", "app-tasks", "out"] {
        let fault = format!("topic {topic} does not exist and may not be created; create it with ");
        assert!(words.contains(&fault), "{words}");
    }
    Ok(())
}

#[test]
fn a_merge_of_two_topics_counts_both() -> Result<()> {
    let mut driver = Driver::of(two_topics("both")?).partitions(2).start()?;
    for topic in ["a", "b", "a"] {
        let input = driver.input::<String, Vec<u8>>(topic, Utf8, Bytes);
        input.send(&"k".into(), &b"x".to_vec(), millstream::Timestamp(0))?;
    }
    driver.settle()?;
    let counts = driver.output("out", Utf8, I64).latest()?;
    assert_eq!(counts, millstream::testing::table("k 3"));
    Ok(())
}
