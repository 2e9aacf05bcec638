//! The end of a load: the feeds of some readers, as the API serves them, against the referee's.
//!
//! First the workers catch up: the group has committed every record of the input, and each worker's `/ready` says that
//! it does not lag behind its own topics either. Where nothing moves for as long as the patience lasts, that is told with
//! what ails the workers. A feed is then asked for until it equals what must be: counts that
//! were not sent on yet follow within a minute, and a read has its reader ranked. What differs for longer is wrong.
//!
//! Which posts are kept is decided as of a feed's publication, and their order as of the second of the read. The former
//! time stands in the copy in Redis, of the version that the answer names; state ranks as of the read itself.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use connectors::redis::FeedCache;
use millstream::broker::Broker;
use schemas::UserId;
use schemas::topic::INPUTS;
use tokio::runtime::Runtime;
use uuid::Uuid;
use worlds::excerpt::excerpt;
use worlds::history::{Id, Input};
use worlds::oracle::Oracle;
use worlds::world::World;

use super::answer::{Answer, Asking, Unwell};
use super::comparison::differences;
use super::tell;
use crate::backlog::Backlog;
use crate::cli::Load;
use crate::commands::workers;
use crate::config::Config;
use crate::failed::Failed;
use crate::token;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A reader may ask 60 times in a minute, unless that is set otherwise.
const ASK_EVERY: Duration = Duration::from_millis(1_200);
const TOKEN_SECONDS: u64 = 86_400;
/// A millisecond of ranking lies within the second of its answer.
const WITHIN_MS: [i64; 2] = [0, 999];

/// What the verification asks.
pub struct Verification<'a> {
    config: &'a Config,
    world: &'a World,
    runtime: &'a Runtime,
    asking: Asking,
    redis: Option<FeedCache>,
    url: String,
    workers: Vec<String>,
    /// What stands still or differs for so long is wrong.
    patience: Duration,
}

impl<'a> Verification<'a> {
    /// Of `world`, by the servers that `asked` or the configuration names.
    pub fn of(
        asked: &Load,
        config: &'a Config,
        world: &'a World,
        runtime: &'a Runtime,
    ) -> Result<Self, String> {
        let _inside = runtime.enter();
        let redis = config.redis.as_ref().map(|remote| FeedCache::open(&remote.url, LOOK_EVERY));
        let url = asked.url.clone().unwrap_or_else(|| format!("http://{}", config.http.listen));
        let (workers, credentials) = workers::named(config).map_err(|Failed(_, why)| why)?;
        Ok(Self {
            config,
            world,
            runtime,
            asking: Asking::new(&credentials),
            redis: redis.transpose().map_err(|e| e.to_string())?,
            url: url.trim_end_matches('/').to_owned(),
            workers,
            patience: Duration::from_secs(asked.patience),
        })
    }

    /// Waits until the workers have caught up, then compares the feeds of `count` readers; fails if any differs.
    pub fn run(&self, broker: &dyn Broker, count: usize) -> Result<(), String> {
        let backlog = Backlog::of(broker, &self.config.app, &INPUTS);
        self.wait_for_workers(&mut backlog.map_err(|ended| ended.why)?)?;
        let began = Instant::now();
        let readers = self.world.readers(count);
        let part = excerpt(|| self.inputs(), readers.iter().copied(), self.world.until);
        let kept = part.len();
        let oracle = Oracle::of(&part);
        drop(part);
        tell(&format!(
            "worked out what {} readers must see, of {kept} records that concern them, in {:.1} s",
            readers.len(),
            began.elapsed().as_secs_f64()
        ));
        let count = readers.len();
        let wrong = self.compare(&oracle, readers.into_iter().collect())?;
        for (reader, differences) in &wrong {
            for difference in differences {
                println(&format!("{}: {difference}", Uuid::from_bytes(*reader)))?;
            }
        }
        match wrong.len() {
            0 => println(&format!("{count} readers have the feeds that brute force expects")),
            wrong => Err(format!("the feeds of {wrong} of {count} readers differ")),
        }
    }

    /// The world as it came: in one go, so that nothing waited for days for the post that it is on.
    fn inputs(&self) -> impl Iterator<Item = Input> {
        let arrived = self.world.until;
        self.world.inputs().map(move |input| Input { arrived, ..input })
    }

