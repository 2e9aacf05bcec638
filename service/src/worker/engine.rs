//! The feed's topology at work in this process, and its state as a tier of reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::registry::Registry;
use millstream::broker::Broker;
use millstream::store::Stores;
use millstream::{
    Config as EngineConfig, Ended, Environment, Exit, FailPoints, Lag, MemoryPlan, MemoryUse,
    Metrics, Query, QueryError, StartPlan, Streams, Topic, Topology,
};
use schemas::{FeedBody, NoRegistry, PostId, SchemaById, Trending, UserId};
use topologies::feed::{Feed, FeedSettings, Publication, feed};
use topologies::ingest::epochs::CdcEpochs;
use topologies::suggestions::Neighbours;

use crate::config::Config;
use crate::needs;
use crate::read::{
    Asked, Held, Items, People, PersonKnown, PostKnown, StateFault, StateFeeds, Why,
};
use crate::traces;

/// The topology at work.
pub struct Engine {
    /// Its state, for reads.
    pub state: Arc<dyn StateFeeds>,
    /// What it counted.
    pub metrics: Arc<Metrics>,
    streams: Arc<Streams>,
    registry: Option<Arc<Registry>>,
}

impl Engine {
    /// Starts it on `broker`; returns when its topics are checked and its threads run.
    pub fn start(config: &Config, broker: Arc<dyn Broker>) -> Result<Self, Ended> {
        let registry = registry(config).map_err(|words| failed(&words))?;
        let mut settings = settings(config);
        if let Some(registry) = &registry {
            settings.schemas = Arc::clone(registry) as Arc<dyn SchemaById>;
        }
        let feed = feed(&settings).map_err(|fault| failed(&fault))?;
        let stores = stores(config).map_err(|words| failed(&words))?;
        let on = Environment { broker, stores, fail_points: FailPoints::default() };
        let streams = Arc::new(Streams::start(&feed.topology, engine(config), on)?);
        let query = streams.query();
        let state = Arc::new(State { feed, settings, query, streams: streams.clone() });
        Ok(Self { state, metrics: streams.metrics(), streams, registry })
    }

    /// Whoever knows the schemas of values in Avro.
    pub fn schemas(&self) -> Arc<dyn SchemaById> {
        match &self.registry {
            Some(registry) => Arc::clone(registry) as Arc<dyn SchemaById>,
            None => Arc::new(NoRegistry),
        }
    }

    /// Its stores, to be asked by name.
    pub fn query(&self) -> Query {
        self.streams.query()
    }

    /// The name that this worker keeps over restarts, and that no other has.
    pub fn name(&self) -> &str {
        self.streams.name()
    }

    /// Whether every thread still runs.
    pub fn is_running(&self) -> bool {
        self.streams.is_running()
    }

    /// Whether it is well, and how far it is behind.
    pub fn look(&self) -> (Result<(), String>, Lag) {
        (look(&self.streams), self.streams.lag())
    }

    /// What it takes in memory. What its client has fetched and not sent is bounded, and not told.
    pub fn memory(&self, plan: &MemoryPlan, threads: usize) -> Vec<MemoryUse> {
        let bound = |part, each| MemoryUse { part, bytes: None, bytes_max: Some(each * threads) };
        let client = [bound("fetched", plan.fetched), bound("sending", plan.sending)];
        self.streams.memory().into_iter().chain(client).collect()
    }

    /// Whether the schema registry, if there is one, answers what it is asked.
    pub fn look_at_registry(&self) -> Result<(), String> {
        let failed = self.registry.as_ref().and_then(|registry| registry.failed());
        let words = |why| format!("{why}; {} partitions wait", self.waiting_partitions());
        failed.map_or(Ok(()), |why| Err(words(why)))
    }

    /// How many input partitions wait for a schema.
    pub fn waiting_partitions(&self) -> usize {
        self.streams.waiting_partitions()
    }

    /// About how many bytes each store has here.
    pub fn store_bytes(&self) -> Vec<(String, u64)> {
        self.streams.query().sizes()
    }

    /// How many records of each input it has not committed.
    pub fn lag_records(&self) -> BTreeMap<Topic, u64> {
        self.streams.behind_by_topic()
    }

    /// Whether it has done all that it owes.
    pub fn is_settled(&self) -> bool {
        self.streams.is_settled()
    }

    /// Commits, closes, and tells why it ended if it was not asked to.
    pub fn stop(self) -> Result<(), Ended> {
        let was_running = self.streams.is_running();
        self.streams.stop();
        let ended = self.streams.join();
        if was_running && ended.exit == Exit::Done { Ok(()) } else { Err(ended) }
    }
}

