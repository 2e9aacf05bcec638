//! Rows of a generated world, written where a real world's would be.
//!
//! A row comes as the JSON object that a change envelope carries as its image, so that both tell the same.
//! Changes go in the order given, all or none. A row that is there already stays as it is when inserted again,
//! and one that is not there is no fault when updated or deleted. Only the demonstration writes: a worker or
//! a server never opens this.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::{PostgresFault, fault, options};
use crate::table::Table;

/// How long a database may take to let one in.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// What is done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It comes.
    Insert,
    /// It changes: a user's line about themselves, a post's content; other tables' rows never change.
    Update,
    /// It goes.
    Delete,
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

    fn update(self) -> &'static str {
        match self {
            Self::Users => {
                "UPDATE users SET bio = $1::jsonb->>'bio' WHERE id = ($1::jsonb->>'id')::uuid"
            }
            Self::Posts => {
                "UPDATE posts SET content = $1::jsonb->>'content' \
                 WHERE id = ($1::jsonb->>'id')::uuid"
            }
            // Nothing of them changes.
            Self::Follows | Self::Comments | Self::Likes => "SELECT $1::jsonb",
        }
    }

    fn delete(self) -> &'static str {
        match self {
            Self::Users => "DELETE FROM users WHERE id = ($1::jsonb->>'id')::uuid",
            Self::Posts => "DELETE FROM posts WHERE id = ($1::jsonb->>'id')::uuid",
            Self::Follows => {
                "DELETE FROM follows WHERE follower_id = ($1::jsonb->>'follower_id')::uuid \
                 AND followee_id = ($1::jsonb->>'followee_id')::uuid"
            }
            Self::Comments => "DELETE FROM comments WHERE id = ($1::jsonb->>'id')::uuid",
            Self::Likes => "DELETE FROM likes WHERE id = ($1::jsonb->>'id')::uuid",
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
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT_WAIT);
        let pool = pool.connect_with(options(url)?).await;
        Ok(Self { pool: pool.map_err(|e| fault(&e))? })
    }

    /// Runs `statements`, which must bear being run again.
    pub async fn create(&self, statements: &'static str) -> Result<(), PostgresFault> {
        sqlx::raw_sql(statements).execute(&self.pool).await.map(drop).map_err(|e| fault(&e))
    }

    /// Changes rows, each given as a JSON object of its columns.
    pub async fn write(&self, rows: &[(Write, Table, String)]) -> Result<(), PostgresFault> {
        let mut transaction = self.pool.begin().await.map_err(|e| fault(&e))?;
        for (write, table, row) in rows {
            let statement = match write {
                Write::Insert => table.insert(),
                Write::Update => table.update(),
                Write::Delete => table.delete(),
            };
            let written = sqlx::query(statement).bind(row).execute(&mut *transaction).await;
            written.map_err(|e| fault(&e))?;
        }
        transaction.commit().await.map_err(|e| fault(&e))
    }
}
