//! The stores of the whole application, asked by name at any worker.
//!
//! What this process shows it reads itself; of the rest whoever shows it is asked, once, and answers for itself. Who that is the
//! announcements say, which every instance writes of itself; where nobody is announced, the workers of the configuration are
//! tried. Of a task that moves there is an answer all the while: of who runs it, or else of who has given it up.
//!
//! An answer in hand is read from disk on a thread that may wait, and sent with where its task stood before.

pub mod announcement;
mod announcing;
pub mod answer;
pub mod directory;
pub mod elsewhere;
pub mod peers;
pub mod question;
pub mod unanswered;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use millstream::{Clock, Query, Scan, Scanned, StoreFacts};

pub use announcing::{Announcing, Hearing};

use self::answer::{Answer, Part};
use self::directory::Directory;
use self::peers::Peers;
use self::question::{Next, POSITION_WAIT, Question, What};
use self::unanswered::Unanswered;
use crate::read::StateFault;

/// How often is looked whether a position has come.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// All that one question may take: less than a request may.
const WAIT: Duration = Duration::from_secs(4);

/// The stores of this process.
pub trait OwnStores: Send + Sync {
    /// Its state, and the name that it bears in the group.
    fn stores(&self) -> Result<(Query, String), StateFault>;
}

/// See the module.
pub struct Stores {
    /// Those of this process.
    pub own: Arc<dyn OwnStores>,
    /// Who shows what.
    pub directory: Arc<Directory>,
    /// How the others are asked.
    pub peers: Peers,
    /// Who is asked where nobody is announced.
    pub workers: Vec<String>,
    /// By which announcements are old.
    pub clock: Arc<dyn Clock>,
}

/// Whether others may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only this process answers.
    Own,
    /// Whoever shows it does.
    Anybody,
}

/// What is known of the question's store, and by whom.
struct Asking {
    query: Query,
    instance: String,
    facts: StoreFacts,
    question: Question,
    reach: Reach,
}

type Read = Result<(Part, Option<String>), Unanswered>;

impl Stores {
    /// Every store, and what this process shows of it.
    pub fn facts(&self) -> Result<(Vec<StoreFacts>, String), Unanswered> {
        let (query, name) = self.own.stores()?;
        Ok((query.stores(), name))
    }

    /// What is found.
    pub async fn ask(&self, question: Question, reach: Reach) -> Result<Answer, Unanswered> {
        let late = |_| Unanswered::NotReady("it took too long".to_owned());
        tokio::time::timeout(WAIT, self.found(question, reach)).await.map_err(late)?
    }

    async fn found(&self, question: Question, reach: Reach) -> Result<Answer, Unanswered> {
        let (query, instance) = self.own.stores()?;
        let facts = query.facts_of(&question.store)?;
        let asking = Arc::new(Asking { query, instance, facts, question, reach });
        asking.check()?;
        match &asking.question.what {
            What::Row(key) => {
                let partitions = asking.partitions_of(key)?;
                let reads = partitions.into_iter().map(|partition| {
                    let question = asking.question.clone();
                    self.read(&asking, question, partition)
                });
                let parts =
                    join_all(reads).await.into_iter().map(|read| read.map(|(part, _)| part));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                Ok(Answer { store: asking.facts.name.clone(), parts, next: None })
            }
            What::Rows(scan, next) => self.scan(&asking, scan, next.clone()).await,
        }
    }

    /// Goes through the partitions, one after the other, until there are enough rows.
    async fn scan(
        &self,
        asking: &Arc<Asking>,
        scan: &Scan,
        next: Option<Next>,
    ) -> Result<Answer, Unanswered> {
        let (first, end) = asking.range_of(scan)?;
        let mut answer = Answer { store: asking.facts.name.clone(), ..Answer::default() };
        let mut at = next.unwrap_or(Next { partition: first, from: None });
        let mut left = scan.rows_max;
        while at.partition < end {
            if left == 0 {
                answer.next = Some(at.text());
                break;
            }
            let scan = Scan { rows_max: left, ..scan.clone() };
            let what = What::Rows(scan, Some(at.clone()));
            let question = Question { what, ..asking.question.clone() };
            let (part, from) = self.read(asking, question, at.partition).await?;
            left = left.saturating_sub(part.rows.len());
            answer.parts.push(part);
            if from.is_some() {
                answer.next = Some(Next { partition: at.partition, from }.text());
                break;
            }
            at = Next { partition: at.partition + 1, from: None };
        }
        Ok(answer)
    }

