//! Bad records and failing processors: what is set aside, what goes on, what stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::broker::{Broker, OutRecord, Outgoing, TopicIndex, partition_of};
use millstream::testing::{Driver, table};
use millstream::{
    Builder, Bytes, Context, Counter, Due, Emit, Fault, Header, Headers, I64, Processor, Rec,
    Result, Store, Timers, Topic, Topology, Utf8, encode_header,
};

use crate::world::{Superstitious, at, clockwork, dead_letters, history};

/// Counts the lines of each key and says each with its number; fails at lines that ask for it, after it
/// has written and forwarded.
struct Obedient {
    seen: Store<String, i64>,
    failures: Arc<AtomicUsize>,
}

impl Processor for Obedient {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        let number = cx.store(self.seen)?.update(line.key, |seen| {
            *seen += 1;
            *seen
        })?;
        cx.forward(line.key, &format!("{} {number}", line.value))?;
        let again = self.failures.load(Ordering::SeqCst) > 0;
        match line.value.as_str() {
            "reject" => Err(Fault::Reject("not this one".into())),
            "panic" => panic!("asked to"),
            "fatal" => Err(Fault::Fatal("broken".into())),
            "retry" if again => {
                self.failures.fetch_sub(1, Ordering::SeqCst);
                Err(Fault::Retry("not yet".into()))
            }
            "keep" => cx.dead_letter("kept too"),
            _ => Ok(()),
        }
    }
}

fn obedient(failures: usize) -> Result<Topology> {
    let builder = Builder::new("app");
    let seen = builder.store("seen", Utf8, I64);
    let failures = Arc::new(AtomicUsize::new(failures));
    builder
        .stream("lines", Utf8, Utf8)
        .process("obedient", &[seen.into()], move || Obedient { seen, failures: failures.clone() })
        .to("said", Utf8, Utf8);
    Ok(builder.build()?)
}

fn lines(driver: &mut Driver, lines: &[&str]) -> Result<()> {
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    lines.iter().try_for_each(|line| input.send(&"k".into(), &(*line).into(), at(7)))?;
    driver.settle()
}

fn said(driver: &Driver) -> Result<Vec<String>> {
    Ok(history(driver, "said", Utf8)?.remove("k").unwrap_or_default())
}

fn letter(value: &str, offset: i64, (reason, error): (&str, &str)) -> (String, String) {
    let headers = format!(
        "error={error} node=obedient offset={offset} partition=0 reason={reason} timestamp=7 topic=lines"
    );
    (value.into(), headers)
}

#[test]
fn a_rejected_record_is_set_aside_without_its_effects() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    lines(&mut driver, &["a", "reject", "b"])?;
    assert_eq!(said(&driver)?, ["a 1", "b 2"]);
    assert_eq!(dead_letters(&driver)?, [letter("reject", 1, ("rejected", "not this one"))]);
    Ok(())
}

#[test]
fn the_time_of_a_rejected_record_is_undone_with_its_other_effects() -> Result<()> {
    let mut driver = Driver::of(clockwork()?).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    for (line, time) in [("a", 7), ("future", 1_000), ("b", 6), ("c", 8)] {
        input.send(&"k".into(), &line.into(), at(time))?;
    }
    driver.settle()?;
    let said = history(&driver, "said", I64)?;
    assert_eq!(said, BTreeMap::from([("k".into(), vec![7, 7, 8])]));
    Ok(())
}

#[test]
fn a_record_that_makes_the_processor_panic_is_set_aside_without_its_effects() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    lines(&mut driver, &["a", "panic", "panic", "b"])?;
    assert_eq!(said(&driver)?, ["a 1", "b 2"]);
    let panicked = ("panicked", "the processor panicked: asked to");
    assert_eq!(
        dead_letters(&driver)?,
        [letter("panic", 1, panicked), letter("panic", 2, panicked)]
    );
    Ok(())
}

#[test]
fn a_processor_that_sets_a_record_aside_itself_keeps_its_effects() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    lines(&mut driver, &["a", "keep", "b"])?;
    assert_eq!(said(&driver)?, ["a 1", "keep 2", "b 3"]);
    assert_eq!(dead_letters(&driver)?, [letter("keep", 1, ("rejected", "kept too"))]);
    Ok(())
}

