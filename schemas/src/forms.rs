//! The forms in which a like and a post may lie in their topics, and what each means: one table.

use crate::{Cdc, Like, NoRegistry, Op, Payload, Post, Row};

const LIKE: &str = r#""id":"0190a6c2-0000-7000-a000-000000000001","post_id":"0190a6c2-0000-7000-9000-000000000001","user_id":"0190a6c2-0000-7000-8000-000000000001""#;
const POST: &str = r#""id":"0190a6c2-0000-7000-9000-000000000001","user_id":"0190a6c2-0000-7000-8000-000000000001","created_at":1763000000123"#;
/// The time of the records.
const NOW: i64 = 1_763_000_100_000;

/// What a record means, in few words.
fn meaning<R: Row>(key: Option<&str>, value: Option<&[u8]>) -> String {
    let key = key.map(|key| Payload::json(key.as_bytes()));
    let value = value.map(|value| Payload::of(value, &NoRegistry).unwrap());
    let change = match Cdc::<R>::decode(key.as_ref(), value.as_ref()) {
        Ok(Cdc::Change(change)) => change,
        Ok(Cdc::Tombstone) => return "tombstone".into(),
        Ok(Cdc::Message) => return "message".into(),
        Err(poison) => return poison.to_string(),
    };
    if let Some(poison) = change.implausible(NOW) {
        return poison.to_string();
    }
    let named = if change.key.is_some() { "" } else { " of no row" };
    match (change.live(), change.op) {
        (Some(row), _) => format!("live at {} by {}", row.created_at_ms(), change.lsn),
        (None, Op::Delete) => format!("deleted by {}{named}", change.lsn),
        (None, _) => format!("marked deleted by {}", change.lsn),
    }
}

