//! What a processor is called for, what it sees then, and who hears what it says.

use millstream::testing::Driver;
use millstream::{
    Builder, Context, Due, Fault, I64, Processor, Rec, Result, Timers, Topology, Utf8,
};

use crate::world::{at, history};

/// Says that it starts, and each line but those it rejects.
struct Starting;

impl Processor for Starting {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        match line.value.as_str() {
            "reject" => Err(Fault::Reject("not this one".into())),
            _ => cx.forward(line.key, line.value),
        }
    }

    fn on_start(&mut self, cx: &mut Context<'_, String, String>) -> Result<()> {
        cx.forward(&"k".into(), &"starts".into())
    }
}

fn say(driver: &mut Driver, lines: &[&str]) -> Result<()> {
    let input = driver.input::<String, String>("lines", Utf8, Utf8);
    lines.iter().try_for_each(|line| input.send(&"k".into(), &(*line).into(), at(0)))?;
    driver.settle()
}

#[test]
fn a_processor_hears_of_its_start_before_the_first_record_and_again_after_an_abort() -> Result<()> {
    let builder = Builder::new("app");
    let lines = builder.stream("lines", Utf8, Utf8);
    lines.process("starting", &[], || Starting).to("said", Utf8, Utf8);
    let mut driver = Driver::of(builder.build()?).start()?;
    driver.settle()?;
    say(&mut driver, &["a"])?;
    say(&mut driver, &["b", "reject", "c"])?;
    driver.restart(0)?;
    driver.settle()?;
    let said = history(&driver, "said", Utf8)?.remove("k");
    let expected = ["starts", "a", "starts", "b", "c", "starts"].map(str::to_owned);
    assert_eq!(said, Some(expected.into()));
    Ok(())
}

/// Says the offset of the record in hand, at a record and at a timer that is due at once.
struct Telling {
    due: Timers<String>,
}

impl Telling {
    fn tell(key: &String, cx: &mut Context<'_, String, i64>) -> Result<()> {
        let offset = cx.origin().map_or(-1, |record| record.offset.0);
        cx.forward(key, &offset)
    }
}

impl Processor for Telling {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<()> {
        let now = cx.wall_time();
        cx.timers(self.due)?.set(line.key, now)?;
        Self::tell(line.key, cx)
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut Context<'_, String, i64>) -> Result<()> {
        due.of(self.due).map_or(Ok(()), |key| Self::tell(key, cx))
    }
}

fn telling() -> Result<Topology> {
    let builder = Builder::new("app");
    let due = builder.timers("due", Utf8);
    builder
        .stream("lines", Utf8, Utf8)
        .process("telling", &[due.into()], move || Telling { due })
        .to("said", Utf8, I64);
    Ok(builder.build()?)
}

#[test]
fn a_record_is_in_hand_while_it_is_processed_and_none_is_at_a_timer() -> Result<()> {
    let mut driver = Driver::of(telling()?).start()?;
    say(&mut driver, &["a"])?;
    say(&mut driver, &["b"])?;
    assert_eq!(history(&driver, "said", I64)?.remove("k"), Some(vec![0, -1, 1, -1]));
    Ok(())
}

#[test]
fn everybody_who_is_attached_to_a_stream_hears_of_its_records() -> Result<()> {
    let builder = Builder::new("app");
    let lines = builder.stream("lines", Utf8, Utf8);
    for (name, topic) in [("first", "one"), ("second", "two")] {
        lines.filter(name, |_| true).to(topic, Utf8, Utf8);
    }
    let mut driver = Driver::of(builder.build()?).start()?;
    say(&mut driver, &["a", "b"])?;
    for topic in ["one", "two"] {
        let heard = history(&driver, topic, Utf8)?.remove("k");
        assert_eq!(heard, Some(vec!["a".to_owned(), "b".to_owned()]), "{topic}");
    }
    Ok(())
}
