//! Cuts the graph into sub-topologies, and finds what cannot run.
//!
//! Nodes belong together when an edge joins them or when they use the same store; a topic between two nodes,
//! and a broadcast, separate them.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{HandleKind, NodeKind, Plan};
use super::{SourceSpec, SubTopology, Topology};

/// The column in which a store on disk keeps its marks.
const RESERVED: &str = "default";

/// The sub-topologies in the order of their first nodes; faults are appended.
pub(super) fn cut(plan: &Plan, faults: &mut Vec<String>) -> Vec<SubTopology> {
    check_names(plan, faults);
    let roots = roots(plan);
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, root) in roots.iter().enumerate() {
        groups.entry(*root).or_default().push(node);
    }
    let subs: Vec<_> = groups.into_values().map(|nodes| sub_topology(plan, &nodes)).collect();
    let mut names = BTreeSet::new();
    for sub in &subs {
        if !names.insert(sub.name.clone()) {
            faults.push(format!(
                "two sub-topologies are named {}: name their first nodes apart",
                sub.name
            ));
        }
    }
    check_stores(plan, &subs, faults);
    subs
}

/// For each node the smallest node it is connected with.
fn roots(plan: &Plan) -> Vec<usize> {
    let mut roots: Vec<usize> = (0..plan.nodes.len()).collect();
    let mut by_store: BTreeMap<u16, usize> = BTreeMap::new();
    for (node, planned) in plan.nodes.iter().enumerate() {
        for parent in &planned.parents {
            join(&mut roots, node, *parent as usize);
        }
        for used in &planned.uses {
            let shared = plan.handles.get(*used as usize);
            if shared.is_none_or(|handle| matches!(handle.kind, HandleKind::Broadcast { .. })) {
                continue;
            }
            let first = *by_store.entry(*used).or_insert(node);
            join(&mut roots, node, first);
        }
    }
    (0..roots.len()).map(|node| find(&roots, node)).collect()
}

fn find(roots: &[usize], node: usize) -> usize {
    match roots.get(node) {
        Some(&root) if root != node => find(roots, root),
        Some(_) | None => node,
    }
}

fn join(roots: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(roots, a), find(roots, b));
    if let Some(root) = roots.get_mut(a.max(b)) {
        *root = a.min(b);
    }
}

fn sub_topology(plan: &Plan, nodes: &[usize]) -> SubTopology {
    let planned: Vec<_> = nodes.iter().filter_map(|node| plan.nodes.get(*node)).collect();
    let named = planned.iter().find(|node| matches!(node.kind, NodeKind::Verb(_)));
    let name = named.or(planned.first()).map_or_else(|| "".into(), |node| node.name.clone());
    let mut sources = Vec::new();
    let (mut columns, mut broadcasts) = (BTreeSet::new(), BTreeSet::new());
    for node in &planned {
        match &node.kind {
            NodeKind::Source { topic, make } => {
                sources.push(SourceSpec { topic: topic.clone(), make: make.clone() });
            }
            NodeKind::Sink { .. } | NodeKind::Verb(_) => {}
        }
        for used in &node.uses {
            match plan.handles.get(*used as usize).map(|handle| &handle.kind) {
                Some(HandleKind::Store(..) | HandleKind::Timers(..)) => columns.insert(*used),
                Some(HandleKind::Broadcast { .. }) => broadcasts.insert(*used),
                None => false,
            };
        }
    }
    sources.sort_by(|a, b| a.topic.cmp(&b.topic));
    SubTopology {
        name,
        sources,
        columns: columns.into_iter().collect(),
        broadcasts: broadcasts.into_iter().collect(),
        nodes: nodes.iter().map(|node| *node as u16).collect(),
    }
}

/// The longest name that Kafka takes for a topic.
const TOPIC_BYTES_MAX: usize = 249;

