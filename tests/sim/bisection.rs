//! The search for a poison record while timers are due and a broadcast has changed: a record that is tried alone comes
//! first, with nothing beside it that might be to blame, and whatever waited is done after it.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{
    Broadcast, BroadcastChange, Builder, ChangedKey, Context, Counter, Due, I64, Processor, Rec,
    Result, Store, Timers, Topology, Utf8,
};

use crate::world::{Superstitious, at, dead_letters};

/// An alarm that rings sets itself again, due at once, until it has come down to 100: there is one due for several rounds.
const ALARMS: i64 = 6_100;

/// Keeps each number, and says in which order it was called for what.
struct Diary {
    numbers: Store<String, i64>,
    alarms: Timers<String>,
    prices: Broadcast<String, i64>,
}

impl Processor for Diary {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &mut self,
        number: Rec<'_, String, i64>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        if *number.value == 0 {
            let later = cx.wall_time().plus(Duration::from_secs(1));
            cx.timers(self.alarms)?.set(&"alarm".into(), later)?;
        }
        cx.store(self.numbers)?.put(&number.value.to_string(), *number.value)?;
        cx.forward(number.key, &format!("number {}", number.value))
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut Context<'_, String, String>) -> Result<()> {
        let Some(alarm) = due.of(self.alarms) else { return Ok(()) };
        let left = cx.store(self.numbers)?.get(alarm)?.copied().unwrap_or(ALARMS);
        cx.store(self.numbers)?.put(alarm, left - 1)?;
        if left > 100 {
            let now = cx.wall_time();
            cx.timers(self.alarms)?.set(alarm, now)?;
        }
        cx.forward(alarm, &"alarm".into())
    }

    fn on_change(
        &mut self,
        change: BroadcastChange<'_>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<()> {
        match change.of(self.prices) {
            Some(ChangedKey::Key(key)) => cx.forward(key, &"price".into()),
            Some(ChangedKey::Resync) | None => Ok(()),
        }
    }
}

fn diary() -> Result<Topology> {
    let builder = Builder::new("app");
    let numbers = builder.store("numbers", Utf8, Superstitious);
    let alarms = builder.timers("alarms", Utf8);
    let prices = builder.broadcast("prices", Utf8, I64);
    builder
        .stream("numbers", Utf8, I64)
        .process("diary", &[numbers.into(), alarms.into(), prices.into()], move || Diary {
            numbers,
            alarms,
            prices,
        })
        .to("diary", Utf8, Utf8);
    Ok(builder.build()?)
}

fn send(driver: &Driver, numbers: &[i64]) -> Result<()> {
    let input = driver.input::<String, i64>("numbers", Utf8, I64);
    numbers.iter().try_for_each(|number| input.send(&"k".into(), number, at(0)))
}

/// What was committed, one line a transaction, as a marker stands between two; the same again and again is said once.
fn transactions(driver: &Driver) -> Result<Vec<String>> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut next = None;
    for row in driver.output::<String, String>("diary", Utf8, Utf8).rows()? {
        if next != Some(row.offset) {
            lines.push(Vec::new());
        }
        next = Some(row.offset.next());
        if let Some(line) = lines.last_mut() {
            line.extend(row.value);
        }
    }
    lines.iter_mut().for_each(Vec::dedup);
    Ok(lines.iter().map(|line| line.join(", ")).collect())
}

#[test]
fn a_record_tried_alone_comes_before_due_timers_and_changes_and_they_come_after_it() -> Result<()> {
    let mut driver = Driver::of(diary()?).start()?;
    send(&driver, &[0])?;
    driver.settle()?;
    driver.input::<String, i64>("prices", Utf8, I64).send(&"p".into(), &1, at(0))?;
    send(&driver, &[1, 13, 2])?;
    driver.advance_clock(Duration::from_secs(2));
    driver.settle()?;
    // After an abort, which starts the operators anew, timers and changes go first and without a record; the next
    // transaction is a record alone. The 13 is the third of them: it fails alone, and is set aside alone.
    let expected =
        ["number 0", "price, alarm", "number 1", "alarm", "alarm", "alarm, number 2", "alarm"];
    assert_eq!(transactions(&driver)?, expected);
    let letters = dead_letters(&driver)?;
    assert_eq!((letters.len(), driver.counted(Counter::StoppedTasks)), (1, 0), "{letters:?}");
    Ok(())
}

#[test]
fn what_is_due_and_what_has_changed_comes_before_the_records_of_a_round() -> Result<()> {
    let mut driver = Driver::of(diary()?).start()?;
    send(&driver, &[0])?;
    driver.settle()?;
    driver.input::<String, i64>("prices", Utf8, I64).send(&"p".into(), &1, at(0))?;
    send(&driver, &[1, 2])?;
    driver.advance_clock(Duration::from_secs(2));
    driver.settle()?;
    let transactions = transactions(&driver)?;
    assert!(transactions[1].starts_with("price, alarm, number 1, number 2"), "{transactions:?}");
    Ok(())
}
