//! What a sink writes beside values: headers, and the partition of what has no key.

use std::collections::BTreeMap;

use millstream::testing::Driver;
use millstream::{Builder, Header, Nullable, Result, Timestamp, Utf8, encode_header};

#[test]
fn a_sink_writes_the_headers_of_each_record() -> Result<()> {
    let builder = Builder::new("headers");
    builder.stream("lines", Utf8, Utf8).filter("all", |_| true).to_with_headers(
        "told",
        Utf8,
        Utf8,
        |line, out| {
            let value = Some(line.value.as_bytes());
            encode_header(Header { name: "said", value }, out);
        },
    );
    let mut driver = Driver::of(builder.build()?).start()?;
    let lines = driver.input("lines", Utf8, Utf8);
    for line in ["one", "two"] {
        lines.send(&"a".into(), &line.into(), Timestamp(0))?;
    }
    driver.settle()?;
    let told = driver.output::<String, String>("told", Utf8, Utf8).rows()?;
    let headers: Vec<_> = told.into_iter().map(|row| row.headers).collect();
    let said = |line: &str| BTreeMap::from([("said".to_owned(), line.to_owned())]);
    assert_eq!(headers, [said("one"), said("two")]);
    Ok(())
}

#[test]
fn records_without_a_key_go_to_all_partitions_in_turn() -> Result<()> {
    let builder = Builder::new("keyless");
    builder
        .stream("lines", Utf8, Utf8)
        .flat_map("unkeyed", |line, out| out.emit(&None, line.value))
        .to("told", Nullable(Utf8), Utf8);
    let mut driver = Driver::of(builder.build()?).partitions(3).start()?;
    let lines = driver.input("lines", Utf8, Utf8);
    for line in ["one", "two", "three", "four", "five", "six"] {
        lines.send(&"a".into(), &line.into(), Timestamp(0))?;
    }
    driver.settle()?;
    let mut lines_of = [0; 3];
    for row in driver.output::<Option<String>, String>("told", Nullable(Utf8), Utf8).rows()? {
        lines_of[row.partition as usize] += 1;
    }
    assert_eq!(lines_of, [2, 2, 2]);
    Ok(())
}
