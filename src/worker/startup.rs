//! Prepares an instance: looks at what is there, decides, creates what is missing, builds what its tasks share.
//!
//! Nothing is processed before all of it is done, and nothing is changed before all of it is decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::found::Found;
use super::instance::{Instance, InstanceParts};
use super::retry::retry_at_startup;
use super::{StartPlan, Stop, manifest};
use crate::broker::{Broker, Isolation, TopicIndex};
use crate::config::Config;
use crate::error::Exit;
use crate::fail_points::FailPoints;
use crate::processor::Destination;
use crate::record::Topic;
use crate::store::{BroadcastStore, CacheBudget, Stores};
use crate::task::AppContext;
use crate::topology::{HandleKind, Topology};

/// Creates, checks and compares; answers the instance.
pub(crate) fn prepare(
    topology: &Topology,
    config: Config,
    broker: Arc<dyn Broker>,
    stores: Arc<dyn Stores>,
    fail_points: FailPoints,
) -> Result<Arc<Instance>, Stop> {
    let Some(name) = config.instance.clone() else {
        return Err(Stop::Exit(Exit::Usage, "this process has no name".into()));
    };
    let planned = decide(topology, &config, &*broker)?;
    create(&planned, &*broker)?;
    if let Some(text) = &planned.manifest {
        manifest::write(topology, &*broker, text)?;
    }
    let partitions = planned.partitions;
    let topics: Arc<[Topic]> = sent_to(topology).into();
    let context = Arc::new(AppContext {
        topology: topology.clone(),
        destinations: destinations(topology, &topics, &partitions),
        broadcasts: broadcasts(topology),
        partitions,
        record_bytes_max: config.record_bytes_max,
        sent_bytes_max: config.sent_bytes_max,
        tracer: config.tracer.clone(),
        record_caches: CacheBudget::new(config.record_cache_bytes_max),
        flush_interval: config.flush_interval,
    });
    let high_watermarks = broker.consumer(topology.app(), Isolation::ReadUncommitted)?;
    let parts = InstanceParts {
        name,
        config,
        context,
        broker,
        stores,
        topics,
        fail_points,
        high_watermarks,
    };
    Ok(Arc::new(Instance::new(parts)))
}

/// What a start would do; nothing is done.
pub(crate) fn plan(
    topology: &Topology,
    config: &Config,
    broker: &dyn Broker,
) -> Result<StartPlan, Stop> {
    let found = Found::look(topology, broker)?.look_closer(topology, broker)?;
    Ok(StartPlan::of(topology, config, &found))
}

fn decide(topology: &Topology, config: &Config, broker: &dyn Broker) -> Result<StartPlan, Stop> {
    Ok(StartPlan::of(topology, config, &Found::look(topology, broker)?))
}

/// Creates what is missing, if `config` allows it and the rest fits.
pub(crate) fn create_topics(
    topology: &Topology,
    config: &Config,
    broker: &dyn Broker,
) -> Result<(), Stop> {
    create(&decide(topology, config, broker)?, broker)
}

fn create(planned: &StartPlan, broker: &dyn Broker) -> Result<(), Stop> {
    if let Some(words) = planned.refusal() {
        return Err(Stop::Exit(Exit::Mismatch, words));
    }
    let mut admin = broker.admin()?;
    retry_at_startup(|| admin.create(&planned.missing))?;
    Ok(())
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

fn broadcasts(topology: &Topology) -> BTreeMap<u16, Arc<dyn BroadcastStore>> {
    let handles = topology.built().plan.handles.iter().enumerate();
    let made = handles.filter_map(|(index, handle)| match &handle.kind {
        HandleKind::Broadcast { make, .. } => Some((index as u16, make())),
        HandleKind::Store(..) | HandleKind::Timers(..) => None,
    });
    made.collect()
}
