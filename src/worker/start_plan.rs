//! What a start would do: which topics it creates, what becomes of each part of the application that ran before, and
//! whether it goes on.
//!
//! One function decides for a start and for whoever asks beforehand, so that the two cannot disagree. Pure: what was
//! found in, a table out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::found::{Beginnings, Found};
use super::topics;
use crate::broker::{DELETE_RETENTION, TopicSpec};
use crate::config::Config;
use crate::record::Topic;
use crate::topology::{ANEW, Change, Shape, Subject, Topology, Verdict, changelog_named, changes};

/// What a start would do, part by part.
#[derive(Clone, Debug)]
pub struct StartPlan {
    changes: Vec<Change>,
    rebuild_stores: bool,
    /// The topics that it creates.
    pub(super) missing: Vec<TopicSpec>,
    /// How many partitions each topic has then.
    pub(super) partitions: BTreeMap<Topic, i32>,
    /// The manifest that it writes, if it is another than the one that is there.
    pub(super) manifest: Option<String>,
}

impl StartPlan {
    /// What becomes of each part, in a fixed order, unchanged ones included.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The worst that becomes of any part.
    pub fn verdict(&self) -> Verdict {
        self.changes.iter().map(|change| change.verdict).max().unwrap_or(Verdict::Safe)
    }