/// A worker is not well with a task that was stopped or cannot be opened, or held up, though the others go on.
fn look(streams: &Streams) -> Result<(), String> {
    is_at_work(streams)?;
    let stopped = streams.stopped_tasks();
    let words = stopped.iter().map(|(id, why)| format!("task {id} was stopped: {why}"));
    let mut words: Vec<_> = words.collect();
    let delayed = streams.delayed_tasks();
    // Mostly one reason holds for all of them.
    if let Some((id, why)) = delayed.first_key_value() {
        let others = delayed.len() - 1;
        words.push(format!("task {id} and {others} others cannot be opened: {why}"));
    }
    words.extend(streams.held_up_workers());
    if words.is_empty() { Ok(()) } else { Err(words.join("; ")) }
}

/// A member without a task is well: there may be more members than partitions.
fn is_at_work(streams: &Streams) -> Result<(), String> {
    match (streams.is_running(), streams.is_member()) {
        (false, _) => Err("the topology has stopped".to_owned()),
        (true, false) => Err("this process is no member of its group yet".to_owned()),
        (true, true) => Ok(()),
    }
}

fn failed(words: &dyn std::fmt::Display) -> Ended {
    Ended { exit: Exit::Failed, why: words.to_string() }
}

fn registry(config: &Config) -> Result<Option<Arc<Registry>>, String> {
    let settings = needs::registry(config)?;
    let registry = settings.map(|settings| Registry::open(&settings).map(Arc::new));
    registry.transpose().map_err(|why| format!("registry: {why}"))
}

/// What the topology is made with, but for who knows schemas.
pub fn settings(config: &Config) -> FeedSettings {
    FeedSettings {
        app: config.app.clone(),
        cdc_epochs: CdcEpochs {
            epoch: config.worker.cdc_epoch,
            restored_at_ms: config.worker.cdc_restored_at_ms.clone(),
        },
        feeds_epoch: config.worker.feeds_epoch,
        trending: config.trending,
        suggests: config.suggestions.is_some(),
        mutes_words: config.mutes_words,
        remembers_shown: config.remembers_shown,
        ..FeedSettings::default()
    }
}

fn engine(config: &Config) -> EngineConfig {
    EngineConfig {
        partitions: config.kafka.partitions,
        create_topics: config.kafka.create_topics,
        rebuild_stores: config.worker.rebuild_stores,
        state_dir: config.worker.state_dir.clone(),
        tracer: traces::tracer(),
        ..EngineConfig::within(config.worker.memory, config.worker.threads)
    }
}

/// A longer record is not decoded.
pub fn record_bytes_max(config: &Config) -> usize {
    engine(config).record_bytes_max
}

#[cfg(feature = "rocksdb")]
fn stores(config: &Config) -> Result<Arc<dyn Stores>, String> {
    use millstream::store::rocks::RocksStores;
    let dir = config.worker.state_dir.join(&config.app);
    Ok(Arc::new(RocksStores::new(dir, config.worker.memory_plan().stores)))
}

#[cfg(not(feature = "rocksdb"))]
fn stores(_config: &Config) -> Result<Arc<dyn Stores>, String> {
    Err("this build keeps no state".to_owned())
}

/// Creates the topics that the engine keeps for itself: a cluster may not let workers do that.
pub fn create_topics(config: &Config, broker: &dyn Broker) -> Result<(), Ended> {
    let feed = feed(&settings(config)).map_err(|fault| failed(&fault))?;
    Streams::create_topics(&feed.topology, &engine(config), broker)
}

/// What a start would do to the application that runs; nothing is done.
pub fn plan(config: &Config, broker: &dyn Broker) -> Result<StartPlan, Ended> {
    let feed = feed(&settings(config)).map_err(|fault| failed(&fault))?;
    Streams::plan(&feed.topology, &engine(config), broker)
}

/// The topology itself.
pub fn topology(config: &Config) -> Result<Topology, String> {
    let feed = feed(&settings(config)).map_err(|fault| fault.to_string())?;
    Ok(feed.topology)
}

/// A longer record is not sent.
pub fn sent_bytes_max(config: &Config) -> usize {
    engine(config).sent_bytes_max
}

/// The topics that nothing names any more; or all that an application of another name made for itself.
pub fn orphans(
    config: &Config,
    left_by: Option<&str>,
    broker: &dyn Broker,
) -> Result<Vec<Topic>, Ended> {
    let feed = feed(&settings(config)).map_err(|fault| failed(&fault))?;
    match left_by {
        None => Streams::orphans(&feed.topology, broker),
        Some(app) => Streams::topics_left_by(app, &feed.topology, broker),
    }
}

