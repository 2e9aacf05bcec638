//! The metrics of a day as the real server adds them up, against a plain reading of what they mean.

use std::collections::BTreeMap;
use std::time::Duration;

use connectors::clickhouse::DailyQuality;
use schemas::daily_metrics::{Counts, Dimension, Part, Quality};
use schemas::{DailyMetrics, Day};
use serde_json::{Value, json};

use crate::clickhouse::{World, id, settings};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// 2026-11-20.
const DAY: i64 = 1_795_132_800_000;

/// An event as it was sent.
#[derive(Clone, Debug)]
struct Sent {
    user: usize,
    event: usize,
    action: &'static str,
    at_ms: i64,
    /// The time of its record.
    received_ms: i64,
    dwell_ms: Option<u32>,
    /// Position, source, weight set.
    ctx: Option<(u32, &'static str, u16)>,
}

/// One of 2026-11-20, at this hour, that came at once.
fn at(hour: i64, event: usize, action: &'static str) -> Sent {
    let at_ms = DAY + hour * HOUR_MS;
    Sent { user: 1, event, action, at_ms, received_ms: at_ms, dwell_ms: None, ctx: None }
}

impl Sent {
    fn came(self, hours_later: i64) -> Self {
        Self { received_ms: self.at_ms + hours_later * HOUR_MS, ..self }
    }

    fn of_feed(self, position: u32, source: &'static str, weight_set: u16) -> Self {
        Self { ctx: Some((position, source, weight_set)), ..self }
    }

    fn for_ms(self, dwell_ms: u32) -> Self {
        Self { dwell_ms: Some(dwell_ms), ..self }
    }

