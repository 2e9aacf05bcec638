//! How long until a reader's own view has taken the post out of the feed, as the reader sees it over HTTP.
//!
//! Open loop: every event has its time, and what it took counts from there, however late it could be sent. All
//! readers view; a few of them look at what becomes of it, and ask for their feeds every few milliseconds while something is
//! awaited. That much is in the figure; if everybody asked, the askers would take the machine.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::company::{Company, Feed, Readers};
use crate::http::Caller;
use crate::latency::Latencies;
use crate::rows::now_ms;
use crate::{Broken, Result, Teller};

/// How many readers look at what becomes of their views.
const OBSERVERS: usize = 10;
/// How often a reader views: so seldom that a ranking need not wait because the last one was just before.
const VIEWS_PER_SECOND: u32 = 1;
const ASK_EVERY: Duration = Duration::from_millis(20);
/// An event not seen after this long is missing.
const PATIENCE: Duration = Duration::from_secs(15);
/// Events at the beginning that are not timed: a broker just started compiles itself for about so long, on a core that
/// nobody else has then.
const WARM_UP: Duration = Duration::from_secs(40);

/// What to run.
#[derive(Debug)]
pub struct Fresh {
    /// The product's binary.
    pub feedmill: PathBuf,
    /// How long events are sent.
    pub span: Duration,
    /// How many a second.
    pub events_per_second: u32,
}

impl Fresh {
    /// Runs it and tells the figures.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let readers = ((self.events_per_second / VIEWS_PER_SECOND) as usize).max(OBSERVERS);
        let company = Company::start(&self.feedmill, Readers::calling(readers))?;
        let began = Instant::now() + Duration::from_millis(200);
        let every = Duration::from_secs(1) * (readers as u32) / self.events_per_second;
        let seen: Vec<Result<Seen>> = thread::scope(|scope| {
            let readers = (0..readers).map(|number| {
                let phase = every * (number as u32) / (readers as u32);
                let schedule = Schedule { first: began + phase, every, span: self.span + WARM_UP };
                let company = &company;
                let observes = number < OBSERVERS;
                scope.spawn(move || Reader::new(company.caller(number)?, observes)?.read(schedule))
            });
            let readers: Vec<_> = readers.collect();
            let stopped = || Err(Broken("a reader panicked".into()));
            readers.into_iter().map(|reader| reader.join().unwrap_or_else(|_| stopped())).collect()
        });
        let mut all = Seen::default();
        for seen in seen {
            let Seen { latencies, sent, missing } = seen?;
            all.latencies.extend(latencies);
            all.sent += sent;
            all.missing += missing;
        }
        let entrant = format!("own view, {} events/s", self.events_per_second);
        let mut figures = all.latencies.figures("freshness", &entrant);
        figures.per_second = Some(all.sent as f64 / self.span.as_secs_f64());
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
    sent: usize,
    missing: usize,
}

/// One reader: views posts of the own feed, and looks whether they leave it.
struct Reader {
    caller: Caller,
    observes: bool,
    feed: Feed,
    awaited: Vec<(String, Instant)>,
    /// What was viewed, ever.
    viewed: Vec<String>,
}

impl Reader {
    fn new(mut caller: Caller, observes: bool) -> Result<Self> {
        let feed = Feed::cached(&mut caller, 1)?;
        Ok(Self { caller, observes, feed, awaited: Vec::new(), viewed: Vec::new() })
    }

    fn read(mut self, schedule: Schedule) -> Result<Seen> {
        let Schedule { first, every, span } = schedule;
        let mut seen = Seen::default();
        let (mut next, end, timed_from) = (first, first + span, first + WARM_UP);
        while next < end || !self.awaited.is_empty() {
            let now = Instant::now();
            if next < end && now >= next {
                match self.view()? {
                    Some(post) if self.observes => self.awaited.push((post, next)),
                    Some(_) => {}
                    None => seen.missing += 1,
                }
                seen.sent += usize::from(next >= timed_from);
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

    /// The first post not viewed yet, in the feed as it was last seen.
    fn unseen(&self) -> Option<String> {
        let mut items = self.feed.items.iter();
        let unseen = items.find(|item| !self.viewed.contains(&item.post_id));
        unseen.map(|item| item.post_id.clone())
    }

    /// Views the first post not viewed yet.
    fn view(&mut self) -> Result<Option<String>> {
        if self.unseen().is_none()
            && let Some(feed) = Feed::of(&mut self.caller)?
        {
            self.feed = feed;
        }
        let Some(post) = self.unseen() else { return Ok(None) };
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
