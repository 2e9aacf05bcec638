//! The timeline: what the people a reader follows posted in 72 h, newest first; else what anybody posted.
//!
//! Own posts are left out, and what the reader liked or commented on in the last 24 h: of what else was seen the
//! database knows nothing. So are those of whom the reader is shown nothing and what they hid, as far as the database has
//! tables that tell it: which ones it has is asked first. Then one prepared statement, one snapshot.

use std::sync::atomic::Ordering;

use schemas::{PostId, UserId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, Row};
use tokio::time::timeout;
use uuid::Uuid;

use super::asked::ask;
use super::{Database, PostgresFault, fault};

/// A post as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelinePost {
    /// The post.
    pub post: PostId,
    /// Who wrote it.
    pub author: UserId,
    /// When, in ms.
    pub created_at_ms: i64,
    /// People who like it.
    pub likes: u32,
    /// Comments on it.
    pub comments: u32,
}

/// Newest first, ties by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The posts.
    pub posts: Vec<TimelinePost>,
    /// Whether they are of people the reader follows; else they are the newest of all.
    pub followed: bool,
    /// Whether the reader follows nobody and, as far as the database knows, liked or commented on
    /// nobody's posts.
    pub cold_start: bool,
}

impl Database {
    /// The reader's timeline at `now_ms`, at most `posts_max` posts, within the statement's time.
    pub async fn timeline(
        &self,
        user: UserId,
        now_ms: i64,
        posts_max: u16,
    ) -> Result<Timeline, PostgresFault> {
        let late = |_| PostgresFault::Unavailable("no answer in time".to_owned());
        let asked = async {
            let known = ask(include_str!("timeline/known.sql")).rows(&self.pool).await?;
            let known = known.iter().map(<(String, bool)>::from_row);
            let known: Vec<_> = known.collect::<Result<_, _>>()?;
            let (readable, hidden): (Vec<_>, Vec<_>) = known.into_iter().partition(|of| of.1);
            if let Some((table, _)) = hidden.first() {
                self.tell_once(table);
            }
            let names: Vec<_> = readable.into_iter().map(|(name, _)| name).collect();
            let statement = statement(&names);
            // Put together of the files of this folder; what is asked for is bound.
            ask(AssertSqlSafe(statement))
                .bind(Uuid::from_bytes(user.0))
                .bind(now_ms)
                .bind(i64::from(posts_max))
                .rows(&self.pool)
                .await
        };
        let found =
            timeout(self.limits.statement, asked).await.map_err(late)?.map_err(|e| fault(&e))?;
        timeline(&found).map_err(|e| fault(&e))
    }
}

impl Database {
    /// Says that a table is there and may not be read: what stands in it is shown all the same.
    fn tell_once(&self, table: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                table,
                "the role of postgres.url may not read a table of what readers do not want to see: \
                 the timeline shows it to them; GRANT SELECT"
            );
        }
    }
}

/// The question to a database that has these tables beside those that every one has.
fn statement(known: &[String]) -> String {
    let has = |name: &str| known.iter().any(|of| of == name);
    let silences = [
        ("mutes", include_str!("timeline/mutes.sql")),
        ("blocks", include_str!("timeline/blocks.sql")),
        ("feed_feedback", include_str!("timeline/less.sql")),
    ];
    let mut silenced = "SELECT NULL::uuid AS user_id WHERE false\n".to_owned();
    for (_, of) in silences.iter().filter(|(name, _)| has(name)) {
        silenced.push_str("UNION ALL\n");
        silenced.push_str(of);
    }
    let hidden = match has("feed_feedback") {
        true => include_str!("timeline/hidden.sql"),
        false => "SELECT NULL::uuid AS post_id WHERE false\n",
    };
    format!(
        "WITH hidden AS MATERIALIZED (\n{hidden}),\nsilenced AS MATERIALIZED (\n{silenced}),\n{}",
        include_str!("timeline/timeline.sql")
    )
}

fn timeline(found: &[PgRow]) -> Result<Timeline, sqlx::Error> {
    let first = |column| found.first().map(|row| row.try_get(column)).transpose();
    Ok(Timeline {
        followed: first("followed")?.unwrap_or(false),
        cold_start: first("cold_start")?.unwrap_or(true),
        posts: found.iter().map(post).collect::<Result<_, _>>()?,
    })
}

fn post(row: &PgRow) -> Result<TimelinePost, sqlx::Error> {
    Ok(TimelinePost {
        post: PostId(row.try_get::<Uuid, _>("id")?.into_bytes()),
        author: UserId(row.try_get::<Uuid, _>("user_id")?.into_bytes()),
        created_at_ms: row.try_get("created_at")?,
        likes: u32::try_from(row.try_get::<i64, _>("likes")?).unwrap_or(u32::MAX),
        comments: u32::try_from(row.try_get::<i64, _>("comments")?).unwrap_or(u32::MAX),
    })
}