    /// One partition, by whoever may say something of it: who runs its task before who has given it up.
    async fn read(&self, asking: &Arc<Asking>, question: Question, partition: i32) -> Read {
        let own = asking.own(question.clone(), partition).await;
        let may_go_on = match &own {
            Ok((part, _)) => !part.is_active(),
            Err(Unanswered::NotOwner | Unanswered::NotReady(_)) => true,
            // Who runs the task says so, and nobody knows better.
            Err(Unanswered::Lagging(_) | Unanswered::Behind(_)) => false,
            Err(Unanswered::NoStore | Unanswered::Unreadable(..)) => false,
        };
        if asking.reach == Reach::Own || !may_go_on {
            return own;
        }
        let elsewhere = self.elsewhere(asking, &question, partition).await;
        match (own, elsewhere) {
            (_, Ok((part, next))) if part.is_active() => Ok((part, next)),
            (Ok(own), _) | (Err(_), Ok(own)) => Ok(own),
            (Err(Unanswered::NotOwner), Err(why)) | (Err(why), Err(_)) => Err(why),
        }
    }

    async fn elsewhere(&self, asking: &Asking, question: &Question, partition: i32) -> Read {
        let sub = (asking.facts.sub_topology.as_str(), partition);
        let mut urls = self.directory.urls(sub, &asking.instance, self.clock.now());
        if urls.is_empty() {
            urls.clone_from(&self.workers);
        }
        let path = question.path(partition);
        let mut last = Unanswered::NotReady(format!("nobody shows partition {partition}"));
        for url in urls {
            let answered = self.peers.ask(&url, &path).await;
            let parts = answered.map(|answer| (answer.parts.into_iter().next(), answer.next));
            match parts {
                Ok((Some(part), next)) => {
                    // It goes on where that one ended, within the partition.
                    let from = next.as_deref().and_then(Next::read).and_then(|next| next.from);
                    return Ok((part, from));
                }
                Ok((None, _)) | Err(Unanswered::NotOwner) => {}
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

impl Asking {
    /// Refuses what can never be answered.
    fn check(&self) -> Result<(), Unanswered> {
        let asked = &self.question;
        let (store, partitions) = (&self.facts.name, self.facts.partitions);
        if asked.partition.is_some_and(|partition| !(0..partitions).contains(&partition)) {
            let words = format!("{store} has partitions 0 to {}", partitions - 1);
            return Err(Unanswered::Unreadable("partition", words));
        }
        let position = asked.fresh.position_min.iter().flat_map(|position| position.places());
        let is_input = |topic: &str| self.facts.inputs.iter().any(|input| **input == *topic);
        for (at, _) in position {
            if !is_input(&at.topic) {
                let inputs = self.facts.inputs.join(", ");
                let words = format!("{store} is made of {inputs}, and not of {}", at.topic);
                return Err(Unanswered::Unreadable("min_position", words));
            }
        }
        Ok(())
    }

    /// Where a key may be.
    fn partitions_of(&self, key: &str) -> Result<Vec<i32>, Unanswered> {
        let placed = self.query.partition_of_key(&self.facts.name, key)?;
        Ok(match self.question.partition.or(placed) {
            Some(partition) => vec![partition],
            None => (0..self.facts.partitions).collect(),
        })
    }

    /// Which partitions a scan goes through.
    fn range_of(&self, scan: &Scan) -> Result<(i32, i32), Unanswered> {
        let placed = match &scan.prefix {
            Some(prefix) => self.query.partition_of_prefix(&self.facts.name, prefix)?,
            None => None,
        };
        let only = self.question.partition.or(placed);
        Ok(only.map_or((0, self.facts.partitions), |only| (only, only + 1)))
    }

    /// What this process shows of a partition, once it is fresh enough.
    async fn own(self: &Arc<Self>, question: Question, partition: i32) -> Read {
        let began = Instant::now();
        loop {
            let (asking, asked) = (Arc::clone(self), question.clone());
            let read = tokio::task::spawn_blocking(move || asking.look(&asked, partition));
            let read = read.await.map_err(|e| Unanswered::NotReady(e.to_string()))?;
            match read {
                Err(Unanswered::Behind(_)) if began.elapsed() < POSITION_WAIT => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                read => return read,
            }
        }
    }

    fn look(&self, question: &Question, partition: i32) -> Read {
        let store = &self.facts.name;
        let (part, next) = match &question.what {
            What::Row(key) => {
                let found = self.query.row(store, key, partition)?;
                (Part::of(&self.instance, found, |row| row.into_iter().collect()), None)
            }
            What::Rows(scan, next) => {
                let from = next.as_ref().and_then(|next| next.from.clone()).or(scan.from.clone());
                let scan = Scan { from, ..scan.clone() };
                let mut found = self.query.rows(store, &scan, partition)?;
                let next = found.what.next.take();
                (Part::of(&self.instance, found, |scanned: Scanned| scanned.rows), next)
            }
        };
        match question.fresh.look(&part) {
            Ok(()) => Ok((part, next)),
            // What was given up gets no fresher here.
            Err(_) if !part.is_active() => Err(Unanswered::NotOwner),
            Err(why) => Err(why),
        }
    }
}
