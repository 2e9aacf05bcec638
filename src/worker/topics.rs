//! The topics of an application at its start: what is missing is created if that is allowed, what does not fit is
//! refused. An input is never created: who writes to it decides how many partitions it has.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Stop;
use super::retry::retry_at_startup;
use crate::broker::{Admin, Broker, Cleanup, Code, DELETE_RETENTION, TopicSpec};
use crate::config::Config;
use crate::error::Exit;
use crate::record::Topic;
use crate::topology::Topology;

/// Creates what is missing, if `config` allows it, and checks the rest.
pub(crate) fn create_topics(
    topology: &Topology,
    config: &Config,
    broker: &dyn Broker,
) -> Result<(), Stop> {
    let mut admin = broker.admin()?;
    topics(topology, config, &mut *admin).map(drop)
}

/// Creates what is missing and answers how many partitions every topic has.
pub(super) fn topics(
    topology: &Topology,
    config: &Config,
    admin: &mut dyn Admin,
) -> Result<BTreeMap<Topic, i32>, Stop> {
    let mut counts = BTreeMap::new();
    let mut missing = Vec::new();
    let inputs = topology.inputs();
    for (topic, found) in inputs.iter().zip(retry_at_startup(|| admin.partitions(&inputs))?) {
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
    let mut faults = forgetful(&logs, admin)?;
    let built = topology.built();
    let tasks = built.subs.iter().map(|sub| built.partitions_of(sub, &counts)).max().unwrap_or(1);
    let tasks =
        TopicSpec { name: topology.task_topic(), partitions: tasks, cleanup: Cleanup::Compact };
    ensure(&[tasks], config, admin, &mut counts)?;
    faults.extend(misfits(topology, &counts));
    match faults.is_empty() {
        true => Ok(counts),
        false => Err(Stop::Exit(Exit::Mismatch, faults.join("\n"))),
    }
}

/// Topics between sub-topologies, outputs, dead letters.
fn own_topics(topology: &Topology, config: &Config) -> Vec<TopicSpec> {
    let broadcasts = topology.broadcasts();
    let cleanup = |name: &Topic| match broadcasts.contains(name) {
        true => Cleanup::CompactSoon,
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
        let name = built.changelog_of(sub)?;
        Some(TopicSpec { name, partitions, cleanup: Cleanup::Compact })
    };
    built.subs.iter().filter_map(of).collect()
}

/// Creates these if they are missing and creating is allowed; notes their partition counts.
fn ensure(
    specs: &[TopicSpec],
    config: &Config,
    admin: &mut dyn Admin,
    counts: &mut BTreeMap<Topic, i32>,
) -> Result<(), Stop> {
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
    let found = retry_at_startup(|| admin.partitions(&names))?;
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
    retry_at_startup(|| admin.create(&missing))?;
    for (spec, found) in specs.iter().zip(found) {
        counts.insert(spec.name.clone(), found.unwrap_or(spec.partitions));
    }
    Ok(())
}

/// A changelog that forgets by age loses state; one that forgets deletions early lets a store that was away miss them.
fn forgetful(logs: &[TopicSpec], admin: &mut dyn Admin) -> Result<Vec<String>, Stop> {
    let names: Vec<_> = logs.iter().map(|log| log.name.clone()).collect();
    let kept = match retry_at_startup(|| admin.delete_retention(&names)) {
        Ok(kept) => kept,
        Err(failure) if matches!(failure.code, Code::Denied | Code::Unsupported) => {
            let names = names.join(", ");
            tracing::warn!(%failure, names, "DescribeConfigs: not known whether changelogs keep what they must");
            return Ok(Vec::new());
        }
        Err(failure) => return Err(failure.into()),
    };
    let wanted = DELETE_RETENTION.as_millis();
    let fault = |(name, kept): (&Topic, Option<Duration>)| match kept {
        None => Some(format!("{name} must have cleanup.policy=compact and nothing else")),
        Some(kept) if kept < DELETE_RETENTION => Some(format!(
            "{name} has delete.retention.ms={}, at least {wanted} are needed",
            kept.as_millis()
        )),
        Some(_) => None,
    };
    Ok(names.iter().zip(kept).filter_map(fault).collect())
}

/// A changelog must have as many partitions as its sub-topology, and so must co-partitioned sources.
fn misfits(topology: &Topology, counts: &BTreeMap<Topic, i32>) -> Vec<String> {
    let built = topology.built();
    let mut faults = Vec::new();
    for sub in &built.subs {
        let wanted = built.partitions_of(sub, counts);
        if let Some(changelog) = built.changelog_of(sub) {
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
    faults
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::broker::embedded::Embedded;
    use crate::broker::{Call, Created, Failure};
    use crate::clock::ManualClock;
    use crate::record::{Offset, Timestamp, TopicPartition};
    use crate::serde::{I64, Utf8};
    use crate::topology::Builder;

    /// Counts two inputs together, and passes two others on, for which nothing need fit.
    fn topology() -> Topology {
        let builder = Builder::new("app");
        let stream = |name: &str| builder.stream(name, Utf8, Utf8);
        stream("a").merge(&stream("b")).count("counts", Utf8).to("counted", Utf8, I64);
        stream("c").merge(&stream("d")).filter("all", |_| true).to("passed", Utf8, Utf8);
        builder.build().unwrap()
    }

    fn admin(inputs: &[(&str, i32)]) -> Box<dyn Admin> {
        broker(inputs).admin().unwrap()
    }

    fn broker(inputs: &[(&str, i32)]) -> Embedded {
        let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
        let mut admin = broker.admin().unwrap();
        let specs: Vec<_> =
            inputs.iter().map(|(name, partitions)| spec(name, *partitions)).collect();
        admin.create(&specs).unwrap();
        broker
    }

    /// A cluster whose topics show deletions for so long, or that does not say for how long.
    struct Forgetful {
        admin: Box<dyn Admin>,
        kept: Result<Duration, Failure>,
    }

    impl Admin for Forgetful {
        fn create(&mut self, topics: &[TopicSpec]) -> Result<Vec<Created>, Failure> {
            self.admin.create(topics)
        }

        fn partitions(&mut self, of: &[Topic]) -> Result<Vec<Option<i32>>, Failure> {
            self.admin.partitions(of)
        }

        fn delete_retention(&mut self, of: &[Topic]) -> Result<Vec<Option<Duration>>, Failure> {
            self.kept.clone().map(|kept| vec![Some(kept); of.len()])
        }

        fn delete_before(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
            self.admin.delete_before(offsets)
        }
    }

    fn checked_where(kept: Result<Duration, Failure>) -> Result<(), Stop> {
        let mut admin = Forgetful { admin: admin(&INPUTS), kept };
        topics(&topology(), &config(), &mut admin).map(drop)
    }

    fn spec(name: &str, partitions: i32) -> TopicSpec {
        TopicSpec { name: name.into(), partitions, cleanup: Cleanup::Compact }
    }

    const INPUTS: [(&str, i32); 4] = [("a", 3), ("b", 3), ("c", 2), ("d", 5)];

    fn checked(admin: &mut dyn Admin, config: &Config) -> Result<BTreeMap<Topic, i32>, String> {
        topics(&topology(), config, admin).map_err(|stop| match stop {
            Stop::Exit(Exit::Mismatch, words) => words,
            Stop::Exit(..) | Stop::Crashed(_) => panic!("another end"),
        })
    }

    fn config() -> Config {
        Config { partitions: 4, create_topics: true, ..Config::default() }
    }

    #[test]
    fn what_is_missing_is_created_as_its_readers_need_it() {
        let counts = checked(&mut *admin(&INPUTS), &config()).unwrap();
        let of = |name: &str| counts.get(name).copied();
        assert_eq!(
            (of("counted"), of("passed"), of("app-dead-letters")),
            (Some(4), Some(4), Some(4))
        );
        assert_eq!(of("app-counts-changelog"), Some(3), "as its sources have");
        assert_eq!(of(&topology().task_topic()), Some(5), "as the widest sub-topology has");
    }

    #[test]
    fn what_is_missing_is_named_where_nothing_may_be_created() {
        let closed = Config { create_topics: false, ..config() };
        let words = checked(&mut *admin(&INPUTS), &closed).unwrap_err();
        let expected =
            "topics that do not exist and may not be created: app-dead-letters, counted, passed";
        assert_eq!(words, expected);
        let words = checked(&mut *admin(&INPUTS[1..3]), &config()).unwrap_err();
        assert_eq!(words, "input topics that do not exist: a, d");
    }

    #[test]
    fn topics_that_share_state_must_have_as_many_partitions_and_all_faults_are_told_at_once() {
        let [_, b, c, d] = INPUTS;
        let mut admin = admin(&[("a", 2), b, c, d]);
        admin
            .create(&[spec("app-counts-changelog", 1), spec(&topology().task_topic(), 2)])
            .unwrap();
        let words = checked(&mut *admin, &config()).unwrap_err();
        let tasks = topology().task_topic();
        let expected = [
            "app-counts-changelog has 1 partitions, counts has 3".to_owned(),
            "a has 2 partitions, but shares state in counts with a topic that has 3".to_owned(),
            format!("{tasks} has 2 partitions, counts has 3"),
            format!("{tasks} has 2 partitions, all has 5"),
        ];
        assert_eq!(words.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_changelog_that_forgets_is_refused() {
        let mut admin = admin(&INPUTS);
        let cleanup = Cleanup::Delete(None);
        admin.create(&[TopicSpec { cleanup, ..spec("app-counts-changelog", 3) }]).unwrap();
        let words = checked(&mut *admin, &config()).unwrap_err();
        let expected = "app-counts-changelog must have cleanup.policy=compact and nothing else";
        assert_eq!(words, expected);
    }

    #[test]
    fn a_changelog_that_shows_deletions_for_less_than_a_week_is_refused() {
        assert_eq!(checked_where(Ok(DELETE_RETENTION)), Ok(()));
        let words =
            "app-counts-changelog has delete.retention.ms=604799999, at least 604800000 are needed";
        let refused = Stop::Exit(Exit::Mismatch, words.into());
        assert_eq!(checked_where(Ok(DELETE_RETENTION - Duration::from_millis(1))), Err(refused));
    }

    #[test]
    fn a_cluster_that_may_not_say_what_it_keeps_is_trusted_and_any_other_failure_ends_the_start() {
        let failed = |code| checked_where(Err(Failure::new(Call::Admin, code, "x")));
        assert_eq!([Code::Denied, Code::Unsupported].map(failed), [Ok(()), Ok(())]);
        let ended = Stop::Exit(Exit::Failed, "Admin: InvalidArgument: x".into());
        assert_eq!(failed(Code::InvalidArgument), Err(ended));
    }

    #[test]
    fn dead_letters_are_kept_for_thirty_days() {
        let topics = own_topics(&topology(), &config());
        let letters = topics.iter().find(|topic| &*topic.name == "app-dead-letters");
        let days = Duration::from_secs(2_592_000);
        assert_eq!(letters.map(|topic| topic.cleanup), Some(Cleanup::Delete(Some(days))));
    }

    #[test]
    fn topics_can_be_created_before_anything_starts() {
        let broker = broker(&INPUTS);
        create_topics(&topology(), &config(), &broker).unwrap();
        let created = broker.admin().unwrap().partitions(&["counted".into(), "c".into()]);
        assert_eq!(created, Ok(vec![Some(4), Some(2)]));
    }
}
