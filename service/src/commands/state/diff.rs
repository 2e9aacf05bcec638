//! A store of two applications, compared: of one that was rebuilt beside the running one, say, before it takes over.
//!
//! Rows are compared by key, values alone: their times are those of the records that made them last. Both go on meanwhile, so a
//! row that does not look equal is read again on both sides, and differs if it still does.

use std::collections::BTreeMap;
use std::time::Duration;

use form_urlencoded::Serializer;
use millstream::Exit;
use serde::Serialize;
use serde_json::Value;

use super::read;
use super::workers::Workers;
use crate::failed::Failed;
use crate::stores::answer::Answer;
use crate::stores::question::{ROWS_MAX, escaped};

/// How often a row is read again, and how long is waited before that.
const LOOKS: usize = 3;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// So many rows that do not look equal are looked at again; of more the stores are not the same.
const SUSPECTS_MAX: usize = 1_000;

/// A row that differs: what each has of it, if anything.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    key: String,
    here: Option<Value>,
    there: Option<Value>,
}

type Rows = BTreeMap<String, Value>;

/// Compares a store, and says every row that differs; an error if one does.
pub(super) async fn compare(
    (here, there): (&Workers, &Workers),
    store: &str,
    is_json: bool,
    say: impl Fn(&str) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let (of_here, of_there) = (rows(here, store).await?, rows(there, store).await?);
    let (compared, mut differences) = (of_here.len(), differ(&of_here, &of_there));
    drop((of_here, of_there));
    let mut looks = 0;
    while looks < LOOKS && !differences.is_empty() && differences.len() <= SUSPECTS_MAX {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let mut left = Vec::new();
        for Difference { key, .. } in differences {
            let (here, there) = (row(here, store, &key).await?, row(there, store, &key).await?);
            left.extend((here != there).then_some(Difference { key, here, there }));
        }
        differences = left;
        looks += 1;
    }
    for of in &differences {
        let json = serde_json::to_string(of).map_err(|e| e.to_string())?;
        say(&if is_json { format!("{json}\n") } else { of.lines() })?;
    }
    match differences.len() {
        0 if is_json => Ok(()),
        0 => say(&format!("{compared} rows of {store}, none differs\n")),
        count => Err(Failed(Exit::Failed, format!("{count} rows of {store} differ"))),
    }
}

/// The rows that are not the same in both.
fn differ(here: &Rows, there: &Rows) -> Vec<Difference> {
    let only_there = there.keys().filter(|key| !here.contains_key(*key));
    let keys = here.keys().chain(only_there);
    let found = keys.filter(|key| here.get(*key) != there.get(*key)).map(|key| Difference {
        key: key.clone(),
        here: here.get(key).cloned(),
        there: there.get(key).cloned(),
    });
    found.collect()
}

impl Difference {
    fn lines(&self) -> String {
        let line = |sign, value: &Option<Value>| {
            let value = value.as_ref();
            value.map_or_else(String::new, |value| format!("{sign} {}  {value}\n", self.key))
        };
        format!("{}{}", line('-', &self.here), line('+', &self.there))
    }
}

/// All rows of a store. One that every partition has under the same key stands for each of them.
async fn rows(of: &Workers, store: &str) -> Result<Rows, Failed> {
    let mut rows = Rows::new();
    let mut next: Option<String> = None;
    loop {
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", &ROWS_MAX.to_string());
        if let Some(next) = &next {
            query.append_pair("next", next);
        }
        let path = format!("/state/v1/stores/{}?{}", escaped(store), query.finish());
        let answer: Answer = read(of.ask(&path).await?)?;
        let found = answer.parts.into_iter().flat_map(|part| part.rows);
        rows.extend(found.map(|row| (row.key, row.value)));
        next = answer.next;
        if next.is_none() {
            return Ok(rows);
        }
    }
}

/// The value of a key as it is now, if it has one.
async fn row(of: &Workers, store: &str, key: &str) -> Result<Option<Value>, Failed> {
    let path = format!("/state/v1/stores/{}/{}", escaped(store), escaped(key));
    let answer: Answer = match of.find(&path).await? {
        None => return Ok(None),
        Some(answer) => read(answer)?,
    };
    Ok(answer.parts.into_iter().flat_map(|part| part.rows).next().map(|row| row.value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(of: &[(&str, i64)]) -> Rows {
        of.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect()
    }

    #[test]
    fn what_one_has_and_what_each_has_otherwise_differs() {
        let found =
            differ(&rows(&[("a", 1), ("b", 2), ("c", 3)]), &rows(&[("b", 2), ("c", 4), ("d", 5)]));
        let lines: String = found.iter().map(Difference::lines).collect();
        assert_eq!(lines, "- a  1\n- c  3\n+ c  4\n+ d  5\n");
    }
}
