//! What an author with many readers costs: when they post, and while a post of theirs is liked by everybody.
//!
//! Every follower is online. First the author posts, some times: every follower's feed is ranked anew, published and
//! pushed to Redis, and the worker's CPU says how many of these a core does in a second. Then a post is liked at a steady
//! rate by people who do not follow: what the worker takes stands beside what it would take to push each like to every
//! follower, at the cost of a feed measured before.

use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use schemas::UserId;
use serde::Serialize;
use tests::poll_until;

use crate::company::{Company, Readers};
use crate::rows::{Writer, author, reader, stranger};
use crate::usage::{self, cpu_seconds_of};
use crate::{Broken, Result, Teller};

const WRITTEN: &str = "feedmill_redis_sink_written_total";
const POSTS: u64 = 5;
const BATCHES_PER_SECOND: u32 = 10;
const LONG: Duration = Duration::from_secs(300);
/// A count reaches readers so late at most.
const QUIET: Duration = Duration::from_secs(4);
/// Who is online is ranked anew every few minutes whatever happens: of a hundred readers, so few in that time mean nothing.
const IDLE_PERCENT: u64 = 10;

/// What to run.
#[derive(Debug)]
pub struct Viral {
    /// The product's binary.
    pub feedmill: PathBuf,
    /// How many follow the author.
    pub followers: usize,
    /// How many like the post in a second.
    pub likes_per_second: u32,
    /// For how long.
    pub span: Duration,
}

/// What the worker did and what it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pushed {
    bench: &'static str,
    /// Why feeds changed.
    pub entrant: String,
    /// How many read.
    pub followers: usize,
    /// How many feeds were ranked, published and pushed.
    pub feeds: u64,
    /// The worker's CPU time.
    pub cpu_seconds: f64,
    /// How long it took.
    pub wall_seconds: f64,
    /// What pushing every change to every reader would have taken of the CPU, at the cost of a feed.
    pub naive_cpu_seconds: Option<f64>,
    load: f64,
}

impl Viral {
    /// Runs it and tells the figures.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let company = Company::start(&self.feedmill, Readers { all: self.followers, callers: 1 })?;
        let mut writer = company.writer()?;
        self.come_online(&company, &mut writer)?;
        let posted = self.post(&company, &mut writer)?;
        teller.tell(&posted)?;
        let per_feed = posted.cpu_seconds / (posted.feeds.max(1) as f64);
        let liked = self.like(&company, &mut writer, per_feed)?;
        teller.tell(&liked)
    }

    fn come_online(&self, company: &Company, writer: &mut Writer) -> Result<()> {
        let users: Vec<UserId> = (0..self.followers)
            .map(|number| reader(number).parse())
            .collect::<std::result::Result<_, _>>()
            .map_err(|poison| Broken::while_doing("ids", poison))?;
        writer.write(|rows| users.iter().for_each(|user| rows.read(*user)))?;
        await_written(company, self.followers as u64)?;
        self.settle(company)
    }

    /// The author posts: all must have each post before the next.
    fn post(&self, company: &Company, writer: &mut Writer) -> Result<Pushed> {
        let window = Window::open(company)?;
        for number in 1..=POSTS {
            writer.write(|rows| rows.post(&author(0)))?;
            await_written(company, window.written + number * self.followers as u64)?;
        }
        window.close(company, "an author posts".into(), self.followers)
    }

    /// A post is liked, open loop.
    fn like(&self, company: &Company, writer: &mut Writer, per_feed: f64) -> Result<Pushed> {
        let post = writer.write(|rows| rows.post(&author(0)))?;
        self.settle(company)?;
        let window = Window::open(company)?;
        let batches = BATCHES_PER_SECOND * self.span.as_secs() as u32;
        let each = (self.likes_per_second / BATCHES_PER_SECOND) as usize;
        for batch in 0..batches {
            let due = window.began + Duration::from_secs(1) * batch / BATCHES_PER_SECOND;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let first = batch as usize * each;
            writer.write(|rows| {
                (first..first + each).for_each(|number| rows.like(&stranger(number), &post));
            })?;
        }
        self.settle(company)?;
        let likes = each * batches as usize;
        let entrant = format!("{} likes/s of one post", self.likes_per_second);
        let mut pushed = window.close(company, entrant, self.followers)?;
        pushed.naive_cpu_seconds = Some(likes as f64 * self.followers as f64 * per_feed);
        Ok(pushed)
    }

    /// Waits until no more feeds are written than in idleness.
    fn settle(&self, company: &Company) -> Result<()> {
        let idle = self.followers as u64 * IDLE_PERCENT / 100;
        let (mut before, mut since) = (0, Instant::now());
        let settled = poll_until(LONG, || {
            let written = company.worker_metric(WRITTEN).ok().flatten()?;
            if written > before + idle {
                (before, since) = (written, Instant::now());
            }
            (since.elapsed() >= QUIET).then_some(())
        });
        settled.map_err(|late| Broken(format!("feeds never stop to be written: {late}")))
    }
}

/// Waits until so many feeds were written, ever.
fn await_written(company: &Company, wanted: u64) -> Result<()> {
    let all = poll_until(LONG, || {
        company.worker_metric(WRITTEN).ok().flatten().filter(|written| *written >= wanted)
    });
    all.map(drop).map_err(|late| Broken(format!("not every reader has the feed: {late}")))
}

/// What is measured from here on.
struct Window {
    began: Instant,
    cpu_seconds: f64,
    written: u64,
}

impl Window {
    fn open(company: &Company) -> Result<Self> {
        let written = company.worker_metric(WRITTEN)?.unwrap_or(0);
        let cpu_seconds = cpu_seconds_of(&company.worker().to_string())?;
        Ok(Self { began: Instant::now(), cpu_seconds, written })
    }

    fn close(&self, company: &Company, entrant: String, followers: usize) -> Result<Pushed> {
        Ok(Pushed {
            bench: "viral",
            entrant,
            followers,
            feeds: company.worker_metric(WRITTEN)?.unwrap_or(0).saturating_sub(self.written),
            cpu_seconds: cpu_seconds_of(&company.worker().to_string())? - self.cpu_seconds,
            wall_seconds: self.began.elapsed().as_secs_f64(),
            naive_cpu_seconds: None,
            load: usage::load(),
        })
    }
}

impl fmt::Display for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bench, entrant, followers, feeds, cpu_seconds, wall_seconds, .. } = self;
        let per_second = *feeds as f64 / cpu_seconds.max(0.01);
        write!(f, "{bench:<12} {entrant:<16} {followers} followers, {feeds} feeds pushed in ")?;
        write!(f, "{wall_seconds:.1} s, {cpu_seconds:.2} CPU-s: {per_second:.0} per core-second")?;
        self.naive_cpu_seconds.map_or(Ok(()), |naive| {
            write!(f, "; every change to everybody: {naive:.0} CPU-s, {:.0} x", naive / cpu_seconds)
        })
    }
}
