//! What readers said against posts, as the table of `6-silences.sql` has it: topic `feedback`.

use ::clickhouse::Row;
use millstream::RawRecord;
use schemas::topic::FEEDBACK;
use schemas::{Feedback, UserId, Wire};
use serde::Serialize;

use super::sink::{Hold, Inserted, Sink};
use super::stretch::Stretch;
use super::{Uuid, time};

/// Columns of `feedback`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct FeedbackRow {
    user_id: Uuid,
    post_id: Uuid,
    said: i8,
    said_at: i64,
}

impl FeedbackRow {
    /// The row of a record; none if it is no feedback.
    pub(super) fn of(record: &RawRecord<'_>) -> Option<Self> {
        let user = UserId::decode(record.key?).ok()?;
        let feedback = Feedback::decode(record.value?).ok()?;
        Some(Self {
            user_id: user.0.into(),
            post_id: feedback.post.0.into(),
            said: feedback.said as i8,
            said_at: time(feedback.at_ms),
        })
    }
}

impl Sink {
    pub(super) async fn feedback<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let rows = records.map(|record| Ok(FeedbackRow::of(&record)));
        self.merge(FEEDBACK.name, (stretch, is_doubtful), rows).await
    }
}
