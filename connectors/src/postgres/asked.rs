//! A statement with what is bound to it, through which the questions of this folder pass, so that slow ones are told.
//!
//! Two do not: rows that stream by take as long as whoever reads them, and nobody waits for the rows of a generated world.

use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Decode, Encode, Error, PgExecutor, Postgres, Row, SqlSafeStr, SqlStr, Type, TypeInfo};

use crate::slow::{Call, Server, Shape, shapes, watched};

/// See the module.
pub(super) struct Asked {
    statement: SqlStr,
    query: Query<'static, Postgres, PgArguments>,
    shapes: Vec<Shape>,
}

/// A statement to which nothing is bound yet.
pub(super) fn ask(statement: impl SqlSafeStr) -> Asked {
    let statement = statement.into_sql_str();
    Asked { query: sqlx::query(statement.clone()), statement, shapes: Vec::new() }
}

impl Asked {
    /// Binds the next parameter.
    pub(super) fn bind<'q, T>(mut self, value: T) -> Self
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        if Server::Postgres.is_watched() {
            let mut encoded = PgArgumentBuffer::default();
            let bytes = value.encode_by_ref(&mut encoded).ok().map(|_| encoded.len());
            let kind = value.produces().unwrap_or_else(T::type_info).name().to_owned();
            self.shapes.push(Shape { kind, bytes });
        }
        self.query = self.query.bind(value);
        self
    }

    /// Every row of the answer.
    pub(super) async fn rows<'c>(self, on: impl PgExecutor<'c>) -> Result<Vec<PgRow>, Error> {
        let Self { statement, query, shapes } = self;
        watched(Server::Postgres, || call(&statement, &shapes), query.fetch_all(on)).await
    }

    /// The only row.
    pub(super) async fn row<'c>(self, on: impl PgExecutor<'c>) -> Result<PgRow, Error> {
        let Self { statement, query, shapes } = self;
        watched(Server::Postgres, || call(&statement, &shapes), query.fetch_one(on)).await
    }

    /// The first value of the only row.
    pub(super) async fn value<'c, T>(self, on: impl PgExecutor<'c>) -> Result<T, Error>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        self.row(on).await?.try_get(0)
    }

    /// Nothing but that it is done.
    pub(super) async fn done<'c>(self, on: impl PgExecutor<'c>) -> Result<(), Error> {
        let Self { statement, query, shapes } = self;
        let done = watched(Server::Postgres, || call(&statement, &shapes), query.execute(on));
        done.await.map(drop)
    }
}

fn call(statement: &SqlStr, of: &[Shape]) -> Call {
    Call { statement: statement.as_str().to_owned(), parameters: shapes(of) }
}
