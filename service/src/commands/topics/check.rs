//! The topics of the application against what it needs of them.

use std::collections::BTreeMap;

use millstream::broker::{Broker, TopicDescription};
use millstream::{Exit, Subject, Topic, Verdict};
use schemas::{application, topic};
use serde_json::json;

use super::acls;
use crate::cli::Check;
use crate::config::Config;
use crate::doctor::finding::{self, Finding};
use crate::doctor::topics::{Terms, TopicNeed, judge};
use crate::{Failed, worker};

/// What is told, and how the command ends if there is an error among it.
pub fn check(
    broker: &dyn Broker,
    config: &Config,
    asked: &Check,
) -> Result<(String, Option<Failed>), Failed> {
    let (needs, found) = look(broker, config)?;
    let findings = findings(broker, config, (&needs, &found))?;
    let lines = match asked.acls {
        true => lines(config, &asked.principal)?,
        false => Vec::new(),
    };
    let told = match asked.json {
        true => {
            let told = json!({
                "topics": found.len(),
                "findings": finding::json_of(&findings),
                "acls": lines,
            });
            format!("{told:#}\n")
        }
        false => {
            let mut told = finding::told(&findings);
            lines.iter().for_each(|line| told.extend([line, "\n"]));
            told + &format!("{} topics looked at\n", found.len())
        }
    };
    let failed = finding::errors(&findings).map(|words| Failed(Exit::Failed, words));
    Ok((told, failed))
}

/// What is not as it must be, of these and between them.
pub fn findings(
    broker: &dyn Broker,
    config: &Config,
    (needs, found): (&[TopicNeed], &BTreeMap<Topic, TopicDescription>),
) -> Result<Vec<Finding>, Failed> {
    let terms = Terms { bootstrap: &config.kafka.bootstrap, creates: config.kafka.create_topics };
    let mut findings = judge(needs, found, terms);
    let plan = worker::plan(config, broker)?;
    for change in plan.changes().iter().filter(|change| change.verdict == Verdict::Blocked) {
        // What is missing was found already.
        if let Subject::Topic(name) = &change.subject
            && found.contains_key(name)
        {
            let command = change.remedy.clone();
            let finding = Finding::error(change.subject.to_string(), change.why.clone());
            findings.push(Finding { command, ..finding });
        }
    }
    let orphans = worker::orphans(config, None, broker)?;
    if !orphans.is_empty() {
        let of = format!("topics {}", orphans.join(", "));
        let finding = Finding::note(of, "nothing names them any more");
        findings.push(finding.mended_by("feedmill topics gc --yes"));
    }
    Ok(findings)
}

/// Every topic that must be there, and those that are.
pub fn look(
    broker: &dyn Broker,
    config: &Config,
) -> Result<(Vec<TopicNeed>, BTreeMap<Topic, TopicDescription>), Failed> {
    let needs = needs(config)?;
    let names: Vec<_> = needs.iter().map(|need| need.name.clone()).collect();
    let described = broker.admin().and_then(|mut admin| admin.describe(&names));
    let described = described?;
    let found = names.into_iter().zip(described).filter_map(|(name, of)| Some((name, of?)));
    Ok((needs, found.collect()))
}

fn needs(config: &Config) -> Result<Vec<TopicNeed>, Failed> {
    let topology = worker::topology(config)?;
    let sent = Some(worker::sent_bytes_max(config));
    let inputs = topology.inputs();
    let declared = topic::ALL.iter().map(|topic| TopicNeed {
        name: application::topic(&config.app, topic).as_ref().into(),
        cleanup: topic.cleanup,
        partitions: topic.partitions,
        sent_bytes_max: sent.filter(|_| !inputs.iter().any(|input| **input == *topic.name)),
    });
    let own =
        |name, cleanup, partitions| TopicNeed { name, cleanup, partitions, sent_bytes_max: sent };
    let logs = topology.changelogs().into_iter().map(|(log, _)| log);
    let state = logs.chain([topology.task_topic()]);
    let state = state.map(|name| own(name, topic::Cleanup::Compact, None));
    let named = topic::own(topology.app()).into_iter();
    let named = named.map(|topic| own(topic.name.into(), topic.cleanup, topic.partitions));
    Ok(declared.chain(state).chain(named).collect())
}

fn lines(config: &Config, principal: &str) -> Result<Vec<String>, Failed> {
    let topology = worker::topology(config)?;
    let creates = config.kafka.create_topics;
    Ok(acls::lines(&topology, &config.kafka.bootstrap, principal, creates))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream::broker::embedded::Embedded;
    use millstream::broker::{Cleanup, TopicSpec};
    use millstream::{ManualClock, Timestamp};

    use super::*;
    use crate::commands::topics;

    fn config() -> Config {
        Config::read(None, std::iter::empty(), |_| Vec::new()).unwrap()
    }

    fn checked(broker: &Embedded) -> (serde_json::Value, Option<String>) {
        let asked = Check { acls: false, principal: "User:a".into(), json: true };
        let (told, failed) = check(broker, &config(), &asked).unwrap();
        (serde_json::from_str(&told).unwrap(), failed.map(|Failed(_, words)| words))
    }

    #[test]
    fn topics_as_they_are_created_have_no_error() {
        let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
        topics::create_all(&broker, &config()).unwrap();
        let (told, failed) = checked(&broker);
        assert_eq!(failed, None, "{told}");
        let findings = told["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "one broker has one copy: {told}");
    }

    #[test]
    fn topics_that_do_not_fit_the_state_are_found_with_those_of_other_faults() {
        let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
        let wrong = [
            TopicSpec { name: "events".into(), partitions: 2, cleanup: Cleanup::Compact },
            TopicSpec { name: "reads".into(), partitions: 2, cleanup: Cleanup::Delete(None) },
        ];
        broker.admin().unwrap().create(&wrong).unwrap();
        topics::ensure(&broker, &config()).unwrap();
        let (told, failed) = checked(&broker);
        let errors = told["findings"].as_array().unwrap().iter();
        let errors = errors.filter(|of| of["severity"] == "error");
        let of: Vec<_> = errors.map(|of| of["of"].as_str().unwrap()).collect();
        assert_eq!(of, ["topic events", "topic reads"], "{told}");
        assert!(failed.is_some_and(|words| words.starts_with("2 of ")));
    }
}
