//! How long until a reader's own view has taken the post out of the feed, as the reader sees it over HTTP.
//!
//! Open loop: every event has its time, and what it took counts from there, however late it could be sent. A
//! feed is asked for every few milliseconds while something is awaited; that much is in the figure.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::company::{Company, Feed, now_ms};
use crate::http::Caller;
use crate::latency::Latencies;
use crate::{Broken, Result, Teller};

const READERS: usize = 50;
const EVENTS_PER_SECOND: u32 = 200;
const ASK_EVERY: Duration = Duration::from_millis(20);
/// An event not seen after this long is missing.
const PATIENCE: Duration = Duration::from_secs(15);
/// Events at the beginning that are not timed.
const WARM_UP: Duration = Duration::from_secs(3);

/// What to run.
#[derive(Debug)]
pub struct Fresh {
    /// The product's binary.
    pub feedmill: PathBuf,
    /// How long events are sent.
    pub span: Duration,
}

impl Fresh {
    /// Runs it and tells the figures.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let company = Company::start(&self.feedmill, READERS)?;
        let began = Instant::now() + Duration::from_millis(200);
        let every = Duration::from_secs(1) * (READERS as u32) / EVENTS_PER_SECOND;
        let seen: Vec<Result<Seen>> = thread::scope(|scope| {
            let readers = (0..READERS).map(|number| {
                let phase = every * (number as u32) / (READERS as u32);
                let schedule = Schedule { first: began + phase, every, span: self.span + WARM_UP };
                let company = &company;
                scope.spawn(move || Reader::new(company.caller(number)?)?.read(schedule))
            });
            let readers: Vec<_> = readers.collect();
            let stopped = || Err(Broken("a reader panicked".into()));
            readers.into_iter().map(|reader| reader.join().unwrap_or_else(|_| stopped())).collect()
        });
        let mut all = Seen::default();
        for seen in seen {
            let Seen { latencies, missing } = seen?;
            all.latencies.extend(latencies);
            all.missing += missing;
        }
        let sent = all.latencies.len() + all.missing;
        let mut figures = all.latencies.figures("freshness", "own view");
        figures.per_second = Some(sent as f64 / self.span.as_secs_f64());
        figures.missing = all.missing;
        teller.tell(&figures)
    }
}

/// When a reader views.
#[derive(Clone, Copy)]
struct Schedule {
    first: Instant,
    every: Duration,
    span: Duration,
}

/// What became of views.
#[derive(Default)]
struct Seen {
    latencies: Latencies,
    missing: usize,
}

/// One reader: views posts of the own feed, and looks whether they leave it.
struct Reader {
    caller: Caller,
    feed: Feed,
    awaited: Vec<(String, Instant)>,
    /// What was viewed, ever.
    viewed: Vec<String>,
}

impl Reader {
    fn new(mut caller: Caller) -> Result<Self> {
        let feed = Feed::cached(&mut caller, 1)?;
        Ok(Self { caller, feed, awaited: Vec::new(), viewed: Vec::new() })
    }

    fn read(mut self, schedule: Schedule) -> Result<Seen> {
        let Schedule { first, every, span } = schedule;
        let mut seen = Seen::default();
        let (mut next, end, timed_from) = (first, first + span, first + WARM_UP);
        while next < end || !self.awaited.is_empty() {
            let now = Instant::now();
            if next < end && now >= next {
                match self.view()? {
                    Some(post) => self.awaited.push((post, next)),
                    None => seen.missing += 1,
                }
                next += every;
                continue;
            }
            if !self.awaited.is_empty() {
                let found = Feed::of(&mut self.caller)?;
                let now = Instant::now();
                self.awaited.retain(|(post, since)| {
                    let took = now.saturating_duration_since(*since);
                    let is_there = found.as_ref().is_none_or(|feed| feed.has(post));
                    let is_open = is_there && took < PATIENCE;
                    if !is_open && *since >= timed_from {
                        match is_there {
                            true => seen.missing += 1,
                            false => seen.latencies.push(took),
                        }
                    }
                    is_open
                });
                self.feed = found.unwrap_or(self.feed);
            }
            let wake = if next < end { next } else { now + ASK_EVERY };
            let wait = wake.saturating_duration_since(Instant::now());
            thread::sleep(if self.awaited.is_empty() { wait } else { wait.min(ASK_EVERY) });
        }
        Ok(seen)
    }

    /// Views the first post not viewed yet.
    fn view(&mut self) -> Result<Option<String>> {
        let unseen = self.feed.items.iter().find(|item| !self.viewed.contains(&item.post_id));
        let Some(post) = unseen.map(|item| item.post_id.clone()) else { return Ok(None) };
        let event = format!(
            r#"{{"events":[{{"post_id":"{post}","action":"view","event_time":{}}}]}}"#,
            now_ms()
        );
        let (status, body) = self.caller.post("/api/v1/events", &event)?;
        if status != 202 {
            let said = String::from_utf8_lossy(body);
            return Err(Broken(format!("an event was answered with {status}: {said}")));
        }
        self.viewed.push(post.clone());
        Ok(Some(post))
    }
}