#[test]
fn bytes_that_do_not_decode_are_set_aside_and_nothing_else_is_undone() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    input.send(&"k".into(), &"a".into(), at(7))?;
    input.send_raw(Some(b"k"), Some(b"\xffx"), at(7))?;
    input.send_raw(None, Some(b"no key"), at(7))?;
    input.send_raw(Some(b"k"), None, at(7))?;
    input.send(&"k".into(), &"b".into(), at(7))?;
    driver.settle()?;
    assert_eq!(said(&driver)?, ["a 1", "b 2"]);
    let utf8 = "decode value: text is not UTF-8: invalid utf-8 sequence of 1 bytes from index 0";
    let expected = [
        letter("\u{fffd}x", 1, ("decode", utf8)),
        letter("no key", 2, ("decode", "decode key: null where a value is required")),
        letter("", 3, ("decode", "decode value: null where a value is required")),
    ];
    assert_eq!(dead_letters(&driver)?, expected);
    assert_eq!((driver.counted(Counter::DeadLetters), driver.counted(Counter::Aborts)), (3, 0));
    Ok(())
}

#[test]
fn a_letter_holds_what_is_short_whole_and_of_more_its_length_and_digest() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    for length in [256 * 1024, 256 * 1024 + 1] {
        input.send_raw(Some(b"k"), Some(&vec![0xff; length]), at(7))?;
    }
    driver.advance(Duration::from_secs(5))?;
    let letters = driver.output::<Vec<u8>, Vec<u8>>(&driver.dead_letters(), Bytes, Bytes).rows()?;
    let told = letters.iter().map(|letter| {
        let header = |name: &str| letter.headers.get(name).map(String::as_str);
        let length = letter.value.as_ref().map_or(0, Vec::len);
        (length, header("__dlq.value.length"), header("__dlq.value.sha256"))
    });
    // sha256sum of 262,145 times 0xff.
    let digest = "3572153d4befe766816e50b52097b45c54288a0c52bd199a9c083d788c9613e8";
    let expected = [(256 * 1024, None, None), (256 * 1024, Some("262145"), Some(digest))];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn a_letter_is_as_young_as_its_writing_however_old_the_record_is() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    driver.advance_clock(Duration::from_secs(9));
    let written = driver.now();
    lines(&mut driver, &["reject"])?;
    let letters = driver.output::<Vec<u8>, Vec<u8>>(&driver.dead_letters(), Bytes, Bytes).rows()?;
    let ages: Vec<_> = letters.iter().map(|letter| letter.at >= written).collect();
    assert_eq!(ages, [true]);
    Ok(())
}

#[test]
fn a_value_of_another_type_is_set_aside() -> Result<()> {
    let builder = Builder::new("app");
    builder.stream("numbers", Utf8, I64).count("counts", Utf8).to("out", Utf8, I64);
    let mut driver = Driver::of(builder.build()?).start()?;
    let input = driver.input::<String, i64>("numbers", Utf8, I64);
    input.send_raw(Some(b"k"), Some(b"seven"), at(7))?;
    input.send(&"k".into(), &7, at(7))?;
    driver.settle()?;
    assert_eq!(driver.output("out", Utf8, I64).latest()?, table("k 1"));
    let headers = "error=decode value: i64 has 8 bytes, found 5 node=counts offset=0 partition=0 \
                   reason=decode timestamp=7 topic=numbers";
    assert_eq!(dead_letters(&driver)?, [("seven".into(), headers.into())]);
    Ok(())
}

#[test]
fn a_dead_letter_keeps_its_records_headers_but_those_that_would_pass_for_its_own() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).config(|c| c.record_bytes_max = 8).start()?;
    let (mut headers, mut out) = (Vec::new(), Outgoing::default());
    for (name, value) in [("trace", "7"), ("__dlq.topic", "elsewhere"), ("__dlq.else", "x")] {
        encode_header(Header { name, value: Some(value.as_bytes()) }, &mut headers);
    }
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: 0,
        logged: false,
        timestamp: at(0),
        key: Some(b"k"),
        value: Some(b"12345678"),
        headers: Headers::from_bytes(&headers),
    });
    let topics = Arc::from([Topic::from("lines")]);
    let mut producer = driver.broker().producer(None, topics).unwrap();
    producer.send(&out).unwrap();
    producer.flush(Duration::from_secs(5)).unwrap();
    driver.settle()?;
    let letter = dead_letters(&driver)?.remove(0).1;
    assert!(letter.contains("topic=lines") && letter.contains("trace=7"), "{letter}");
    assert!(!letter.contains("else"), "{letter}");
    Ok(())
}

