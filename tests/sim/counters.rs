//! What processors count under a name of their own.

use millstream::broker::{Call, Code, Failure};
use millstream::testing::Driver;
use millstream::{Builder, Context, Counter, Family, I64, Processor, Rec, Result, Utf8};

use crate::world::at;

const SEEN: Family = Family::new("seen_total", "The sum of what came.");
const RECORDS: Family = Family::new("records_total", "What came.");
const ID: &str = "counting-instance-0-0";

/// Counts the numbers that come.
struct Counting;

impl Processor for Counting {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &mut self,
        record: Rec<'_, String, i64>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<()> {
        cx.count(SEEN, record.value.unsigned_abs());
        cx.count(RECORDS, 1);
        cx.forward(record.key, record.value)
    }
}

#[test]
fn what_processors_count_is_added_up_by_name_and_once_when_a_commit_is_done_again() -> Result<()> {
    let builder = Builder::new("counting");
    builder.stream("numbers", Utf8, I64).process("count", &[], || Counting).to("out", Utf8, I64);
    let mut driver = Driver::of(builder.build()?).partitions(1).start()?;
    let send = |driver: &Driver, n| driver.input("numbers", Utf8, I64).send(&"a".into(), &n, at(0));
    send(&driver, 2)?;
    send(&driver, 3)?;
    driver.settle()?;
    assert_eq!((driver.counted_as(SEEN), driver.counted_as(RECORDS)), (Some(5), Some(2)));
    let abortable = Failure::new(Call::Commit, Code::InvalidTransactionState, "x").abortable();
    driver.broker().faults().refuse_next(ID, abortable);
    send(&driver, 7)?;
    driver.settle()?;
    assert_eq!(driver.counted(Counter::Aborts), 1);
    assert_eq!((driver.counted_as(SEEN), driver.counted_as(RECORDS)), (Some(12), Some(3)));
    Ok(())
}
