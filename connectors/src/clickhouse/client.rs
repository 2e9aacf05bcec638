//! The client through which every question and every insert passes, so that slow ones are told.

use std::any::type_name;
use std::io::{self, Write};
use std::time::Duration;

use ::clickhouse::error::Result;
use ::clickhouse::query::RowCursor;
use ::clickhouse::sql::Bind;
use ::clickhouse::{Row, RowOwned, RowRead, RowWrite};
use serde::Serialize;

use crate::slow::{Call, Server, Shape, shapes, watched};

/// See the module.
#[derive(Clone)]
pub(super) struct Client(pub(super) ::clickhouse::Client);

impl Client {
    /// Of this database.
    pub(super) fn with_database(self, database: &str) -> Self {
        Self(self.0.with_database(database))
    }

    /// With a setting for everything that is asked.
    pub(super) fn with_setting(self, name: &str, value: impl Into<String>) -> Self {
        Self(self.0.with_setting(name, value))
    }

    /// A question in which `?` stands for what is bound.
    pub(super) fn query<'s>(&self, statement: &'s str) -> Question<'s> {
        Question { statement, query: self.0.query(statement), shapes: Vec::new() }
    }

    /// A question in which `?` is itself.
    pub(super) fn query_raw<'s>(&self, statement: &'s str) -> Question<'s> {
        Question { statement, query: self.0.query_raw(statement), shapes: Vec::new() }
    }

    /// An insert into a table.
    pub(super) async fn insert<T: Row>(&self, table: &str) -> Result<Insert<T>> {
        Ok(Insert { insert: self.0.insert(table).await?, table: table.to_owned(), rows: 0 })
    }
}

/// A question, with what is given to it.
pub(super) struct Question<'s> {
    statement: &'s str,
    query: ::clickhouse::query::Query,
    shapes: Vec<Shape>,
}

impl Question<'_> {
    /// Binds the next `?`.
    pub(super) fn bind<T: Bind>(mut self, value: T) -> Self {
        self.note::<T>(|| None);
        self.query = self.query.bind(value);
        self
    }

    /// Gives a parameter of this name.
    pub(super) fn param<T: Serialize>(mut self, name: &str, value: T) -> Self {
        self.note::<T>(|| length(&value));
        self.query = self.query.param(name, value);
        self
    }

    /// With a setting of its own.
    pub(super) fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.query = self.query.with_setting(name, value);
        self
    }

    fn note<T>(&mut self, bytes: impl FnOnce() -> Option<usize>) {
        if Server::ClickHouse.is_watched() {
            self.shapes.push(Shape { kind: short(type_name::<T>()), bytes: bytes() });
        }
    }

    /// Every row of the answer.
    pub(super) async fn fetch_all<T: RowOwned + RowRead>(self) -> Result<Vec<T>> {
        let Self { statement, query, shapes } = self;
        watched(Server::ClickHouse, || call(statement, &shapes), query.fetch_all()).await
    }

    /// The only row.
    pub(super) async fn fetch_one<T: RowOwned + RowRead>(self) -> Result<T> {
        let Self { statement, query, shapes } = self;
        watched(Server::ClickHouse, || call(statement, &shapes), query.fetch_one()).await
    }

    /// The only row, if there is one.
    pub(super) async fn fetch_optional<T: RowOwned + RowRead>(self) -> Result<Option<T>> {
        let Self { statement, query, shapes } = self;
        watched(Server::ClickHouse, || call(statement, &shapes), query.fetch_optional()).await
    }

    /// Rows as they come: they take as long as whoever reads them, and nobody is told.
    pub(super) fn fetch<T: Row>(self) -> Result<RowCursor<T>> {
        self.query.fetch()
    }

    /// Nothing but that it is done.
    pub(super) async fn execute(self) -> Result<()> {
        let Self { statement, query, shapes } = self;
        watched(Server::ClickHouse, || call(statement, &shapes), query.execute()).await
    }
}

/// Rows on their way into a table.
pub(super) struct Insert<T> {
    insert: ::clickhouse::insert::Insert<T>,
    table: String,
    rows: u64,
}

impl<T: Row> Insert<T> {
    /// A piece of it may take so long to leave, and the answer so long to come.
    pub(super) fn with_timeouts(mut self, send: Duration, answer: Duration) -> Self {
        self.insert = self.insert.with_timeouts(Some(send), Some(answer));
        self
    }

    /// With a setting of its own.
    pub(super) fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.insert = self.insert.with_setting(name, value);
        self
    }

    /// One row more.
    pub(super) async fn write(&mut self, row: &T::Value<'_>) -> Result<()>
    where
        T: RowWrite,
    {
        self.rows += 1;
        self.insert.write(row).await
    }

    /// Waits until the server has them all.
    pub(super) async fn end(self) -> Result<()> {
        let Self { insert, table, rows } = self;
        let call = || Call {
            statement: format!("INSERT INTO {table}"),
            parameters: format!("{rows} rows"),
        };
        watched(Server::ClickHouse, call, insert.end()).await
    }
}

fn call(statement: &str, of: &[Shape]) -> Call {
    Call { statement: statement.to_owned(), parameters: shapes(of) }
}

/// A type by its name alone: `Vec<String>` in place of `alloc::vec::Vec<alloc::string::String>`.
fn short(name: &str) -> String {
    let mut short = String::new();
    for part in name.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// How long a value is, written as text.
fn length(value: &impl Serialize) -> Option<usize> {
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, value).ok().map(|()| counted.0)
}

/// Counts what is written to it.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_by_its_name_and_a_value_by_its_length() {
        let names =
            [type_name::<Vec<String>>(), type_name::<&u64>(), type_name::<(i32, Option<Call>)>()];
        assert_eq!(names.map(short), ["Vec<String>", "&u64", "(i32, Option<Call>)"]);
        assert_eq!(length(&["ab", "c"]), Some(10));
    }
}
