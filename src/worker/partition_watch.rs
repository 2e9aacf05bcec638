//! Watches for partitions that are added to a topic while the application runs: keys then hash to other partitions than
//! their state lies in, and nobody reads the new ones. The process ends and says so; how to go on is for a person to
//! decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Stop;
use super::instance::Instance;
use crate::broker::Admin;
use crate::error::Exit;
use crate::record::Topic;
use crate::topology::Topology;

/// See the module.
pub(crate) struct PartitionWatch {
    instance: Arc<Instance>,
    admin: Option<Box<dyn Admin>>,
}

impl PartitionWatch {
    pub(crate) fn new(instance: Arc<Instance>) -> Self {
        Self { instance, admin: None }
    }

    /// One look; a cluster that does not answer is asked again at the next.
    pub(crate) fn check(&mut self) -> Result<(), Stop> {
        let before = &self.instance.context.partitions;
        let topics = read_topics(&self.instance.context.topology);
        let counts = match &mut self.admin {
            Some(admin) => admin.partitions(&topics),
            None => self
                .instance
                .broker
                .admin()
                .and_then(|admin| self.admin.insert(admin).partitions(&topics)),
        };
        match counts {
            Ok(now) => match differences(before, &topics, &now).as_slice() {
                [] => Ok(()),
                faults => Err(Stop::Exit(Exit::Mismatch, faults.join("\n"))),
            },
            Err(failure) => {
                tracing::debug!(%failure, "partitions not counted");
                self.admin = None;
                Ok(())
            }
        }
    }
}

/// Every topic that the application reads: what it only writes may have what partitions it likes.
fn read_topics(topology: &Topology) -> Vec<Topic> {
    let mut topics = topology.inputs();
    topics.extend(topology.internals());
    topics.extend(topology.broadcasts());
    topics.extend(topology.changelogs().into_iter().map(|(log, _)| log));
    topics.push(topology.task_topic());
    topics
}

/// What to say of the topics that have other numbers now. One that is not found may only be unknown to the broker asked.
fn differences(
    before: &BTreeMap<Topic, i32>,
    topics: &[Topic],
    now: &[Option<i32>],
) -> Vec<String> {
    let differs = |(topic, now): (&Topic, &Option<i32>)| {
        let (before, now) = (before.get(topic)?, now.as_ref()?);
        let words = || format!("{topic} had {before} partitions and has {now} now");
        (before != now).then(words)
    };
    topics.iter().zip(now).filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_with_another_number_are_told_of() {
        let topics: Vec<Topic> = ["a", "b", "c"].map(Topic::from).into();
        let before = topics.iter().cloned().zip([12, 12, 12]).collect();
        let told = differences(&before, &topics, &[Some(12), Some(24), None]);
        assert_eq!(told, ["b had 12 partitions and has 24 now"]);
    }
}
