//! A user's feed as of a time that is past, and its reasons, made again from the log.
//!
//! 1. The inputs are read from their beginnings, merged by time: what has a later time is left out.
//! 2. They go through the production topology in memory, under a clock that goes with them: see [`Past`].
//! 3. The user is ranked, by the weights and epochs that are configured here.
//!
//! Whose posts a user sees, how those are counted and what trends comes from everybody, so it is no less than the whole log
//! of the time before. Nothing is written anywhere.

mod history;

use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::time::{Duration, Instant};

use millstream::broker::Broker;
use millstream::{Clock, Exit, Fault, SystemClock};
use schemas::{FeedBody, FeedVersion, PostId, UserId, iso_time};
use serde::Serialize;
use topologies::feed::FeedSettings;
use topologies::past::Past;
use uuid::Uuid;

use super::explain;
use super::json::pretty;
use super::known_schemas::KnownSchemas;
use crate::cli::FeedReplay;
use crate::config::Config;
use crate::failed::Failed;
use crate::read::{PostKnown, Why};
use crate::worker;
use history::History;

const TELL_EVERY: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Serialize)]
struct Replayed {
    user_id: Uuid,
    as_of: i64,
    weight_set: u16,
    cold_start: bool,
    /// How many records made it, and how many of them nobody could read.
    records: u64,
    dead_letters: u64,
    /// How many were left out, being later.
    later: u64,
    /// The topics of which the first records are gone: what they said is not known.
    cut: Vec<&'static str>,
    items: Vec<Why>,
    /// The post that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<Why>,
}

/// Makes the feed again, and tells it in words, or as JSON.
pub fn run(broker: &dyn Broker, config: &Config, asked: &FeedReplay) -> Result<String, Failed> {
    if asked.at > SystemClock.now().0 {
        return Err(Failed(Exit::Usage, format!("--at: {} is yet to come", iso_time(asked.at))));
    }
    let known = KnownSchemas::open(config)?;
    let settings = FeedSettings { schemas: known.by_id(), ..worker::settings(config) };
    let mut history = History::open(broker, &config.app, &known, asked.at)?;
    let past = play(&mut history, &settings, asked.at)?;
    let replayed = Replayed::of(&past, &history, asked).map_err(failed)?;
    if asked.json {
        return pretty(&replayed);
    }
    Ok(replayed.words())
}

/// Lets all of it happen.
fn play(history: &mut History<'_>, settings: &FeedSettings, at: i64) -> Result<Past, Failed> {
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut past: Option<Past> = None;
    while let Some(input) = history.next()? {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(history, began.elapsed(), input.at_ms);
        }
        let past = match &mut past {
            Some(past) => past,
            None => past.insert(Past::open(settings, (input.at_ms, at)).map_err(failed)?),
        };
        past.take(input).map_err(failed)?;
    }
    let mut past = match past {
        Some(past) => past,
        None => Past::open(settings, (at, at)).map_err(failed)?,
    };
    past.reach(at).map_err(failed)?;
    Ok(past)
}

/// A word on what is going on, to whoever watches.
fn tell(history: &History<'_>, elapsed: Duration, at_ms: i64) {
    let done = history.given + history.later;
    let all = history.offsets().max(done);
    let rate = done as f64 / elapsed.as_secs_f64();
    let left = (all - done) as f64 / rate.max(1.0);
    let at = iso_time(at_ms);
    // Nobody may be listening any more.
    let _ = writeln!(
        stderr(),
        "replay: {done} of {all} records, {rate:.0}/s, about {left:.0} s left; it is {at}"
    );
}

fn failed(fault: Fault) -> Failed {
    Failed(Exit::Failed, fault.to_string())
}

impl Replayed {
    fn of(past: &Past, history: &History<'_>, asked: &FeedReplay) -> Result<Self, Fault> {
        let user = UserId(asked.user.into_bytes());
        let weights = past.weights(&user)?;
        let why = |post: PostId| -> Result<Why, Fault> {
            let verdict = past.why(user, post, asked.at)?;
            let ranked = (&weights, asked.at);
            let why = Why::of(post, FeedVersion::default(), &verdict, ranked);
            if !why.is_unlisted() {
                return Ok(why);
            }
            let known = past.post(post)?;
            Ok(why.with_post(known.as_ref().map(PostKnown::of).as_ref()))
        };
        let FeedBody { items, weight_set, cold_start, .. } = past.rank(user, asked.at)?;
        let shown = items.iter().take(usize::from(asked.limit));
        Ok(Self {
            user_id: asked.user,
            as_of: asked.at,
            weight_set,
            cold_start,
            records: history.given,
            dead_letters: past.dead_letters(),
            later: history.later,
            cut: history.cut().collect(),
            items: shown.map(|item| why(item.post)).collect::<Result<_, _>>()?,
            post: asked.post.map(|post| why(PostId(post.into_bytes()))).transpose()?,
        })
    }

    fn words(&self) -> String {
        let Self { user_id, as_of, records, later, weight_set, .. } = self;
        let mut out = format!(
            "the feed of {user_id} as of {}, by weight set {weight_set}\nmade of {records} records; {later} are later\n",
            iso_time(*as_of)
        );
        if self.dead_letters > 0 {
            let _ = writeln!(out, "{} of them could not be read", self.dead_letters);
        }
        if !self.cut.is_empty() {
            let cut = self.cut.join(", ");
            let _ = writeln!(out, "the first records are gone of {cut}: what they said is missing");
        }
        if self.items.is_empty() {
            let _ = writeln!(out, "\nit is empty");
        }
        for why in self.items.iter().chain(&self.post) {
            out.push('\n');
            explain::tell(why, &mut out);
        }
        out
    }
}
