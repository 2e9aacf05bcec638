//! Rows as a line of text: `be 2 | not 1 | to 2`, so that a test shows what it expects.

use std::collections::BTreeMap;
use std::fmt;

/// Keys and values as text, in the order of the keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Table(BTreeMap<String, String>);

impl Table {
    /// A table of these rows.
    pub fn of(rows: BTreeMap<String, String>) -> Self {
        Self(rows)
    }
}

/// Reads a table: rows between `|`, each a key, a space and a value.
pub fn table(text: &str) -> Table {
    let rows = text.split('|').map(str::trim).filter(|row| !row.is_empty());
    Table(
        rows.map(|row| row.rsplit_once(' ').unwrap_or((row, "")))
            .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
            .collect(),
    )
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.0.iter().map(|(key, value)| format!("{key} {value}")).collect();
        f.write_str(&rows.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_what_it_prints() {
        let read = table(" to 2| be 2 |a key 1");
        assert_eq!(format!("{read:?}"), "a key 1 | be 2 | to 2");
        assert_eq!(table(&format!("{read:?}")), read);
    }
}