#[test]
fn a_record_beyond_the_largest_size_is_set_aside() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).config(|c| c.record_bytes_max = 8).start()?;
    lines(&mut driver, &["12345678", "1234567"])?;
    assert_eq!(said(&driver)?, ["1234567 1"]);
    let why = "record of 9 bytes, at most 8 are taken";
    assert_eq!(dead_letters(&driver)?, [letter("12345678", 0, ("too_large", why))]);
    Ok(())
}

#[test]
fn a_record_far_ahead_of_the_clock_is_set_aside_and_moves_no_time() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    let hours = 2 * 3_600_000;
    driver.input::<String, String>("lines", Utf8, Utf8).send(
        &"k".into(),
        &"soon".into(),
        at(hours),
    )?;
    lines(&mut driver, &["a"])?;
    assert_eq!(said(&driver)?, ["a 1"]);
    let headers = "error=its time lies 7200 s ahead of the clock node=obedient offset=0 \
                   partition=0 reason=timestamp timestamp=7200000 topic=lines";
    assert_eq!(dead_letters(&driver)?, [("soon".into(), headers.into())]);
    Ok(())
}

#[test]
fn a_record_to_be_tried_again_holds_its_task_until_it_succeeds() -> Result<()> {
    let mut driver = Driver::of(obedient(3)?).start()?;
    let before = driver.now();
    lines(&mut driver, &["a", "retry", "b"])?;
    assert_eq!(said(&driver)?, ["a 1", "retry 2", "b 3"]);
    assert_eq!(dead_letters(&driver)?, []);
    assert!(driver.now().since(before) >= Duration::from_secs(3), "{:?}", driver.now());
    Ok(())
}

#[test]
fn a_fatal_fault_stops_its_task_and_no_other() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).partitions(2).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    for key in ["a", "b", "c", "d"] {
        input.send(&key.into(), &"hello".into(), at(0))?;
    }
    driver.settle()?;
    input.send(&"a".into(), &"fatal".into(), at(0))?;
    driver.settle()?;
    for key in ["a", "b", "c", "d"] {
        input.send(&key.into(), &"again".into(), at(0))?;
    }
    driver.settle()?;
    let said = history(&driver, "said", Utf8)?;
    let lines = |key: &str| said.get(key).map(|lines| lines.join(", "));
    assert_eq!(lines("a").as_deref(), Some("hello 1"));
    let others = ["b", "c", "d"].map(lines);
    let going = others.iter().flatten().filter(|lines| *lines == "hello 1, again 2").count();
    let standing = others.iter().flatten().filter(|lines| *lines == "hello 1").count();
    assert_eq!((going > 0, going + standing), (true, 3), "{said:?}");
    assert_eq!(driver.counted(Counter::StoppedTasks), 1);
    assert_eq!(driver.readers().len(), 1, "the stopped one is not read any more");
    Ok(())
}

#[test]
fn a_panic_behind_an_operator_with_a_store_leaves_the_store_in_place() -> Result<()> {
    let builder = Builder::new("app");
    builder
        .stream("lines", Utf8, Utf8)
        .count("counts", Utf8)
        .emit(Emit::EveryUpdate)
        .flat_map("picky", |count, out| {
            assert!(*count.value != 2 || count.key != "bad", "the second of bad");
            out.emit(count.key, count.value)
        })
        .to("out", Utf8, I64);
    let mut driver = Driver::of(builder.build()?).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    for key in ["bad", "good", "bad", "good"] {
        input.send(&key.into(), &"".into(), at(0))?;
    }
    driver.settle()?;
    assert_eq!(driver.output("out", Utf8, I64).latest()?, table("bad 1 | good 2"));
    assert_eq!(driver.counted(Counter::StoppedTasks), 0);
    Ok(())
}

