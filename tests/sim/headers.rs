//! What a sink writes beside keys and values.

use std::collections::BTreeMap;

use millstream::testing::Driver;
use millstream::{Builder, Header, Result, Timestamp, Utf8, encode_header};

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
