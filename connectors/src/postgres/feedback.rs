//! What readers said against posts, in a table of the application's database, where the timeline finds it.
//!
//! Of each kind the latest time is kept, so that a row may be written again, and in any order. It is the only table that a
//! worker writes to, by a session of its own.

use std::collections::BTreeMap;

use schemas::{Feedback, PostId, Said, UserId};
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, PgPool};
use uuid::Uuid;

use super::asked::ask;
use super::{Limits, PostgresFault, fault, options};

const APPLY: &str = "INSERT INTO feed_feedback AS old (user_id, post_id, author_id, hidden_at, less_at, undone_at)
SELECT u, p, (SELECT user_id FROM posts WHERE id = p), epoch + h * ms, epoch + l * ms, epoch + t * ms
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) AS said (u, p, h, l, t),
       (VALUES (timestamptz 'epoch', interval '1 ms')) AS unit (epoch, ms)
ON CONFLICT (user_id, post_id) DO UPDATE
   SET author_id = coalesce(excluded.author_id, old.author_id),
       hidden_at = greatest(old.hidden_at, excluded.hidden_at),
       less_at = greatest(old.less_at, excluded.less_at),
       undone_at = greatest(old.undone_at, excluded.undone_at)";

/// When each was said last, ms UTC: hidden, less, undone.
pub type Times = [Option<i64>; 3];

/// What was said by whom of which post: of each kind the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackRows(BTreeMap<(UserId, PostId), Times>);

impl FeedbackRows {
    /// Notes what a user said.
    pub fn note(&mut self, user: UserId, feedback: &Feedback) {
        let [hidden, less, undone] = self.0.entry((user, feedback.post)).or_default();
        let time = match feedback.said {
            Said::Hidden => hidden,
            Said::Less => less,
            Said::Undone => undone,
        };
        *time = (*time).max(Some(feedback.at_ms));
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The table `feed_feedback`.
#[derive(Clone, Debug)]
pub struct FeedbackTable {
    pool: PgPool,
}

impl FeedbackTable {
    /// On the database at `url`; it connects when it first writes. Call it inside a Tokio runtime.
    pub fn open(url: &str, limits: Limits) -> Result<Self, PostgresFault> {
        // A role that only reads unless it says otherwise.
        let options = options(url)?.options([
            ("default_transaction_read_only", "off".to_owned()),
            ("statement_timeout", format!("{}ms", limits.statement.as_millis())),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(limits.acquire)
            .connect_lazy_with(options.disable_statement_logging());
        Ok(Self { pool })
    }

    /// Whether the database has it.
    pub async fn is_there(&self) -> Result<bool, PostgresFault> {
        let asked = ask("SELECT to_regclass('feed_feedback') IS NOT NULL");
        asked.value(&self.pool).await.map_err(|e| fault(&e))
    }

    /// Writes rows; those that are there keep what is later.
    pub async fn apply(&self, rows: &FeedbackRows) -> Result<(), PostgresFault> {
        let uuid = Uuid::from_bytes;
        let (users, posts): (Vec<_>, Vec<_>) =
            rows.0.keys().map(|(user, post)| (uuid(user.0), uuid(post.0))).unzip();
        let times = |at: usize| -> Vec<Option<i64>> {
            rows.0.values().map(|times| times.get(at).copied().flatten()).collect()
        };
        let asked = ask(APPLY).bind(users).bind(posts);
        let asked = asked.bind(times(0)).bind(times(1)).bind(times(2));
        asked.done(&self.pool).await.map_err(|e| fault(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_said_of_a_post_the_latest_of_each_kind_is_a_row() {
        let (user, post) = (UserId([1; 16]), PostId([2; 16]));
        let mut rows = FeedbackRows::default();
        let said = [(Said::Hidden, 7), (Said::Undone, 9), (Said::Hidden, 5), (Said::Less, 1)];
        said.iter().for_each(|(said, at_ms)| {
            rows.note(user, &Feedback { post, said: *said, at_ms: *at_ms });
        });
        let expected = BTreeMap::from([((user, post), [Some(7), Some(1), Some(9)])]);
        assert_eq!((rows.len(), rows.0), (1, expected));
    }
}