    fn value(&self) -> Value {
        let mut value = json!({"user_id": id(self.user), "post_id": id(9), "action": self.action,
            "event_id": id(1_000 + self.event), "event_time": self.at_ms, "dwell_ms": self.dwell_ms});
        if let Some((position, source, weight_set)) = self.ctx {
            value["ctx"] =
                json!({"position": position, "source": source, "weight_set": weight_set});
        }
        value
    }
}

/// A ClickHouse that has all of these, in the order in which they were sent.
fn world(sent: &[Sent]) -> World {
    let world = World::start();
    send(&world, sent);
    let all = format!("{}", sent.len());
    world.sink_while(|| world.until("SELECT count() FROM events", &all));
    world
}

fn send(world: &World, sent: &[Sent]) {
    for of in sent {
        world.send_event_at(of.received_ms, (of.user, &of.value()));
    }
}

/// A day as the server adds it up, without when.
fn added_up(world: &World) -> DailyMetrics {
    let quality = DailyQuality::new(&settings(&world.stack), Duration::from_secs(10));
    let of_day = async {
        quality.compute(Day::of(DAY)).await.unwrap();
        quality.of(Day::of(DAY)).await.unwrap()
    };
    let metrics = world.runtime.block_on(of_day);
    assert!(metrics.computed_at.is_some());
    DailyMetrics { computed_at: None, ..metrics }
}

/// Which of them repeat another, by the rule.
fn repeats(sent: &[Sent]) -> Vec<bool> {
    let mut counted: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    let is_repeat = |of: &Sent| {
        let last = counted.get(&(of.user, of.event)).copied();
        if last.is_some_and(|last| of.received_ms - last <= DAY_MS) {
            return true;
        }
        counted.insert((of.user, of.event), of.received_ms);
        false
    };
    sent.iter().map(is_repeat).collect()
}

/// The metrics of a part of a day's events, each with whether it repeats another.
fn quality(part: &[(&Sent, bool)]) -> Quality {
    let counting: Vec<_> = part.iter().filter(|(_, repeats)| !repeats).map(|(of, _)| of).collect();
    let count = |action| counting.iter().filter(|of| of.action == action).count() as u64;
    let mut dwells: Vec<_> =
        counting.iter().filter(|of| of.action == "dwell").filter_map(|of| of.dwell_ms).collect();
    dwells.sort_unstable();
    let place = |percent: usize| dwells.get(dwells.len() * percent / 100).copied();
    let counts = Counts {
        received: part.len() as u64,
        repeats: (part.len() - counting.len()) as u64,
        impressions: count("impression"),
        views: count("view"),
        clicks: count("click"),
        likes: count("like"),
        comments: count("comment"),
        shares: count("share"),
        dwells: count("dwell"),
    };
    Quality::of(counts, (place(50), place(95)))
}

/// Source, position or weight set by a number, and which one: by number, then by name.
type PartKey = (u8, u32, String);

/// The day as the words of `schemas::DailyMetrics` have it.
fn expected(sent: &[Sent]) -> DailyMetrics {
    let repeats = repeats(sent);
    let day: Vec<_> = sent
        .iter()
        .zip(repeats)
        .filter(|(of, _)| (DAY..DAY + DAY_MS).contains(&of.at_ms))
        .collect();
    let mut metrics = DailyMetrics::none(Day::of(DAY));
    let of_feed: Vec<_> = day.iter().filter(|(of, _)| of.ctx.is_some()).copied().collect();
    metrics.take(Dimension::All, String::new(), quality(&day));
    metrics.take(Dimension::Feed, String::new(), quality(&of_feed));
    let mut parts: BTreeMap<PartKey, Vec<(&Sent, bool)>> = BTreeMap::new();
    for (of, repeats) in of_feed {
        let (position, source, weight_set) = of.ctx.unwrap();
        let weight_set = u32::from(weight_set);
        parts.entry((0, 0, source.to_owned())).or_default().push((of, repeats));
        parts.entry((1, position, position.to_string())).or_default().push((of, repeats));
        parts.entry((2, weight_set, weight_set.to_string())).or_default().push((of, repeats));
    }
    for ((kind, _, value), part) in parts {
        let dimension = [Dimension::Source, Dimension::Position, Dimension::WeightSet];
        metrics.take(dimension[usize::from(kind)], value, quality(&part));
    }
    metrics
}

#[test]
fn ratios_quantiles_and_repeats_of_a_day_are_what_a_person_counts() {
    let sent = [
        at(-1, 90, "impression"),
        at(0, 1, "impression").of_feed(1, "redis", 1),
        at(1, 2, "impression").of_feed(2, "state", 1),
        at(1, 3, "impression"),
        at(2, 4, "impression").came(50),
        at(2, 5, "click").of_feed(1, "redis", 1),
        // Sent again within a day, and after it.
        at(2, 5, "click").came(24).of_feed(1, "redis", 1),
        at(2, 5, "click").came(25).of_feed(1, "redis", 1),
        // The same id of another user is another event.
        Sent { user: 2, ..at(2, 5, "click") },
        at(3, 6, "dwell").for_ms(100),
        at(3, 7, "dwell").for_ms(300),
        at(3, 8, "dwell").for_ms(200),
        at(3, 9, "dwell").for_ms(400),
        at(3, 9, "dwell").for_ms(9_000),
        at(3, 10, "view").for_ms(5_000),
        at(4, 11, "share"),
        at(4, 11, "share").came(24),
        at(24, 91, "click"),
    ];
    let found = added_up(&world(&sent));
    let all = &found.all;
    assert_eq!((all.counts.received, all.counts.repeats), (16, 3));
    assert_eq!((all.counts.impressions, all.counts.clicks, all.ctr), (4, 3, Some(0.75)));
    assert_eq!((all.dwell_p50_ms, all.dwell_p95_ms), (Some(300), Some(400)));
    assert_eq!(all.deduplication_rate, Some(0.1875));
    assert_eq!((found.recommendation_ctr, found.feed.counts.received), (Some(1.0), 5));
    let ctr = |parts: &[Part]| -> Vec<(String, Option<f64>)> {
        parts.iter().map(|part| (part.value.clone(), part.quality.ctr)).collect()
    };
    let (first, second) = (Some(2.0), Some(0.0));
    assert_eq!(ctr(&found.by_position), [("1".to_owned(), first), ("2".to_owned(), second)]);
    assert_eq!(ctr(&found.by_source), [("redis".to_owned(), first), ("state".to_owned(), second)]);
    assert_eq!(ctr(&found.by_weight_set), [("1".to_owned(), Some(1.0))]);
    assert_eq!(found, expected(&sent));
}

/// Some records of few ids, over five days, in the order of the log but not of time.
fn many() -> Vec<Sent> {
    const ACTIONS: [&str; 7] = ["impression", "view", "click", "like", "comment", "share", "dwell"];
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let mut one = |number: i64| {
        let received_ms = DAY - 2 * DAY_MS + number * 720_000 + below(HOUR_MS as u64) as i64;
        let action = ACTIONS[below(7) as usize];
        let source = ["redis", "state", "postgres"][below(3) as usize];
        let ctx = (below(12) as u32 + 1, source, below(2) as u16 + 1);
        Sent {
            user: below(3) as usize + 1,
            event: below(30) as usize,
            action,
            at_ms: received_ms - below(30 * HOUR_MS as u64) as i64,
            received_ms,
            dwell_ms: (action == "dwell").then(|| below(1_000) as u32),
            ctx: (below(3) > 0).then_some(ctx),
        }
    };
    (0..600).map(&mut one).collect()
}

#[test]
fn a_day_of_many_repeats_is_added_up_as_a_plain_reading_of_the_rules_does_and_late_events_change_it()
 {
    let sent = many();
    let (early, late) = sent.split_at(400);
    let world = world(early);
    let first = added_up(&world);
    assert_eq!(first, expected(early));
    assert!(first.all.counts.repeats > 20, "{first:?}");
    send(&world, late);
    world.sink_while(|| world.until("SELECT count() FROM events", "600"));
    let second = added_up(&world);
    assert_eq!(second, expected(&sent));
    assert_ne!(second, first);
}

#[test]
fn a_number_that_no_feed_gives_out_is_no_part_of_its_own() {
    let sent = [
        at(1, 1, "impression").of_feed(0, "redis", 1),
        at(1, 2, "impression").of_feed(101, "a client's own word", 1),
    ];
    let found = added_up(&world(&sent));
    let values =
        |parts: &[Part]| -> Vec<String> { parts.iter().map(|part| part.value.clone()).collect() };
    assert_eq!(found.feed.counts.impressions, 2);
    assert_eq!(values(&found.by_position), [""; 0]);
    assert_eq!(values(&found.by_source), ["other", "redis"]);
}
