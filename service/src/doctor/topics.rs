//! Topics as they are against topics as they must be: what becomes of old records, how many copies there are, what may
//! be sent.
//!
//! Partitions that share state are judged where a start judges them ([`millstream::StartPlan`]).

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::Topic;
use millstream::broker::{DELETE_RETENTION_SOON, TopicDescription};
use schemas::topic::Cleanup;

use super::finding::{Finding, Severity};

/// What a topic must be.
#[derive(Clone, Debug)]
pub struct TopicNeed {
    /// Its name.
    pub name: Topic,
    /// What must become of old records.
    pub cleanup: Cleanup,
    /// How many partitions it must have, if that is given.
    pub partitions: Option<i32>,
    /// The largest record that we send there; none if only others write.
    pub sent_bytes_max: Option<usize>,
}

/// What is said of the whole cluster's topics.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Where Kafka is, for the commands.
    pub bootstrap: &'a str,
    /// Whether a worker creates what is missing.
    pub creates: bool,
}

/// What mends a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mend {
    Create,
    /// Other settings.
    Set(String),
    /// More copies.
    Replicate,
    /// It must be made anew.
    Anew(i32),
}

type Fault = (Severity, String, Mend);

/// A finding for everything that is not as it must be, with all topics of which it is so.
pub fn judge(
    needs: &[TopicNeed],
    found: &BTreeMap<Topic, TopicDescription>,
    terms: Terms<'_>,
) -> Vec<Finding> {
    let mut faults: BTreeMap<Fault, Vec<&Topic>> = BTreeMap::new();
    for need in needs {
        let of_it = match found.get(&need.name) {
            None => vec![missing(terms.creates)],
            Some(topic) => present(need, topic),
        };
        of_it.into_iter().for_each(|fault| faults.entry(fault).or_default().push(&need.name));
    }
    let finding = |((severity, words, mend), topics): (Fault, Vec<&Topic>)| {
        let names = topics.iter().map(|topic| &***topic).collect::<Vec<_>>();
        let kind = if names.len() == 1 { "topic" } else { "topics" };
        let of = format!("{kind} {}", names.join(", "));
        let command = Some(command(&mend, &names, terms.bootstrap));
        Finding { severity, of, words, command }
    };
    faults.into_iter().map(finding).collect()
}

fn missing(creates: bool) -> Fault {
    let severity = if creates { Severity::Warning } else { Severity::Error };
    (severity, "not there".into(), Mend::Create)
}

fn present(need: &TopicNeed, found: &TopicDescription) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(wanted) = need.partitions.filter(|wanted| *wanted != found.partitions) {
        let words = format!("{} partitions, {wanted} is right", found.partitions);
        faults.push((Severity::Error, words, Mend::Anew(wanted)));
    }
    faults.extend(kept(need.cleanup, found));
    faults.extend(copies(found));
    faults.extend(size(need.sent_bytes_max, found));
    faults
}

/// What becomes of old records.
fn kept(wanted: Cleanup, found: &TopicDescription) -> Option<Fault> {
    let policy = found.settings.get("cleanup.policy").map_or("", String::as_str);
    match (wanted, found.is_compacted()) {
        (Cleanup::Compact | Cleanup::CompactSoon, false) => Some((
            Severity::Error,
            format!("cleanup.policy={policy}: last values go by age, or old ones never do"),
            Mend::Set("cleanup.policy=compact".into()),
        )),
        (Cleanup::Compact | Cleanup::CompactSoon, true) => shown(found),
        (Cleanup::Keep | Cleanup::KeepFor(_) | Cleanup::Purge, _) if policy != "delete" => Some((
            Severity::Error,
            format!("cleanup.policy={policy}: records go that are to be read"),
            Mend::Set("cleanup.policy=delete".into()),
        )),
        (Cleanup::Keep, _) => {
            aged(found, None, Severity::Error, "what the database said is kept for ever")
        }
        (Cleanup::Purge, _) => aged(
            found,
            None,
            Severity::Error,
            "a record goes once it was worked off, and no worker may be away for longer",
        ),
        (Cleanup::KeepFor(time), _) => {
            aged(found, Some(time), Severity::Warning, "older state cannot be rebuilt from it")
        }
    }
}

/// How long deletions are shown; of changelogs a start sees to it.
fn shown(found: &TopicDescription) -> Option<Fault> {
    let kept = found.delete_retention().filter(|kept| *kept < DELETE_RETENTION_SOON)?;
    let wanted = DELETE_RETENTION_SOON.as_millis();
    Some((
        Severity::Warning,
        format!(
            "delete.retention.ms={}: whoever was away for longer misses deletions",
            kept.as_millis()
        ),
        Mend::Set(format!("delete.retention.ms={wanted}")),
    ))
}

