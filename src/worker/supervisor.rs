//! Makes an instance ready to run: topics created and checked, the manifest compared, the ground laid.
//!
//! Order: create what is missing (if allowed), read every partition count, refuse what does not fit, compare
//! the manifest, open the handles. Nothing processes before all of it is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::instance::{Instance, Parts};
use super::{Activity, Stop, manifest, ride_out};
use crate::broker::{
    Admin, Broker, Cleanup, Consumer, Failure, Isolation, Reaction, TopicIndex, TopicSpec, classify,
};
use crate::config::Config;
use crate::error::Exit;
use crate::fail::FailPoints;
use crate::processor::Destination;
use crate::record::Topic;
use crate::store::Stores;
use crate::task::{Ground, Restorer};
use crate::topology::{HandleKind, Topology};

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Exit(Exit::Failed, failure.to_string())
    }
}

/// How long the cluster may take to answer at the start: the leaders of new topics are not elected at once.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Makes a call again while its failure says that it may be made again.
pub(super) fn patiently<T>(mut call: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let began = Instant::now();
    loop {
        match call() {
            Err(failure) if classify(&failure) == Reaction::Retry && began.elapsed() < PATIENCE => {
                tracing::debug!(%failure, "asking again");
                thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Creates, checks and compares; answers the instance.
pub(crate) fn prepare(
    topology: &Topology,
    config: Config,
    broker: Arc<dyn Broker>,
    stores: Arc<dyn Stores>,
    fail: FailPoints,
) -> Result<Arc<Instance>, Stop> {
    let mut admin = broker.admin()?;
    let partitions = topics(topology, &config, &mut *admin)?;
    manifest::compare(topology, &partitions, &*broker)?;
    let topics: Arc<[Topic]> = sent_to(topology).into();
    let ground = Arc::new(Ground {
        topology: topology.clone(),
        destinations: destinations(topology, &topics, &partitions),
        broadcasts: broadcasts(topology),
        partitions,
        record_bytes_max: config.record_bytes_max,
        sent_bytes_max: config.sent_bytes_max,
        cache_bytes_max: config.cache_bytes_max,
        flush_interval: config.flush_interval,
    });
    let heads = broker.consumer(topology.app(), Isolation::ReadUncommitted)?;
    let parts = Parts { config, ground, broker, stores, topics, fail, heads };
    Ok(Arc::new(Instance::new(parts)))
}

/// Creates what is missing and answers how many partitions every topic has.
fn topics(
    topology: &Topology,
    config: &Config,
    admin: &mut dyn Admin,
) -> Result<BTreeMap<Topic, i32>, Stop> {
    let mut counts = BTreeMap::new();
    let mut missing = Vec::new();
    let inputs = topology.inputs();
    for (topic, found) in inputs.iter().zip(patiently(|| admin.partitions(&inputs))?) {
        match found {
            Some(found) => drop(counts.insert(topic.clone(), found)),
            None => missing.push(topic.to_string()),
        }
    }
    if !missing.is_empty() {
        let words = format!("input topics that do not exist: {}", missing.join(", "));
        return Err(Stop::Exit(Exit::Mismatch, words));
    }
    let own = own_topics(topology, config);
    ensure(&own, config, admin, &mut counts)?;
    let logs = changelogs(topology, &counts);
    ensure(&logs, config, admin, &mut counts)?;
    let built = topology.built();
    let tasks = built.subs.iter().map(|sub| built.partitions_of(sub, &counts)).max().unwrap_or(1);
    let tasks =
        TopicSpec { name: topology.task_topic(), partitions: tasks, cleanup: Cleanup::Compact };
    ensure(&[tasks], config, admin, &mut counts)?;
    check(topology, &counts)?;
    Ok(counts)
}

/// Topics between sub-topologies, outputs, dead letters.
fn own_topics(topology: &Topology, config: &Config) -> Vec<TopicSpec> {
    let broadcasts = topology.broadcasts();
    let cleanup = |name: &Topic| match broadcasts.contains(name) {
        true => Cleanup::Compact,
        false => Cleanup::Delete(None),
    };
    let names =
        topology.internals().into_iter().chain(topology.outputs()).chain(broadcasts.clone());
    let mut specs: Vec<_> = names
        .map(|name| TopicSpec { partitions: config.partitions, cleanup: cleanup(&name), name })
        .collect();
    specs.push(TopicSpec {
        name: topology.dead_letters(),
        partitions: config.partitions,
        cleanup: Cleanup::Delete(Some(Duration::from_secs(30 * 24 * 3600))),
    });
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    specs.dedup_by(|a, b| a.name == b.name);
    specs
}

fn changelogs(topology: &Topology, counts: &BTreeMap<Topic, i32>) -> Vec<TopicSpec> {
    let built = topology.built();
    let of = |sub| {
        let partitions = built.partitions_of(sub, counts);
        let logs = built.changelogs_of(sub);
        logs.map(move |(name, _)| TopicSpec { name, partitions, cleanup: Cleanup::Compact })
    };
    built.subs.iter().flat_map(of).collect()
}

/// Creates these if they are missing and creating is allowed; notes their partition counts.
fn ensure(
    specs: &[TopicSpec],
    config: &Config,
    admin: &mut dyn Admin,
    counts: &mut BTreeMap<Topic, i32>,
) -> Result<(), Stop> {
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
    let found = patiently(|| admin.partitions(&names))?;
    let missing: Vec<_> = specs
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(spec, _)| spec.clone())
        .collect();
    if !missing.is_empty() && !config.create_topics {
        let names: Vec<_> = missing.iter().map(|spec| &*spec.name).collect();
        let words =
            format!("topics that do not exist and may not be created: {}", names.join(", "));
        return Err(Stop::Exit(Exit::Mismatch, words));
    }
    patiently(|| admin.create(&missing))?;
    for (spec, found) in specs.iter().zip(found) {
        counts.insert(spec.name.clone(), found.unwrap_or(spec.partitions));
    }
    Ok(())
}

/// A changelog must have as many partitions as its sub-topology, and so must co-partitioned sources.
fn check(topology: &Topology, counts: &BTreeMap<Topic, i32>) -> Result<(), Stop> {
    let built = topology.built();
    let mut faults = Vec::new();
    for sub in &built.subs {
        let wanted = built.partitions_of(sub, counts);
        for (changelog, _) in built.changelogs_of(sub) {
            let found = counts.get(&changelog).copied().unwrap_or(0);
            if found != wanted {
                faults
                    .push(format!("{changelog} has {found} partitions, {} has {wanted}", sub.name));
            }
        }
        let keyed = sub.sources.iter().filter(|_| sub.sources.len() > 1 && sub.is_stateful());
        for source in keyed {
            let found = counts.get(&source.topic).copied().unwrap_or(0);
            if found != wanted {
                faults.push(format!(
                    "{} has {found} partitions, but shares state in {} with a topic that has {wanted}",
                    source.topic, sub.name
                ));
            }
        }
    }
    let tasks = counts.get(&topology.task_topic()).copied().unwrap_or(0);
    for sub in &built.subs {
        let wanted = built.partitions_of(sub, counts);
        if tasks < wanted {
            let topic = topology.task_topic();
            faults.push(format!("{topic} has {tasks} partitions, {} has {wanted}", sub.name));
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Stop::Exit(Exit::Mismatch, faults.join("\n"))),
    }
}

/// Every topic the application sends to, in a fixed order.
fn sent_to(topology: &Topology) -> Vec<Topic> {
    let logs = topology.changelogs().into_iter().map(|(name, _)| name);
    let mut topics: Vec<_> =
        topology.internals().into_iter().chain(topology.outputs()).chain(logs).collect();
    topics.push(topology.dead_letters());
    topics.sort();
    topics.dedup();
    topics
}

fn destinations(
    topology: &Topology,
    topics: &[Topic],
    counts: &BTreeMap<Topic, i32>,
) -> BTreeMap<Topic, Destination> {
    let mut logged = topology.internals();
    logged.extend(topology.changelogs().into_iter().map(|(name, _)| name));
    let destination = |(index, topic): (usize, &Topic)| {
        let partitions = counts.get(topic).copied().unwrap_or(1);
        let logged = logged.contains(topic);
        (topic.clone(), Destination { topic: TopicIndex(index as u16), partitions, logged })
    };
    topics.iter().enumerate().map(destination).collect()
}

fn broadcasts(topology: &Topology) -> BTreeMap<u16, Arc<dyn crate::store::BroadcastStore>> {
    let handles = topology.built().plan.handles.iter().enumerate();
    let made = handles.filter_map(|(index, handle)| match &handle.kind {
        HandleKind::Broadcast { make, .. } => Some((index as u16, make())),
        HandleKind::Store(_) | HandleKind::Timers(_) => None,
    });
    made.collect()
}

/// The restoring thread's loop: takes jobs, gives stores back.
pub(crate) struct Restoring {
    instance: Arc<Instance>,
    restorer: Restorer,
}

impl Restoring {
    pub(crate) fn new(instance: Arc<Instance>) -> Result<Self, Failure> {
        let app = instance.ground.topology.app();
        let consumer: Box<dyn Consumer> =
            instance.broker.consumer(app, Isolation::ReadCommitted)?;
        Ok(Self { instance, restorer: Restorer::new(consumer) })
    }

    /// One round; waits at most `wait` for records.
    pub(crate) fn step(&mut self, wait: Duration) -> Result<Activity, Stop> {
        for job in self.instance.jobs() {
            self.restorer.begin(job)?;
        }
        if !self.restorer.is_busy() {
            return Ok(Activity::Idle);
        }
        let owned = self.instance.ownership().partitions();
        self.restorer.keep(|id| owned.contains(&id.partition))?;
        let done = match self.restorer.step(wait) {
            Ok(done) => done,
            Err(failure) => {
                let outcome = ride_out(failure, "restoring");
                // A poll that is refused at once is no reason to ask again at once.
                self.instance.wait_for_jobs(wait);
                return outcome;
            }
        };
        let busy = !done.is_empty();
        for outcome in done {
            match outcome {
                Ok(restored) => self.instance.was_restored(restored.id.clone(), Ok(restored)),
                Err((id, fault)) => self.instance.was_restored(id, Err(fault)),
            }
        }
        Ok(Activity::of(busy))
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.restorer.is_busy() || self.instance.has_jobs()
    }
}
