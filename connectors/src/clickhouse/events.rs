//! Records of topic `events` as rows of the table `events`, each with the place of its record, so that it can be looked for.

use std::collections::HashSet;
use std::time::Duration;

use ::clickhouse::Row;
use millstream::{Clock, RawRecord, SystemClock};
use schemas::topic::EVENTS;
use schemas::{Action, Event, Payload, Trace};
use serde::Serialize;

use super::sink::{ANSWER_MAX, Hold, Inserted, Sink};
use super::stretch::Stretch;
use super::{Uuid, time, within};

/// For how long the table keeps a row, from the time of its record.
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);

/// Columns of `events`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
struct EventRow<'a> {
    user_id: Uuid,
    event_id: Uuid,
    post_id: Uuid,
    action: i8,
    event_time: i64,
    dwell_ms: Option<u32>,
    author_id: Option<Uuid>,
    device: &'a str,
    app_ver: &'a str,
    request_id: &'a str,
    position: Option<u32>,
    source: &'a str,
    feed_version: Option<u64>,
    weight_set: Option<u16>,
    received_at: i64,
    partition: u32,
    offset: u64,
}

/// Where a record lies, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Its partition.
    partition: i32,
    /// Its offset.
    offset: i64,
    /// Its time, ms UTC.
    at_ms: i64,
}

impl<'a> EventRow<'a> {
    /// The row of an event.
    fn of(event: &Event, trace: &'a Trace<'_>, place: Place) -> Self {
        let text = |text: &'a Option<_>| -> &'a str { text.as_deref().unwrap_or_default() };
        let ctx = trace.ctx.as_ref();
        Self {
            user_id: event.user.0.into(),
            event_id: event.id.0.into(),
            post_id: event.post.0.into(),
            action: number(event.action),
            event_time: time(event.at_ms),
            dwell_ms: event.dwell_ms,
            author_id: event.author.map(|author| author.0.into()),
            device: text(&trace.device),
            app_ver: text(&trace.app_ver),
            request_id: ctx.map_or("", |ctx| text(&ctx.request_id)),
            position: ctx.and_then(|ctx| ctx.position),
            source: ctx.map_or("", |ctx| text(&ctx.source)),
            feed_version: ctx.and_then(|ctx| ctx.version),
            weight_set: ctx.and_then(|ctx| ctx.weight_set),
            received_at: time(place.at_ms),
            partition: place.partition.cast_unsigned(),
            offset: place.offset.cast_unsigned(),
        }
    }
}

/// As the enum of the column numbers them.
fn number(action: Action) -> i8 {
    match action {
        Action::Impression => 1,
        Action::View => 2,
        Action::Click => 3,
        Action::Like => 4,
        Action::Comment => 5,
        Action::Share => 6,
        Action::Dwell => 7,
        Action::Hide => 8,
        Action::Report => 9,
        Action::LessLikeThis => 10,
        Action::Undo => 11,
    }
}

impl Sink {
    pub(super) async fn events<'r>(
        &self,
        stretch: &Stretch,
        token: &str,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let mut insert = self.begin::<EventRow<'_>>(EVENTS.name, Some(token)).await?;
        let (mut inserted, mut payload) = (Inserted::default(), Payload::default());
        for record in records {
            if !self.reading.takes(&record) {
                inserted.none += 1;
                continue;
            }
            self.reading.read(&mut payload, record.value)?;
            let place = Place {
                partition: stretch.of.partition,
                offset: record.offset.0,
                at_ms: record.timestamp.0,
            };
            match event(&payload, &record) {
                Some((event, trace)) => {
                    insert.write(&EventRow::of(&event, &trace, place)).await?;
                    inserted.rows += 1;
                }
                None => inserted.none += 1,
            }
        }
        insert.end().await?;
        Ok(inserted)
    }

    /// Inserts what is missing of a stretch of events. All of it is sent again under its token: an insert of it may still be on
    /// its way, or have ended between two partitions of the table, and what views make of it may be missing. After that the
    /// server may still know the token of rows that it lost, by a crash; what it has deleted by their age is not lost.
    pub(super) async fn missing_events<'r>(
        &self,
        stretch: &Stretch,
        records: impl Iterator<Item = RawRecord<'r>> + Clone,
    ) -> Result<Inserted, Hold> {
        let inserted = self.events(stretch, &stretch.token(), records.clone()).await?;
        let found = self.found(stretch).await?;
        let now = SystemClock.now();
        let is_lost = |record: &RawRecord<'_>| {
            !now.has_passed(record.timestamp, KEPT_FOR) && !found.contains(&place(record))
        };
        let lost = records.filter(is_lost);
        let Some(first) = lost.clone().next().map(|record| record.offset) else {
            return Ok(inserted);
        };
        // The same rows that are sent twice have the same token, and others, lost later, another one.
        let token = format!("{stretch} again, {} from {first}", lost.clone().count());
        let again = self.events(stretch, &token, lost).await?;
        if again.rows > 0 {
            tracing::warn!(%stretch, rows = again.rows, "clickhouse had lost rows of an insert");
        }
        Ok(inserted)
    }

    /// The records of a stretch that are rows of `events`.
    async fn found(&self, stretch: &Stretch) -> Result<HashSet<(u64, i64)>, Hold> {
        let asked = self.client.query(include_str!("inserted.sql"));
        let asked = asked.bind(stretch.of.partition).bind(stretch.from.0).bind(stretch.to.0);
        let found = within(ANSWER_MAX, asked.fetch_all::<(u64, i64)>()).await;
        Ok(found.map_err(Hold::Server)?.into_iter().collect())
    }
}

/// How a row of `events` names its record.
fn place(record: &RawRecord<'_>) -> (u64, i64) {
    (record.offset.0.cast_unsigned(), time(record.timestamp.0))
}

/// The event of a record, if ingest takes it for one too.
fn event<'p>(payload: &'p Payload, record: &RawRecord<'_>) -> Option<(Event, Trace<'p>)> {
    let (event, trace) = Event::decode_with_trace(payload).ok()?;
    event.implausible(record.timestamp.0).is_none().then_some((event, trace))
}