    /// Why the start refuses, a line a part; none if it goes on.
    pub fn refusal(&self) -> Option<String> {
        let allowed = if self.rebuild_stores { Verdict::Rebuilds } else { Verdict::Safe };
        let refused = self.changes.iter().filter(|change| change.verdict > allowed);
        let lines: Vec<_> = refused.map(Change::to_string).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    pub(super) fn of(topology: &Topology, config: &Config, found: &Found) -> Self {
        let mut partitions = found.partitions.clone();
        let lacking = missing_inputs(topology, found);
        if !lacking.is_empty() {
            let missing = Vec::new();
            let rebuild_stores = config.rebuild_stores;
            return Self { changes: lacking, rebuild_stores, missing, partitions, manifest: None };
        }
        let wanted = topics::wanted(topology, config, &mut partitions);
        let is_missing = |spec: &TopicSpec| !found.partitions.contains_key(&spec.name);
        let missing: Vec<_> = wanted.iter().filter(|spec| is_missing(spec)).cloned().collect();
        let after = Shape::of(topology, &partitions);
        let (mut changes, manifest) = match before(topology, found) {
            Ok(before) => {
                let mut changes = changes(&before, &after);
                changes.extend(lost_changelogs(topology, found, (&before, &after)));
                (changes, Some(after.after(&before).encode()))
            }
            Err(why) => {
                let why = format!("has a manifest that cannot be read: {why}");
                let remedy = "start the version that wrote it, or a newer one";
                (vec![Change::blocked(Subject::Application, why, remedy)], None)
            }
        };
        changes.extend(missing.iter().map(|spec| created(spec, config)));
        changes.extend(found.unread.iter().map(abandoned));
        changes.extend(forgetful(found));
        changes.extend(found.beginnings.iter().map(|(log, begin)| begun(log, *begin)));
        changes.extend(misfits(topology, &partitions));
        let manifest = manifest.filter(|text| found.manifest.as_ref() != Some(text));
        let rebuild_stores = config.rebuild_stores;
        Self { changes: merged(changes), rebuild_stores, missing, partitions, manifest }
    }
}

/// Who ran before. Of stores that are gone those count that have a changelog.
fn before(topology: &Topology, found: &Found) -> Result<Shape, String> {
    let Some(text) = &found.manifest else { return Ok(Shape::nothing()) };
    let mut shape = Shape::decode(text)?;
    let has_log = |sub: &str| found.partitions.contains_key(&changelog_named(topology.app(), sub));
    shape.gone.retain(|(sub, _)| has_log(sub));
    Ok(shape)
}

fn missing_inputs(topology: &Topology, found: &Found) -> Vec<Change> {
    let inputs = topology.inputs().into_iter();
    let missing = inputs.filter(|topic| !found.partitions.contains_key(topic));
    let blocked = |topic| {
        let remedy = "create it with the partitions that its writers need";
        Change::blocked(Subject::Topic(topic), "is an input and does not exist", remedy)
    };
    missing.map(blocked).collect()
}

fn created(spec: &TopicSpec, config: &Config) -> Change {
    let (part, count) = (Subject::Topic(spec.name.clone()), spec.partitions);
    match config.create_topics {
        true => Change::safe(part, format!("is created with {count} partitions")),
        false => {
            let remedy = format!("create it with {count} partitions");
            Change::blocked(part, "does not exist and may not be created", remedy)
        }
    }
}

/// State lies in changelogs; without one a task would begin empty in the middle of its topics.
fn lost_changelogs(
    topology: &Topology,
    found: &Found,
    (before, after): (&Shape, &Shape),
) -> Vec<Change> {
    // A release that noted no parts had these, if it had this topology; another one is refused anyway.
    let known = if before.subs.is_some() { before } else { after };
    let stateful = known.subs().filter(|(name, sub)| {
        sub.is_stateful() && after.sub(name).is_some_and(|sub| sub.is_stateful())
    });
    let logs = stateful.map(|(name, _)| (changelog_named(topology.app(), name), name));
    let lost = logs.filter(|(log, _)| !found.partitions.contains_key(log));
    let blocked = |(log, name)| {
        let why = format!("was deleted, and with it what {name} knew");
        Change::blocked(Subject::Topic(log), why, ANEW)
    };
    lost.map(blocked).collect()
}

/// What lies between two sub-topologies was promised to be worked off once.
fn abandoned(topic: &Topic) -> Change {
    let why = "has records that were not worked off, and would be lost";
    let remedy = "start the version before without its writers, until it has worked them off";
    Change::blocked(Subject::Topic(topic.clone()), why, remedy)
}

/// State is known to be of a changelog by the genesis record that this begins with.
fn begun(log: &Topic, begin: Beginnings) -> Change {
    let Beginnings { empty, known, foreign } = begin;
    let why = match foreign {
        0 => format!("has state in {known} partitions, none yet in {empty}"),
        _ => format!(
            "has {foreign} partitions that begin without a genesis record: state on disk is given up for what lies in them"
        ),
    };
    Change::safe(Subject::Topic(log.clone()), why)
}

/// A changelog that forgets by age loses state; one that forgets deletions early lets a store that was away miss them.
fn forgetful(found: &Found) -> Vec<Change> {
    let wanted = DELETE_RETENTION.as_millis();
    let fault = |(log, kept): (&Topic, &Option<Duration>)| {
        let why = match kept {
            None => "must have cleanup.policy=compact and nothing else".to_owned(),
            Some(kept) if *kept < DELETE_RETENTION => {
                let kept = kept.as_millis();
                format!("has delete.retention.ms={kept}, at least {wanted} are needed")
            }
            Some(_) => return None,
        };
        let remedy = format!(
            "kafka-configs --alter --topic {log} --add-config \
             cleanup.policy=compact,delete.retention.ms={wanted}"
        );
        Some(Change::blocked(Subject::Topic(log.clone()), why, remedy))
    };
    found.kept.iter().filter_map(fault).collect()
}

/// A changelog must have as many partitions as its sub-topology, and so must co-partitioned sources.
fn misfits(topology: &Topology, counts: &BTreeMap<Topic, i32>) -> Vec<Change> {
    let built = topology.built();
    let of = |topic: &Topic| counts.get(topic).copied().unwrap_or(0);
    let mut faults = Vec::new();
    for sub in &built.subs {
        let wanted = built.partitions_of(sub, counts);
        let found = built.changelog_of(sub).map(|changelog| (of(&changelog), changelog));
        if let Some((found, changelog)) = found.filter(|(found, _)| *found != wanted) {
            let why = format!("has {found} partitions, {} has {wanted}", sub.name);
            faults.push(Change::blocked(Subject::Topic(changelog), why, ANEW));
        }
        let keyed = sub.sources.iter().filter(|_| sub.sources.len() > 1 && sub.is_stateful());
        for source in keyed.filter(|source| of(&source.topic) != wanted) {
            let why = format!(
                "has {} partitions, but shares state in {} with a topic that has {wanted}",
                of(&source.topic),
                sub.name
            );
            let remedy =
                format!("create it anew with {wanted} partitions, before it is written to");
            faults.push(Change::blocked(Subject::Topic(source.topic.clone()), why, remedy));
        }
    }
    let topic = topology.task_topic();
    let (tasks, widest) =
        (of(&topic), built.subs.iter().map(|sub| built.partitions_of(sub, counts)));
    let widest = widest.max().unwrap_or(0);
    if tasks < widest {
        let why = format!("has {tasks} partitions, {widest} are needed");
        let remedy = format!("kafka-topics --alter --topic {topic} --partitions {widest}");
        faults.push(Change::blocked(Subject::Topic(topic), why, remedy));
    }
    faults
}

/// One change a part: the worst verdict, and all that is to be said.
fn merged(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by(|a, b| a.subject.cmp(&b.subject));
    let mut merged: Vec<Change> = Vec::new();
    for change in changes {
        match merged.last_mut() {
            Some(last) if last.subject == change.subject => last.join(change),
            Some(_) | None => merged.push(change),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
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

    const INPUTS: [(&str, i32); 4] = [("a", 3), ("b", 3), ("c", 2), ("d", 5)];
    const LOG: &str = "app-counts-changelog";

    fn config() -> Config {
        Config { partitions: 4, create_topics: true, ..Config::default() }
    }

    fn found(topics: &[(&str, i32)]) -> Found {
        let partitions = topics.iter().map(|(name, count)| ((*name).into(), *count)).collect();
        Found { partitions, ..Found::default() }
    }

    fn planned(found: &Found) -> StartPlan {
        StartPlan::of(&topology(), &config(), found)
    }

    /// Why a start refuses, without what to do about it.
    fn refused(plan: &StartPlan) -> Vec<String> {
        let words = plan.refusal().unwrap_or_default();
        words.lines().map(|line| line.split("; ").next().unwrap().to_owned()).collect()
    }

    /// What is there after a start on `INPUTS`.
    fn started() -> Found {
        let plan = planned(&found(&INPUTS));
        let kept = BTreeMap::from([(LOG.into(), Some(DELETE_RETENTION))]);
        Found { partitions: plan.partitions, kept, manifest: plan.manifest, ..Found::default() }
    }

    #[test]
    fn what_is_missing_is_created_as_its_readers_need_it() {
        let plan = planned(&found(&INPUTS));
        assert_eq!((plan.refusal(), plan.verdict()), (None, Verdict::Safe));
        let created = plan.missing.iter().map(|spec| (&*spec.name, spec.partitions));
        let expected =
            [("app-dead-letters", 4), ("counted", 4), ("passed", 4), (LOG, 3), ("app-tasks", 5)];
        assert_eq!(created.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_second_start_finds_all_as_it_was_and_writes_nothing() {
        let plan = planned(&started());
        assert_eq!((plan.refusal(), plan.missing.len(), &plan.manifest), (None, 0, &None));
    }

    #[test]
    fn what_is_missing_is_named_where_nothing_may_be_created() {
        let closed = Config { create_topics: false, ..config() };
        let plan = StartPlan::of(&topology(), &closed, &found(&INPUTS));
        let missing = [LOG, "app-dead-letters", "app-tasks", "counted", "passed"];
        let expected =
            missing.map(|name| format!("topic {name} does not exist and may not be created"));
        assert_eq!(refused(&plan), expected);
        let plan = planned(&found(&INPUTS[1..3]));
        let expected =
            ["a", "d"].map(|name| format!("topic {name} is an input and does not exist"));
        assert_eq!(refused(&plan), expected);
    }

    #[test]
    fn topics_that_share_state_must_have_as_many_partitions_and_all_faults_are_told_at_once() {
        let [_, b, c, d] = INPUTS;
        let plan = planned(&found(&[("a", 2), b, c, d, (LOG, 1), ("app-tasks", 2)]));
        let faults: Vec<_> =
            plan.changes().iter().filter(|of| of.verdict == Verdict::Blocked).collect();
        let words: Vec<_> = faults.iter().map(|of| format!("{} {}", of.subject, of.why)).collect();
        let expected = [
            "topic a is new, and read from its beginning; has 2 partitions, but shares state in counts with a topic that has 3",
            "topic app-counts-changelog has 1 partitions, counts has 3",
            "topic app-tasks has 2 partitions, 5 are needed",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_changelog_that_forgets_is_refused() {
        let of = |kept| {
            let kept = BTreeMap::from([(LOG.into(), kept)]);
            refused(&planned(&Found { kept, ..started() }))
        };
        assert_eq!(of(Some(DELETE_RETENTION)), [""; 0]);
        let by_age =
            ["topic app-counts-changelog must have cleanup.policy=compact and nothing else"];
        assert_eq!(of(None), by_age);
        let early = "topic app-counts-changelog has delete.retention.ms=604799999, at least 604800000 are needed";
        assert_eq!(of(Some(DELETE_RETENTION - Duration::from_millis(1))), [early]);
        let unknown = Found { kept: BTreeMap::new(), ..started() };
        assert_eq!(refused(&planned(&unknown)), [""; 0], "a cluster that does not say is trusted");
    }

    #[test]
    fn a_changelog_that_was_deleted_is_missed() {
        let mut found = started();
        found.partitions.remove(LOG);
        let expected = ["topic app-counts-changelog was deleted, and with it what counts knew"];
        assert_eq!(refused(&planned(&found)), expected);
        let bare = format!("format 1\ntopology {}\na 3\nb 3\nc 2\nd 5\n", topology().hash());
        let found = Found { manifest: Some(bare), ..found };
        assert_eq!(refused(&planned(&found)), expected, "known from the topology, too");
    }

    #[test]
    fn a_manifest_of_a_later_release_is_refused_and_one_of_an_earlier_is_replaced() {
        let later = Found { manifest: Some("format 9\n".into()), ..started() };
        let expected = [
            "application has a manifest that cannot be read: it has format 9, this program reads 2",
        ];
        assert_eq!(refused(&planned(&later)), expected);
        let bare = format!("format 1\ntopology {}\na 3\nb 3\nc 2\nd 5\n", topology().hash());
        let plan = planned(&Found { manifest: Some(bare), ..started() });
        assert_eq!((plan.refusal(), plan.manifest), (None, started().manifest));
    }

    #[test]
    fn a_store_begins_empty_only_where_that_is_allowed() {
        let manifest =
            started().manifest.map(|text| text.replace("store counts 1\n", "broadcast x\n"));
        let found = Found { manifest, ..started() };
        let plan = planned(&found);
        assert_eq!(plan.verdict(), Verdict::Rebuilds);
        let expected =
            ["store counts/counts is new, and would know nothing of what was read before"];
        assert_eq!(refused(&plan), expected);
        let allowed = Config { rebuild_stores: true, ..config() };
        assert_eq!(StartPlan::of(&topology(), &allowed, &found).refusal(), None);
    }

    #[test]
    fn stores_that_are_gone_are_forgotten_with_their_changelog() {
        let mut found = started();
        let gone = "gone old store\n";
        found.manifest = found.manifest.map(|text| text + gone);
        found.partitions.insert("app-old-changelog".into(), 3);
        assert_eq!(planned(&found).manifest, None, "it stays as it is");
        found.partitions.remove("app-old-changelog");
        assert_eq!(planned(&found).manifest, started().manifest);
    }
}
