//! Stores asked by name while the engine works: what is shown, in what right, and where it stands.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Emit, Position, Query, Result, Role, Row, Scan, Unanswered};
use serde_json::json;

use crate::world::{at, say, word_count};

/// The rows of all partitions that a process shows, with the right in which it does.
fn shown(query: &Query) -> Vec<(Role, Vec<String>)> {
    let scan = Scan { rows_max: 9, bytes_max: 999, ..Scan::default() };
    let rows = (0..3).filter_map(|partition| query.rows("counts", &scan, partition).ok());
    let text = |row: Row| format!("{} {}", row.key, row.value);
    rows.map(|found| (found.role, found.what.rows.into_iter().map(text).collect())).collect()
}

#[test]
fn a_row_is_found_by_the_text_of_its_key_with_where_its_task_stood() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::OnCommit)?).partitions(1).start()?;
    say(&driver, "a", "to be or not to be")?;
    driver.settle()?;
    let query = driver.query(0)?;
    let found = query.row("counts", "be", 0).unwrap();
    let row = Row { key: "be".into(), at: at(0).0, value: json!(2) };
    assert_eq!(
        (found.role, found.what.as_ref().map(|row| &row.value)),
        (Role::Active, Some(&row.value))
    );
    let read: Position = "word-count-words-repartition-0@6".parse().unwrap();
    assert_eq!((found.standing.position, found.standing.behind_records), (read, Some(0)));
    assert_eq!(query.row("counts", "been", 0).unwrap().what, None);
    assert_eq!(query.row("count", "be", 0), Err(Unanswered::NoStore));
    assert_eq!(query.row("counts", "be", 1), Err(Unanswered::Unreadable("partition")));
    Ok(())
}

#[test]
fn a_scan_goes_on_where_it_ended_and_a_prefix_bounds_it() -> Result<()> {
    let mut driver = Driver::of(word_count(Emit::OnCommit)?).partitions(1).start()?;
    say(&driver, "a", "tea to toe be two tx")?;
    driver.settle()?;
    let query = driver.query(0)?;
    let scan = |prefix: Option<&str>, from: Option<&str>, rows_max| {
        let (prefix, from) = (prefix.map(str::to_owned), from.map(str::to_owned));
        let scan = Scan { prefix, from, to: None, rows_max, bytes_max: 999 };
        let found = query.rows("counts", &scan, 0).unwrap().what;
        (found.rows.into_iter().map(|row| row.key).collect::<Vec<_>>().join(" "), found.next)
    };
    assert_eq!(scan(None, None, 2), ("be tea".into(), Some("to".into())));
    assert_eq!(scan(None, Some("to"), 9), ("to toe two tx".into(), None));
    assert_eq!(scan(Some("to"), None, 9), ("to toe".into(), None));
    assert_eq!(scan(Some("t"), Some("tp"), 1), ("two".into(), Some("tx".into())));
    Ok(())
}

#[test]
fn what_was_given_up_is_shown_as_it_was_until_its_time_is_over_or_it_is_opened_here_again()
-> Result<()> {
    let mut driver = Driver::of(word_count(Emit::OnCommit)?).partitions(3).instances(2).start()?;
    driver.kill(0);
    say(&driver, "a", "to be or not to be")?;
    driver.advance(Duration::from_secs(60))?;
    let everything = shown(&driver.query(1)?);
    assert_eq!(everything.iter().filter(|(role, _)| *role == Role::Active).count(), 3);
    driver.restart(0)?;
    driver.settle()?;
    say(&driver, "a", "to be or not to be")?;
    driver.settle()?;
    let (new, old) = (shown(&driver.query(0)?), shown(&driver.query(1)?));
    let given_up: Vec<_> = old.iter().filter(|(role, _)| *role == Role::LastCommitted).collect();
    assert!(!given_up.is_empty() && given_up.len() == new.len(), "{new:?} {old:?}");
    for (_, rows) in given_up {
        assert!(
            everything.contains(&(Role::Active, rows.clone())),
            "{rows:?} is what was committed"
        );
    }
    // Its own go on, those of the other were given up.
    driver.advance(Duration::from_secs(61))?;
    let kept = shown(&driver.query(1)?);
    assert!(kept.iter().all(|(role, _)| *role == Role::Active), "{kept:?}");
    driver.kill(0);
    driver.advance(Duration::from_secs(60))?;
    driver.settle()?;
    assert_eq!(shown(&driver.query(1)?).len(), 3);
    Ok(())
}