/// The topology in words.
pub fn describe(config: &Config) -> Result<String, String> {
    let feed = feed(&settings(config)).map_err(|fault| fault.to_string())?;
    Ok(feed.topology.describe())
}

/// The state of readers, ranked on demand.
struct State {
    feed: Feed,
    settings: FeedSettings,
    query: Query,
    streams: Arc<Streams>,
}

impl State {
    /// A feed as this process knows it: where it is behind, its knowledge ends in the past, and so does what it says.
    fn known(&self, of: Publication, mut body: FeedBody, now_ms: i64) -> Held {
        let known_until_ms = match self.streams.lag() {
            lag if !lag.is_lagging() => i64::MAX,
            Lag::Behind(time) => now_ms.saturating_sub_unsigned(time.as_millis() as u64),
            Lag::Unknown => 0,
        };
        body.valid_until_ms = body.valid_until_ms.min(known_until_ms);
        Held { version: of.version, body, is_published: of.is_live }
    }
}

/// What is found, if this process owns it.
fn owned<T>(found: Result<T, QueryError>) -> Result<Option<T>, StateFault> {
    match found.map_err(unanswered) {
        Ok(found) => Ok(Some(found)),
        Err(StateFault::NotOwner) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn unanswered(fault: QueryError) -> StateFault {
    match fault {
        QueryError::NotHere(_) => StateFault::NotOwner,
        QueryError::Opening(id) => StateFault::NotReady(format!("{id} is being restored")),
        QueryError::Failed(fault) => StateFault::NotReady(fault.to_string()),
    }
}

impl StateFeeds for State {
    fn feed(&self, user: UserId, now_ms: i64) -> Result<Option<Held>, StateFault> {
        self.ready().map_err(StateFault::NotReady)?;
        let ranked = self.feed.rank(&self.query, &self.settings, user, now_ms);
        let ranked = ranked.map_err(unanswered)?;
        Ok(ranked.map(|(publication, body)| self.known(publication, body, now_ms)))
    }

    fn why(&self, user: UserId, post: PostId, now_ms: i64) -> Result<Option<Why>, StateFault> {
        self.ready().map_err(StateFault::NotReady)?;
        let asked = self.feed.why(&self.query, &self.settings, (user, post), now_ms);
        let found = asked.map_err(unanswered)?;
        let weights = self.feed.weights(&self.query, &self.settings, &user);
        let at = (&weights, now_ms);
        Ok(found.map(|(of, verdict)| Why::of(post, of.version, &verdict, at)))
    }

    fn items(
        &self,
        user: UserId,
        posts: &[PostId],
        now_ms: i64,
    ) -> Result<Option<Items>, StateFault> {
        self.ready().map_err(StateFault::NotReady)?;
        let asked = self.feed.still_shown(&self.query, &self.settings, (user, posts), now_ms);
        Ok(asked.map_err(unanswered)?.as_ref().map(Items::from))
    }

    fn post(&self, post: PostId) -> Result<Option<PostKnown>, StateFault> {
        self.ready().map_err(StateFault::NotReady)?;
        let found = self.feed.post(&self.query, post).map_err(unanswered)?;
        Ok(found.as_ref().map(PostKnown::of))
    }

    fn people(&self, asked: &Asked, now_ms: i64) -> Result<Option<People>, StateFault> {
        self.ready().map_err(StateFault::NotReady)?;
        if self.feed.people.is_none() {
            return Ok(None);
        }
        let mut found = People::default();
        if let Some(user) = asked.sketch {
            let sketch = owned(self.feed.sketch(&self.query, &self.settings, user, now_ms))?;
            found.sketch = sketch.as_ref().map(Into::into);
        }
        for user in &asked.people {
            let Some(person) = owned(self.feed.person(&self.query, *user))? else { continue };
            let beside = match asked.neighbours {
                0 => Neighbours::default(),
                max => {
                    let of = (*user, person.as_ref());
                    self.feed.neighbours(&self.query, of, max).map_err(unanswered)?
                }
            };
            found.people.push(PersonKnown::of(*user, person.as_ref(), &beside));
        }
        Ok(Some(found))
    }

    fn trending(&self) -> Result<Option<Trending>, StateFault> {
        self.ready().map_err(StateFault::NotReady)?;
        Ok(self.feed.trending(&self.query))
    }

    fn ready(&self) -> Result<(), String> {
        is_at_work(&self.streams)?;
        match self.streams.stateful_tasks() {
            0 => Err("no task runs here yet".to_owned()),
            _ => Ok(()),
        }
    }
}