fn like(columns: &str) -> String {
    format!(r#"{{"op":"c","source":{{"lsn":5}},"after":{{{LIKE},{columns}}}}}"#)
}

fn flat(marks: &str) -> String {
    format!(r#"{{{LIKE},"created_at":1763000000123{marks}}}"#)
}

fn assert_table<R: Row>(table: &[(&str, String, &str)]) {
    let found: Vec<_> = table
        .iter()
        .map(|(form, value, _)| format!("{form}: {}", meaning::<R>(None, Some(value.as_bytes()))))
        .collect();
    let found: Vec<_> =
        found.iter().map(|line| line.split(" at line ").next().unwrap_or_default()).collect();
    let expected: Vec<_> =
        table.iter().map(|(form, _, meaning)| format!("{form}: {meaning}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_time_in_any_unit_is_the_same_time_and_one_that_cannot_be_meant_is_named() {
    let time = |at: &str| like(&format!(r#""created_at":{at}"#));
    let live = "live at 1763000000123 by 5";
    assert_table::<Like>(&[
        ("ms", time("1763000000123"), live),
        ("us", time("1763000000123456"), live),
        ("ns", time("1763000000123456789"), live),
        ("ISO", time(r#""2025-11-13T02:13:20.123Z""#), live),
        (
            "seconds",
            time("1763000000"),
            "decode like: created_at: expected a time from 1990 to a day after the record's, in ms, us or ns, found 1763000000",
        ),
        ("a day ahead", time("1763086500000"), "live at 1763086500000 by 5"),
        (
            "further ahead",
            time("1763086500001"),
            "decode like: created_at: expected a time from 1990 to a day after the record's, in ms, us or ns, found 1763086500001",
        ),
        ("no time", time("null"), "decode like: created_at: expected a time, found nothing"),
        (
            "a fraction",
            time("1763000000.5"),
            "decode like: created_at: expected a time, found 1763000000.5",
        ),
    ]);
}

#[test]
fn a_flattened_row_is_taken_with_its_marks_and_refused_by_name_without() {
    let refused = "decode like: op: expected r, c, u, d or m, found a row flattened by ExtractNewRecordState without __op, __deleted or __lsn: \
        set add.fields=op,lsn and delete.tombstone.handling.mode=rewrite";
    let wrapped = format!(
        r#"{{"schema":{{}},"payload":{}}}"#,
        flat(r#","__op":"c","__deleted":"false","__lsn":9"#)
    );
    let live = "live at 1763000000123 by 9";
    let table = [
        ("all marks", flat(r#","__op":"c","__deleted":"false","__lsn":9"#), live),
        ("source_lsn", flat(r#","__op":"u","__deleted":"false","__source_lsn":9"#), live),
        ("a bool", flat(r#","__op":"r","__deleted":false,"__lsn":9"#), live),
        ("wrapped", wrapped, live),
        ("deleted", flat(r#","__op":"d","__deleted":"true","__lsn":9"#), "deleted by 9"),
        ("rewritten", flat(r#","__op":"u","__deleted":"true","__lsn":9"#), "deleted by 9"),
        (
            "another op",
            flat(r#","__op":"x","__deleted":"true","__lsn":9"#),
            "decode like: __op: expected r, c, u or d, found \"x\"",
        ),
    ];
    assert_table::<Like>(&table);
    for marks in
        ["", r#","__op":"c""#, r#","__op":"c","__lsn":9"#, r#","__op":"c","__deleted":"false""#]
    {
        let found = meaning::<Like>(None, Some(flat(marks).as_bytes()));
        assert_eq!(found, refused, "{marks}");
    }
    for mark in [r#""__op":"c""#, r#""__deleted":"false""#, r#""__lsn":9"#] {
        let found = meaning::<Like>(None, Some(format!("{{{mark}}}").as_bytes()));
        assert_eq!(found, refused, "{mark} alone");
    }
}

#[test]
fn what_is_no_change_of_a_row_is_refused_by_its_name() {
    let op = |found: &str| format!("decode like: op: expected r, c, u, d or m, found {found}");
    let heartbeat = op("a heartbeat of Debezium: it belongs to a topic of its own");
    let schema = op("a schema change of Debezium: it belongs to a topic of its own");
    let transaction = op("transaction metadata of Debezium: it belongs to a topic of its own");
    assert_table::<Like>(&[
        ("heartbeat", r#"{"ts_ms":1763000000123}"#.into(), &heartbeat),
        ("begin", r#"{"status":"BEGIN","id":"571:5","event_count":null,"data_collections":null,"ts_ms":1}"#.into(), &transaction),
        ("end", r#"{"status":"END","id":"571:5","event_count":2,"data_collections":[],"ts_ms":1}"#.into(), &transaction),
        ("end without collections", r#"{"status":"END","event_count":2,"ts_ms":1}"#.into(), &transaction),
        ("end without a count", r#"{"status":"END","data_collections":[],"ts_ms":1}"#.into(), &transaction),
        ("schema change", r#"{"source":{"lsn":1},"databaseName":"d","ddl":"DROP TABLE likes","tableChanges":[]}"#.into(), &schema),
        ("schema change without words", r#"{"ts_ms":1,"databaseName":"d","tableChanges":[{"type":"ALTER"}]}"#.into(), &schema),
        ("message", r#"{"op":"m","source":{"lsn":1}}"#.into(), "message"),
        ("nothing", "{}".into(), &op("nothing")),
        (
            "envelope without op",
            r#"{"before":null,"after":{"id":"x"},"ts_ms":1}"#.into(),
            "decode like: op: expected r, c, u, d or m, found nothing",
        ),
        (
            "of another table",
            r#"{"op":"c","source":{"lsn":1,"table":"posts"},"after":{}}"#.into(),
            "decode like: source.table: expected the table of this topic, found \"posts\"",
        ),
        (
            "of a table that a router renamed",
            r#"{"op":"m","source":{"lsn":1,"table":"app_likes"}}"#.into(),
            "message",
        ),
    ]);
}

#[test]
fn every_form_of_a_row_that_was_ever_met_means_what_it_must() {
    let value = "decode post: value: expected a Debezium envelope in JSON, found ";
    let post =
        |columns: &str| format!(r#"{{"op":"u","source":{{"lsn":5}},"after":{{{POST}{columns}}}}}"#);
    let live = "live at 1763000000123 by 5";
    let cut = post("");
    assert_table::<Post>(&[
        ("unknown columns", post(r#","x":{"y":[1]}"#), live),
        ("a large value not repeated", post(r#","content":"__debezium_unavailable_value""#), live),
        ("deleted_at", post(r#","deleted_at":1"#), "marked deleted by 5"),
        ("a null deleted_at", post(r#","deleted_at":null"#), live),
        ("escapes", post(r#","content":"a\u0000\"b""#), live),
        ("cut off", cut[..cut.len() - 9].into(), &format!("{value}EOF while parsing an object")),
        ("a byte order mark", format!("\u{feff}{}", post("")), &format!("{value}expected value")),
        (
            "a key twice",
            post(r#","content":"a","content":"b""#),
            &format!("{value}duplicate field `content`"),
        ),
        ("two values", format!("{0}{0}", post("")), &format!("{value}trailing characters")),
        (
            "a delete without columns",
            r#"{"op":"d","source":{"lsn":5}}"#.into(),
            "deleted by 5 of no row",
        ),
        ("deep", post(&format!(r#","x":{}{}"#, "[".repeat(100_000), "]".repeat(100_000))), live),
    ]);
    assert_eq!(meaning::<Post>(Some("null"), None), "tombstone");
    let key = Some(r#"{"id":"0190a6c2-0000-7000-9000-000000000001"}"#);
    assert_eq!(meaning::<Post>(key, Some(br#"{"op":"d","source":{"lsn":5}}"#)), "deleted by 5");
}