#[test]
fn a_record_that_makes_a_commit_panic_is_found_and_set_aside_alone() -> Result<()> {
    let builder = Builder::new("app");
    builder
        .stream("lines", Utf8, Utf8)
        .count("counts", Utf8)
        .flat_map("picky", |count, out| {
            assert!(count.key != "bad", "never bad");
            out.emit(count.key, count.value)
        })
        .to("out", Utf8, I64);
    let mut driver = Driver::of(builder.build()?).partitions(2).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    for key in ["bad", "a", "b", "c", "d"] {
        input.send(&key.into(), &"".into(), at(0))?;
    }
    driver.settle()?;
    assert_eq!(driver.output("out", Utf8, I64).latest()?, table("a 1 | b 1 | c 1 | d 1"));
    let letters = dead_letters(&driver)?;
    assert!(letters[0].1.starts_with("error=the processor panicked: never bad"), "{letters:?}");
    assert_eq!((letters.len(), driver.counted(Counter::StoppedTasks)), (1, 0));
    Ok(())
}

/// Sets the line in hand aside when its timer fires, which is too late.
struct Late {
    due: Timers<String>,
}

impl Processor for Late {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        let at = cx.wall_time();
        cx.timers(self.due)?.set(line.key, at)
    }

    fn on_timer(&mut self, _due: Due<'_>, cx: &mut Context<'_, String, String>) -> Result<()> {
        cx.dead_letter("too late")
    }
}

#[test]
fn a_timer_has_no_record_to_set_aside() -> Result<()> {
    let builder = Builder::new("app");
    let due = builder.timers("due", Utf8);
    builder
        .stream("lines", Utf8, Utf8)
        .process("late", &[due.into()], move || Late { due })
        .to("said", Utf8, Utf8);
    let mut driver = Driver::of(builder.build()?).start()?;
    lines(&mut driver, &["a"; 600])?;
    assert_eq!(dead_letters(&driver)?, []);
    assert_eq!(driver.counted(Counter::StoppedTasks), 1);
    Ok(())
}

#[test]
fn the_record_that_makes_state_impossible_to_encode_is_found_and_set_aside_alone() -> Result<()> {
    let builder = Builder::new("app");
    let seen = builder.store("seen", Utf8, Superstitious);
    builder
        .stream("lines", Utf8, Utf8)
        .process("obedient", &[seen.into()], move || Obedient { seen, failures: Arc::default() })
        .to("said", Utf8, Utf8);
    let mut driver = Driver::of(builder.build()?).partitions(3).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    for key in ["x", "y", "z"] {
        input.send(&key.into(), &"a".into(), at(7))?;
    }
    (0..12).try_for_each(|_| input.send(&"x".into(), &"a".into(), at(7)))?;
    (0..3).try_for_each(|_| input.send(&"w".into(), &"a".into(), at(7)))?;
    driver.settle()?;
    let said = history(&driver, "said", Utf8)?;
    let counts: BTreeMap<_, _> = said.iter().map(|(key, lines)| (&**key, lines.len())).collect();
    assert_eq!(counts, BTreeMap::from([("w", 3), ("x", 12), ("y", 1), ("z", 1)]));
    assert_eq!((dead_letters(&driver)?.len(), driver.counted(Counter::StoppedTasks)), (1, 0));
    Ok(())
}

#[test]
fn a_record_that_makes_one_too_large_for_the_broker_is_set_aside() -> Result<()> {
    let builder = Builder::new("app");
    builder
        .stream("lines", Utf8, Utf8)
        .flat_map("doubled", |line, out| out.emit(line.key, &line.value.repeat(2)))
        .to("said", Utf8, Utf8);
    let mut driver = Driver::of(builder.build()?).start()?;
    lines(&mut driver, &["a", &"x".repeat(600_000), "b"])?;
    assert_eq!(said(&driver)?, ["aa", "bb"]);
    let (value, told) = dead_letters(&driver)?.remove(0);
    let why = "error=makes a record of 1200001 bytes, at most 1048064 are sent";
    assert_eq!((value.len(), told.starts_with(why)), (256 * 1024, true), "{told}");
    Ok(())
}

/// What rejects every line for this reason.
fn strict(why: &str) -> Result<Topology> {
    let builder = Builder::new("app");
    let why = why.to_owned();
    builder
        .stream::<String, String>("lines", Utf8, Utf8)
        .flat_map("strict", move |_, _| Err(Fault::Reject(why.clone())))
        .to("said", Utf8, Utf8);
    Ok(builder.build()?)
}