/// Records that go by time or size before they may.
fn aged(
    found: &TopicDescription,
    wanted: Option<Duration>,
    severity: Severity,
    why: &str,
) -> Option<Fault> {
    let wanted = wanted.map_or(-1, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    let is_long = |ms: i64| ms < 0 || (wanted >= 0 && ms >= wanted);
    let (ms, bytes) = (found.number("retention.ms"), found.number("retention.bytes"));
    let (says, set) = match (ms, bytes) {
        (Some(ms), _) if !is_long(ms) => {
            (format!("retention.ms={ms}"), format!("retention.ms={wanted}"))
        }
        (_, Some(bytes)) if bytes >= 0 => {
            (format!("retention.bytes={bytes}"), "retention.bytes=-1".to_owned())
        }
        (_, _) => return None,
    };
    Some((severity, format!("{says}: {why}"), Mend::Set(set)))
}

/// How many brokers may go before records are lost, or cannot be written.
fn copies(found: &TopicDescription) -> Vec<Fault> {
    let least = found.number("min.insync.replicas").unwrap_or(1);
    let replicas = i64::from(found.replicas);
    let mut faults = Vec::new();
    if replicas < 2 {
        let words = "one copy: what its broker loses is lost".to_owned();
        faults.push((Severity::Warning, words, Mend::Replicate));
    }
    if least > replicas {
        let words = format!("min.insync.replicas={least} of {replicas}: nothing can be written");
        faults.push((Severity::Error, words, Mend::Set("min.insync.replicas=1".into())));
    } else if replicas > 1 && least == replicas {
        let words =
            format!("min.insync.replicas={least} of {replicas}: one broker away stops all writes");
        let set = format!("min.insync.replicas={}", least - 1);
        faults.push((Severity::Warning, words, Mend::Set(set)));
    } else if replicas > 2 && least < 2 {
        let words = "min.insync.replicas=1: acks=all is the word of one broker".to_owned();
        faults.push((Severity::Warning, words, Mend::Set("min.insync.replicas=2".into())));
    }
    if found.settings.get("unclean.leader.election.enable").is_some_and(|is| is == "true") {
        let words =
            "unclean.leader.election.enable=true: what was committed may be lost".to_owned();
        faults.push((
            Severity::Warning,
            words,
            Mend::Set("unclean.leader.election.enable=false".into()),
        ));
    }
    faults
}

/// A record that is made and cannot be sent aborts for ever.
fn size(sent_bytes_max: Option<usize>, found: &TopicDescription) -> Option<Fault> {
    let (sent, taken) = (sent_bytes_max?, found.number("max.message.bytes")?);
    let taken = usize::try_from(taken).ok().filter(|taken| *taken < sent)?;
    let words = format!("max.message.bytes={taken}: records of up to {sent} are sent");
    Some((Severity::Error, words, Mend::Set(format!("max.message.bytes={sent}"))))
}

fn command(mend: &Mend, topics: &[&str], bootstrap: &str) -> String {
    let one = |topic: &str| match mend {
        Mend::Create => "feedmill topics create".to_owned(),
        Mend::Set(set) => format!(
            "kafka-configs --bootstrap-server {bootstrap} --alter --topic {topic} --add-config {set}"
        ),
        Mend::Replicate => format!(
            "kafka-reassign-partitions --bootstrap-server {bootstrap} --reassignment-json-file FILE --execute   # on three brokers or more; FILE names them for each partition"
        ),
        Mend::Anew(_) => format!(
            "kafka-topics --bootstrap-server {bootstrap} --delete --topic {topic} && feedmill topics create"
        ),
    };
    match (mend, topics) {
        (Mend::Create | Mend::Replicate, _) => one(""),
        (_, [topic]) => one(topic),
        (_, topics) => format!("for t in {}; do {}; done", topics.join(" "), one("$t")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Settings<'a> = &'a [(&'a str, &'a str)];

    const TERMS: Terms<'_> = Terms { bootstrap: "k:9092", creates: false };

    fn need(cleanup: Cleanup) -> TopicNeed {
        TopicNeed { name: "t".into(), cleanup, partitions: None, sent_bytes_max: Some(1_000) }
    }

    /// A topic with three copies, so set.
    fn topic(settings: &[(&str, &str)]) -> TopicDescription {
        let sound = [("min.insync.replicas", "2"), ("max.message.bytes", "1000")];
        let settings =
            sound.iter().chain(settings).map(|(name, of)| ((*name).into(), (*of).into()));
        TopicDescription { partitions: 3, replicas: 3, settings: settings.collect() }
    }

    fn told(need: TopicNeed, found: TopicDescription) -> Vec<String> {
        let found = BTreeMap::from([(need.name.clone(), found)]);
        let findings = judge(&[need], &found, TERMS);
        findings.into_iter().map(|of| format!("{} {}", of.severity, of.words)).collect()
    }

    #[test]
    fn old_records_go_as_they_must() {
        let week = Cleanup::KeepFor(Duration::from_secs(7 * 86_400));
        let delete = ("cleanup.policy", "delete");
        let rows: &[(Cleanup, Settings<'_>, &[&str])] = &[
            (Cleanup::Compact, &[("cleanup.policy", "compact")], &[]),
            (
                Cleanup::CompactSoon,
                &[("cleanup.policy", "compact"), ("delete.retention.ms", "86399999")],
                &[
                    "warning delete.retention.ms=86399999: whoever was away for longer misses deletions",
                ],
            ),
            (
                Cleanup::Compact,
                &[("cleanup.policy", "compact,delete")],
                &[
                    "error cleanup.policy=compact,delete: last values go by age, or old ones never do",
                ],
            ),
            (
                Cleanup::Keep,
                &[("cleanup.policy", "compact")],
                &["error cleanup.policy=compact: records go that are to be read"],
            ),
            (Cleanup::Keep, &[delete, ("retention.ms", "-1")], &[]),
            (
                Cleanup::Keep,
                &[delete, ("retention.ms", "604800000")],
                &["error retention.ms=604800000: what the database said is kept for ever"],
            ),
            (
                Cleanup::Purge,
                &[delete, ("retention.ms", "-1"), ("retention.bytes", "5")],
                &[
                    "error retention.bytes=5: a record goes once it was worked off, and no worker may be away for longer",
                ],
            ),
            (week, &[delete, ("retention.ms", "604800000")], &[]),
            (week, &[delete, ("retention.ms", "-1")], &[]),
            (
                week,
                &[delete, ("retention.ms", "604799999")],
                &["warning retention.ms=604799999: older state cannot be rebuilt from it"],
            ),
        ];
        for (cleanup, settings, expected) in rows {
            assert_eq!(
                told(need(*cleanup), topic(settings)),
                *expected,
                "{cleanup:?} {settings:?}"
            );
        }
    }

    #[test]
    fn copies_sizes_and_partitions_are_as_they_must_be() {
        let compacted = ("cleanup.policy", "compact");
        let of = |replicas, settings: &[(&str, &str)]| {
            let settings = [&[compacted], settings].concat();
            told(need(Cleanup::Compact), TopicDescription { replicas, ..topic(&settings) })
        };
        assert_eq!(of(3, &[]), [""; 0]);
        let rows: [(i32, Settings<'_>, &str); 6] = [
            (1, &[("min.insync.replicas", "1")], "warning one copy: what its broker loses is lost"),
            (
                3,
                &[("min.insync.replicas", "4")],
                "error min.insync.replicas=4 of 3: nothing can be written",
            ),
            (2, &[], "warning min.insync.replicas=2 of 2: one broker away stops all writes"),
            (
                3,
                &[("min.insync.replicas", "1")],
                "warning min.insync.replicas=1: acks=all is the word of one broker",
            ),
            (
                3,
                &[("unclean.leader.election.enable", "true")],
                "warning unclean.leader.election.enable=true: what was committed may be lost",
            ),
            (
                3,
                &[("max.message.bytes", "999")],
                "error max.message.bytes=999: records of up to 1000 are sent",
            ),
        ];
        for (replicas, settings, expected) in rows {
            assert_eq!(of(replicas, settings), [expected]);
        }
        let two = TopicNeed { partitions: Some(2), ..need(Cleanup::Compact) };
        assert_eq!(told(two, topic(&[compacted])), ["error 3 partitions, 2 is right"]);
        let others = TopicNeed { sent_bytes_max: None, ..need(Cleanup::Compact) };
        assert_eq!(told(others, topic(&[compacted, ("max.message.bytes", "9")])), [""; 0]);
    }

    #[test]
    fn what_is_so_of_several_topics_is_said_once_with_one_command() {
        let needs =
            ["a", "b", "c"].map(|name| TopicNeed { name: name.into(), ..need(Cleanup::Keep) });
        let short = topic(&[("cleanup.policy", "delete"), ("retention.ms", "5")]);
        let found = ["a", "b"].map(|name| (Topic::from(name), short.clone())).into();
        let findings = judge(&needs, &found, TERMS);
        let told: Vec<_> =
            findings.iter().map(|of| (of.of.as_str(), of.command.as_deref())).collect();
        let set = "for t in a b; do kafka-configs --bootstrap-server k:9092 --alter --topic $t --add-config retention.ms=-1; done";
        let expected = [("topic c", Some("feedmill topics create")), ("topics a, b", Some(set))];
        assert_eq!(told, expected);
        let created = judge(&needs, &found, Terms { creates: true, ..TERMS });
        let missing = created.iter().find(|of| of.of == "topic c");
        assert_eq!(missing.map(|of| of.severity), Some(Severity::Warning));
    }
}
