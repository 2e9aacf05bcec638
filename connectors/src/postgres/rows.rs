//! Rows of a generated world, written where a real world's would be.
//!
//! A row comes as the JSON object that a change envelope carries as its image, so that both tell the same.
//! Rows go in the order given, all or none; a row that is there stays as it is. Only the demonstration
//! writes: a worker or a server never opens this.

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::{PostgresFault, fault, options};

/// A table of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `users`
    Users,
    /// `posts`
    Posts,
    /// `follows`
    Follows,
    /// `comments`
    Comments,
    /// `likes`
    Likes,
}

impl Table {
    fn insert(self) -> &'static str {
        match self {
            Self::Users => {
                "INSERT INTO users SELECT * FROM jsonb_populate_record(NULL::users, $1::jsonb) \
                 ON CONFLICT DO NOTHING"
            }
            Self::Posts => {
                "INSERT INTO posts SELECT * FROM jsonb_populate_record(NULL::posts, $1::jsonb) \
                 ON CONFLICT DO NOTHING"
            }
            Self::Follows => {
                "INSERT INTO follows SELECT * FROM jsonb_populate_record(NULL::follows, $1::jsonb) \
                 ON CONFLICT DO NOTHING"
            }
            Self::Comments => {
                "INSERT INTO comments SELECT * FROM jsonb_populate_record(NULL::comments, $1::jsonb) \
                 ON CONFLICT DO NOTHING"
            }
            Self::Likes => {
                "INSERT INTO likes SELECT * FROM jsonb_populate_record(NULL::likes, $1::jsonb) \
                 ON CONFLICT DO NOTHING"
            }
        }
    }
}

/// Writes rows.
#[derive(Clone, Debug)]
pub struct Rows {
    pool: PgPool,
}

impl Rows {
    /// Connects to the database at `url`.
    pub async fn open(url: &str) -> Result<Self, PostgresFault> {
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options(url)?).await;
        Ok(Self { pool: pool.map_err(|e| fault(&e))? })
    }

    /// Runs `statements`, which must bear being run again.
    pub async fn create(&self, statements: &'static str) -> Result<(), PostgresFault> {
        sqlx::raw_sql(statements).execute(&self.pool).await.map(drop).map_err(|e| fault(&e))
    }

    /// Inserts the rows, each a JSON object.
    pub async fn insert(&self, rows: &[(Table, String)]) -> Result<(), PostgresFault> {
        let mut transaction = self.pool.begin().await.map_err(|e| fault(&e))?;
        for (table, row) in rows {
            let inserted = sqlx::query(table.insert()).bind(row).execute(&mut *transaction).await;
            inserted.map_err(|e| fault(&e))?;
        }
        transaction.commit().await.map_err(|e| fault(&e))
    }
}