#[test]
fn of_a_long_reason_a_letter_tells_the_beginning() -> Result<()> {
    let mut driver = Driver::of(strict(&"x".repeat(20_000))?).start()?;
    lines(&mut driver, &["a"])?;
    let letters = driver.output::<Vec<u8>, Vec<u8>>(&driver.dead_letters(), Bytes, Bytes).rows()?;
    let told = letters.iter().map(|letter| letter.headers.get("__dlq.error").map(String::len));
    assert_eq!(told.collect::<Vec<_>>(), [Some(16 * 1024)]);
    Ok(())
}

#[test]
fn a_letter_lies_in_the_partition_that_its_record_came_from() -> Result<()> {
    let mut driver = Driver::of(strict("not this one")?).partitions(3).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    for key in 0..20 {
        input.send(&key.to_string(), &"x".into(), at(7))?;
    }
    driver.settle()?;
    let letters = driver.output::<Vec<u8>, Vec<u8>>(&driver.dead_letters(), Bytes, Bytes).rows()?;
    let place = |key: &Option<Vec<u8>>| key.as_ref().map(|key| partition_of(key, 3));
    assert!(letters.iter().all(|letter| Some(letter.partition) == place(&letter.key)));
    let partitions: BTreeSet<_> = letters.iter().map(|letter| letter.partition).collect();
    assert_eq!((letters.len(), partitions), (20, BTreeSet::from([0, 1, 2])));
    Ok(())
}

#[test]
fn a_record_that_makes_one_just_as_large_as_the_broker_takes_is_processed() -> Result<()> {
    let builder = Builder::new("app");
    builder
        .stream("lines", Utf8, Utf8)
        .flat_map("large", |line, out| out.emit(line.key, &"x".repeat(1_048_063)))
        .to("said", Utf8, Utf8);
    let mut driver = Driver::of(builder.build()?).start()?;
    lines(&mut driver, &["a"])?;
    let lengths: Vec<_> = said(&driver)?.iter().map(String::len).collect();
    assert_eq!((lengths, dead_letters(&driver)?), (vec![1_048_063], vec![]));
    Ok(())
}

#[test]
fn a_row_is_as_large_as_its_key_and_its_value_together() -> Result<()> {
    let builder = Builder::new("app");
    builder
        .stream("lines", Utf8, Utf8)
        .aggregate("last", Utf8, Utf8, |line, last: &mut String| {
            last.clone_from(line.value);
            Ok(())
        })
        .to("said", Utf8, Utf8);
    let mut driver = Driver::of(builder.build()?).start()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    input.send(&"k".repeat(2_000), &"v".repeat(4_000), at(7))?;
    driver.settle()?;
    assert_eq!((history(&driver, "said", Utf8)?.len(), dead_letters(&driver)?), (1, vec![]));
    Ok(())
}

#[test]
fn a_record_that_lies_just_an_hour_ahead_of_the_clock_is_taken() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    driver.settle()?;
    let ahead = driver.now().plus(Duration::from_secs(3_600));
    driver.input("lines", Utf8, Utf8).send(&"k".to_owned(), &"a".to_owned(), ahead)?;
    driver.settle()?;
    assert_eq!(said(&driver)?, ["a 1"]);
    Ok(())
}

#[test]
fn a_record_set_aside_is_not_tried_again_when_a_commit_comes_before_it() -> Result<()> {
    let mut driver = Driver::of(obedient(0)?).start()?;
    driver.settle()?;
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    // A turn takes 512: the third meets the last one, and the turns after that are committed in between.
    (0..1_100).try_for_each(|_| input.send(&"k".into(), &"a".into(), at(7)))?;
    input.send(&"k".into(), &"reject".into(), at(7))?;
    (0..4).try_for_each(|_| driver.step().map(drop))?;
    assert_eq!(driver.counted(Counter::Aborts), 1);
    driver.advance_clock(Duration::from_secs(1));
    driver.settle()?;
    assert_eq!((said(&driver)?.len(), dead_letters(&driver)?.len()), (1_100, 1));
    assert_eq!(driver.counted(Counter::Aborts), 1);
    Ok(())
}
