//! A behaviour event as the table `events` has it, with the place of its record.

use ::clickhouse::Row;
use schemas::{Action, Event, Trace};
use serde::Serialize;

use super::{Uuid, time};

/// Columns of `events`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct EventRow<'a> {
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
pub(super) struct Place {
    /// Its partition.
    pub(super) partition: i32,
    /// Its offset.
    pub(super) offset: i64,
    /// Its time, ms UTC.
    pub(super) at_ms: i64,
}

impl<'a> EventRow<'a> {
    /// The row of an event.
    pub(super) fn of(event: &Event, trace: &'a Trace<'_>, place: Place) -> Self {
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
    }
}