    fn wait_for_workers(&self, backlog: &mut Backlog) -> Result<(), String> {
        let began = Instant::now();
        let (mut least, mut before, mut moved, mut well) = (u64::MAX, 0, began, began);
        loop {
            let (left, (lagging, records, faults)) =
                (backlog.records().map_err(|ended| ended.why)?, self.look_at_workers());
            if left.is_some_and(|left| left < least) || records != before {
                (least, before) = (left.unwrap_or(least).min(least), records);
                moved = Instant::now();
            }
            if faults.is_empty() {
                well = Instant::now();
            }
            let said = match left {
                Some(0) if lagging == 0 && faults.is_empty() => {
                    let took = began.elapsed().as_secs_f64();
                    tell(&format!("the workers have caught up after {took:.1} s"));
                    return Ok(());
                }
                Some(0) => "the input is committed; workers are behind their own topics".to_owned(),
                Some(left) => format!("{left} records are still to be worked on"),
                None => "a transaction is open".to_owned(),
            };
            let faults = faults.iter().map(|fault| format!("; {fault}")).collect::<String>();
            tell(&format!("{said}{faults}"));
            let seconds = self.patience.as_secs();
            if moved.elapsed() > self.patience {
                return Err(format!("{said}, and nothing has moved for {seconds} s{faults}"));
            }
            if well.elapsed() > self.patience {
                return Err(format!(
                    "{said}, and workers have not been well for {seconds} s{faults}"
                ));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// How many workers lag, what all have worked off, and what ails them. One that does not answer may be gone for good:
    /// what it had is the others' by now. If nobody answers, that is a fault, and so is a worker that says it is not well.
    fn look_at_workers(&self) -> (usize, u64, Vec<String>) {
        let (mut lagging, mut records, mut answers) = (0, 0, 0);
        let (mut faults, mut mute) = (Vec::new(), Vec::new());
        for worker in &self.workers {
            match self.runtime.block_on(self.asking.standing(worker)) {
                Ok(standing) => {
                    answers += 1;
                    lagging += usize::from(standing.is_lagging);
                    records += standing.records;
                }
                Err(Unwell::Ill(words)) => {
                    answers += 1;
                    faults.push(words);
                }
                Err(Unwell::Mute(words)) => mute.push(words),
            }
        }
        if answers == 0 {
            faults.append(&mut mute);
        }
        (lagging, records, faults)
    }

    /// The readers whose feeds differ for longer than they may, with how.
    fn compare(
        &self,
        oracle: &Oracle,
        readers: Vec<Id>,
    ) -> Result<BTreeMap<Id, Vec<String>>, String> {
        let (began, mut equal, all) = (Instant::now(), 0, readers.len());
        let mut tokens = Vec::with_capacity(all);
        for reader in readers {
            let user = Uuid::from_bytes(reader);
            tokens.push((reader, token::sign(&self.config.auth, user, &[], TOKEN_SECONDS)?));
        }
        let mut told = Instant::now();
        loop {
            let mut wrong = BTreeMap::new();
            for (reader, token) in &tokens {
                let found = self.runtime.block_on(self.look(oracle, *reader, token));
                let found = found.unwrap_or_else(|fault| vec![fault]);
                if found.is_empty() {
                    equal += 1;
                } else {
                    wrong.insert(*reader, found);
                }
            }
            tokens.retain(|(reader, _)| wrong.contains_key(reader));
            if wrong.is_empty() || began.elapsed() > self.patience {
                return Ok(wrong);
            }
            if told.elapsed() > LOOK_EVERY {
                told = Instant::now();
                tell(&format!("{equal} of {all} feeds are as they must be"));
            }
            thread::sleep(ASK_EVERY);
        }
    }

    /// How the reader's feed differs as it is served, if it does.
    async fn look(&self, oracle: &Oracle, reader: Id, token: &str) -> Result<Vec<String>, String> {
        let answer = self.asking.feed(&self.url, token).await?;
        let mut found = Vec::new();
        for chosen_at in self.chosen_at(reader, &answer).await? {
            let expected = oracle.ranked(reader, chosen_at).served(answer.as_of);
            found = differences(&answer, &expected);
            if found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// As of when the items of an answer may have been chosen.
    async fn chosen_at(&self, reader: Id, answer: &Answer) -> Result<Vec<i64>, String> {
        if answer.source == "state" {
            return Ok(WITHIN_MS.map(|ms| answer.as_of + ms).to_vec());
        }
        if answer.source != "redis" {
            return Err(format!("answered by {}: no ranked feed", answer.source));
        }
        let redis = self.redis.as_ref().ok_or("redis.url is needed, as the API has it")?;
        let copy = redis.feed(UserId(reader)).await.map_err(|e| e.to_string())?;
        let copy = copy.filter(|copy| Some(copy.version.version) == answer.version);
        let body = copy.and_then(|copy| copy.body).ok_or("published anew while it was read")?;
        Ok(vec![body.as_of_ms])
    }
}

fn println(line: &str) -> Result<(), String> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").map_err(|e| format!("standard output: {e}"))
}