/// The application's name, alone and in the names of the topics that are made from it.
pub(super) fn check_app(topology: &Topology, faults: &mut Vec<String>) {
    if !is_topic_name(topology.app()) {
        faults.push(unfit("application", topology.app()));
    }
    let mut made = topology.internals();
    made.extend(topology.changelogs().into_iter().map(|(log, _)| log));
    made.extend([topology.dead_letters(), topology.task_topic()]);
    let long = made.iter().filter(|topic| topic.len() > TOPIC_BYTES_MAX);
    faults.extend(
        long.map(|topic| format!("topic {topic}: a name has at most {TOPIC_BYTES_MAX} bytes")),
    );
}

fn unfit(kind: &str, name: &str) -> String {
    format!("{kind} {name:?}: a name has letters, digits, `.`, `_`, `-`")
}

fn check_names(plan: &Plan, faults: &mut Vec<String>) {
    let mut verbs = BTreeSet::new();
    for node in &plan.nodes {
        if !matches!(node.kind, NodeKind::Verb(_)) {
            continue;
        }
        if node.name.is_empty() {
            faults.push("an operator has no name".into());
        } else if !is_topic_name(&node.name) {
            faults.push(unfit("operator", &node.name));
        } else if !verbs.insert(node.name.clone()) {
            faults.push(format!("two operators are named {}", node.name));
        }
    }
    let mut stores = BTreeSet::new();
    for handle in &plan.handles {
        if !is_topic_name(&handle.name) {
            faults.push(unfit("store", &handle.name));
        } else if &*handle.name == RESERVED {
            faults.push(format!("store {RESERVED:?}: this name is the engine's own"));
        } else if !stores.insert(handle.name.clone()) {
            faults.push(format!("two stores are named {}", handle.name));
        }
    }
    for topic in plan.topics.keys() {
        if !is_topic_name(topic) {
            faults.push(unfit("topic", topic));
        }
    }
}

fn is_topic_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=200).contains(&name.len()) && name.chars().all(legal)
}

fn check_stores(plan: &Plan, subs: &[SubTopology], faults: &mut Vec<String>) {
    let used: BTreeSet<u16> =
        subs.iter().flat_map(|sub| sub.columns.iter().chain(&sub.broadcasts)).copied().collect();
    for (index, handle) in plan.handles.iter().enumerate() {
        if !used.contains(&(index as u16)) {
            let kind = match handle.kind {
                HandleKind::Store(..) => "store",
                HandleKind::Timers(..) => "timers",
                HandleKind::Broadcast { .. } => "broadcast",
            };
            faults.push(format!("no operator uses the {kind} {}", handle.name));
        }
    }
    for sub in subs {
        if sub.sources.is_empty() {
            faults.push(format!("operator {} has no source", sub.name));
        }
    }
    // The group has one position per partition, and one task may move it.
    let mut topics = BTreeSet::new();
    for source in subs.iter().flat_map(|sub| &sub.sources) {
        if !topics.insert(source.topic.clone()) {
            let topic = &source.topic;
            faults.push(format!(
                "topic {topic} is read twice: read it once, and attach both to that stream"
            ));
        }
    }
    let tasks: BTreeSet<_> = subs.iter().map(|sub| format!("{}-task", sub.name)).collect();
    for handle in plan.handles.iter().filter(|handle| tasks.contains(&*handle.name)) {
        let name = &handle.name;
        let task = name.trim_end_matches("-task");
        faults.push(format!("store {name:?}: this name is of the task {task}'s own"));
    }
    check_timers(plan, faults);
}

/// A deadline rings at one operator: with two it would be chance at which.
fn check_timers(plan: &Plan, faults: &mut Vec<String>) {
    for (index, handle) in plan.handles.iter().enumerate() {
        let users = plan.nodes.iter().filter(|node| node.uses.contains(&(index as u16)));
        let users: Vec<_> = users.map(|node| &*node.name).collect();
        if matches!(handle.kind, HandleKind::Timers(..)) && users.len() > 1 {
            let (name, users) = (&handle.name, users.join(", "));
            faults.push(format!("timers {name} are attached to {users}: a deadline rings at one"));
        }
    }
    for node in &plan.nodes {
        if node.uses.iter().any(|used| plan.handles.get(*used as usize).is_none()) {
            faults.push(format!("operator {} uses a store of another topology", node.name));
        }
    }
}
