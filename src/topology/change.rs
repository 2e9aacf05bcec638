//! What becomes of a running application when another topology takes it over: part by part, whether it goes on, begins
//! without what was read before, or must not start.
//!
//! Pure: two shapes in, a table out. Names bind state to operators, so a part that has another name is another part, and
//! what it knew stays behind; what cannot be told from the shapes (that an operator does something else) is not told.

use std::fmt;
use std::sync::Arc;

use super::shape::{Role, Shape, StoreKind, StoreShape, SubShape};
use crate::record::Topic;

/// What becomes of one part of a running application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The part.
    pub subject: Subject,
    /// What a start does about it.
    pub verdict: Verdict,
    /// Why, in words that go on after the part.
    pub why: String,
    /// What to do about it, if anything.
    pub remedy: Option<String>,
}

/// A part of an application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All of it.
    Application,
    /// A topic.
    Topic(Topic),
    /// A sub-topology.
    SubTopology(Arc<str>),
    /// A store, or timers.
    Store {
        /// The sub-topology that it is of.
        of: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

/// What a start does about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It goes on: nothing that was known is lost or incomplete.
    Safe,
    /// It begins empty, without what was read before. A start does so only where it is told to.
    Rebuilds,
    /// A start refuses.
    Blocked,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application => f.write_str("application"),
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::SubTopology(name) => write!(f, "sub-topology {name}"),
            Self::Store { of, name } => write!(f, "store {of}/{name}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Safe => "safe",
            Self::Rebuilds => "rebuilds",
            Self::Blocked => "blocked",
        })
    }
}

const AS_BEFORE: &str = "is as it was";
/// The way that is always open.
pub(crate) const ANEW: &str = "start it under another application name, which reads every topic from its beginning; \
                               or go on with the version that ran before";
const AS_IT_WAS: &str = "name it as it was; or start under another application name, which reads every topic from its \
                         beginning";
const EMPTY: &str = "stop every process of the version before, then start once with leave to begin stores empty; or \
                     start under another application name, which reads every topic from its beginning";
const ALL_AT_ONCE: &str =
    "stop every process of the version before first: it cannot read what this one writes";
const WORKED_OFF: &str =
    "let the version before work off what lies there; then its topics are orphans";
const ANOTHER_NAME: &str =
    "give it a name that no store had; or delete the changelog if nothing else is in it";

impl Change {
    pub(crate) fn safe(part: Subject, why: impl Into<String>) -> Self {
        Self { subject: part, verdict: Verdict::Safe, why: why.into(), remedy: None }
    }

    fn rebuilds(part: Subject, why: impl Into<String>) -> Self {
        Self {
            subject: part,
            verdict: Verdict::Rebuilds,
            why: why.into(),
            remedy: Some(EMPTY.into()),
        }
    }

    pub(crate) fn blocked(
        part: Subject,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            subject: part,
            verdict: Verdict::Blocked,
            why: why.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// Takes in what else is to be said of the same part.
    pub(crate) fn join(&mut self, other: Self) {
        self.verdict = self.verdict.max(other.verdict);
        self.why = match self.why == AS_BEFORE {
            true => other.why,
            false => format!("{}; {}", self.why, other.why),
        };
        self.remedy = match (self.remedy.take(), other.remedy) {
            (Some(one), Some(two)) if one != two => Some(format!("{one}; {two}")),
            (one, two) => one.or(two),
        };
    }

    fn with(self, remedy: &str) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, self.why)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// What becomes of each part of `before` under `after`; every part of both is named.
pub(crate) fn changes(before: &Shape, after: &Shape) -> Vec<Change> {
    if before.subs.is_none() && before.digest != after.digest {
        let why = "was started with another topology by a release that did not note its parts";
        return vec![Change::blocked(Subject::Application, why, ANEW)];
    }
    let mut changes = vec![application(before, after)];
    changes.extend(after.sources.keys().map(|topic| source(topic, before, after)));
    let unread = before.sources.keys().filter(|topic| !after.sources.contains_key(*topic));
    changes.extend(unread.map(|topic| {
        Change::safe(Subject::Topic(topic.clone()), "is not read any more").with(WORKED_OFF)
    }));
    for (name, sub) in after.subs() {
        changes.push(sub_topology(name, sub, before));
        let part = |store: &Arc<str>| Subject::Store { of: name.clone(), name: store.clone() };
        let stores = sub.stores.iter();
        changes.extend(stores.map(|(store, of)| stored(part(store), *of, (before, after))));
    }
    for (name, sub) in before.subs() {
        changes.extend(left_behind(name, sub, after));
    }
    changes.sort_by(|a, b| a.subject.cmp(&b.subject));
    changes
}

fn application(before: &Shape, after: &Shape) -> Change {
    let why = match before.digest == after.digest {
        _ if before.is_nothing() => "is new, and reads its topics from their beginnings",
        true => "has the topology that it had",
        false => "has another topology",
    };
    Change::safe(Subject::Application, why)
}

fn source(topic: &Topic, before: &Shape, after: &Shape) -> Change {
    let part = Subject::Topic(topic.clone());
    let (Some(was), Some(is)) = (before.sources.get(topic), after.sources.get(topic)) else {
        return Change::safe(part, "is new, and read from its beginning");
    };
    if was.partitions != is.partitions {
        let why = format!(
            "had {} partitions and has {}: keys lie in others than their state",
            was.partitions, is.partitions
        );
        return Change::blocked(part, why, ANEW);
    }
    if before.subs.is_none() {
        return Change::safe(part, AS_BEFORE);
    }
    match (was.role, is.role) {
        (Role::Input, Role::Internal) => {
            Change::blocked(part, "was another's and is its own: values have another form", ANEW)
        }
        (Role::Internal, Role::Input) => {
            Change::blocked(part, "was its own and is another's: values have another form", ANEW)
        }
        (Role::Input, Role::Input) | (Role::Internal, Role::Internal) => {
            versioned(part, was.version, is.version)
        }
    }
}

/// Values that lie there, by the version in which they were written.
fn versioned(part: Subject, was: u8, is: u8) -> Change {
    match was.cmp(&is) {
        std::cmp::Ordering::Equal => Change::safe(part, AS_BEFORE),
        std::cmp::Ordering::Less => Change::safe(
            part,
            format!("has values of version {was}, which are read; {is} is written from now on"),
        )
        .with(ALL_AT_ONCE),
        std::cmp::Ordering::Greater => Change::blocked(
            part,
            format!("has values of version {was}, and this program knows {is}"),
            "start the newer version",
        ),
    }
}

/// A sub-topology as it is, whatever was before.
fn sub_topology(name: &Arc<str>, sub: &SubShape, before: &Shape) -> Change {
    let part = Subject::SubTopology(name.clone());
    if before.subs.is_none() {
        return Change::safe(part, AS_BEFORE);
    }
    let taken = sub.sources.iter().find_map(|topic| {
        let (other, of) = before.reader_of(topic)?;
        (other != name && (of.is_stateful() || sub.is_stateful())).then_some((topic, other))
    });
    if let Some((topic, other)) = taken {
        let why = format!(
            "reads {topic}, which {other} has read so far: what that made of it stays there"
        );
        return Change::blocked(part, why, AS_IT_WAS);
    }
    match before.sub(name) {
        None => Change::safe(part, "is new"),
        Some(was) if was == sub => Change::safe(part, AS_BEFORE),
        Some(_) => Change::safe(part, "reads or keeps other things than before"),
    }
}

/// A store as it is, whatever was before.
fn stored(part: Subject, is: StoreShape, (before, after): (&Shape, &Shape)) -> Change {
    let Subject::Store { of, name } = &part else { return Change::safe(part, AS_BEFORE) };
    if before.subs.is_none() {
        return Change::safe(part, AS_BEFORE);
    }
    if let Some(was) = before.sub(of).and_then(|sub| sub.stores.get(name)) {
        return match (was.kind, is.kind) {
            (StoreKind::KeyValue, StoreKind::KeyValue) | (StoreKind::Timers, StoreKind::Timers) => {
                versioned(part, was.version, is.version)
            }
            (StoreKind::KeyValue, StoreKind::Timers) | (StoreKind::Timers, StoreKind::KeyValue) => {
                let why = "was a store and is timers, or the other way round";
                Change::blocked(part, why, ANOTHER_NAME)
            }
        };
    }
    if let Some(owner) = before.owner_of(name) {
        let why = format!("was kept by {owner}: its rows stay there");
        return Change::blocked(part, why, AS_IT_WAS);
    }
    if before.gone.contains(&(of.clone(), name.clone())) {
        let why = "was there once, and its changelog still has rows of then";
        return Change::blocked(part, why, ANOTHER_NAME);
    }
    let reads_all = before.sub(of).is_none() && reads_from_the_beginning(of, (before, after));
    match reads_all {
        true => Change::safe(part, "is new, and reads its topics from their beginnings"),
        false => Change::rebuilds(part, "is new, and would know nothing of what was read before"),
    }
}

/// Whether all that a new sub-topology reads comes from outside, and nobody has read it.
fn reads_from_the_beginning(name: &str, (before, after): (&Shape, &Shape)) -> bool {
    let Some(sub) = after.sub(name) else { return false };
    if before.is_nothing() {
        return true;
    }
    sub.sources.iter().all(|topic| {
        let is_input = after.sources.get(topic).is_some_and(|of| of.role == Role::Input);
        is_input && !before.sources.contains_key(topic)
    })
}

/// What of a sub-topology is not there any more.
fn left_behind(name: &Arc<str>, was: &SubShape, after: &Shape) -> Vec<Change> {
    let is = after.sub(name);
    let mut changes = Vec::new();
    if is.is_none() {
        let why = "is not there any more";
        changes.push(Change::safe(Subject::SubTopology(name.clone()), why).with(WORKED_OFF));
    }
    for store in was.stores.keys().filter(|store| after.owner_of(store).is_none()) {
        let part = Subject::Store { of: name.clone(), name: store.clone() };
        let why = "is not kept any more; a store of this name cannot come back";
        changes.push(Change::safe(part, why));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sub-topologies: `split` without state, `count` with a store and timers.
    const BEFORE: &str = "format 2\ntopology 01\nsource lines input 0 3\nsource words internal 1 3\n\
                          sub-topology count\nreads words\nstore counts 2\ntimers due 2\n\
                          sub-topology split\nreads lines\n";

    fn shape(text: &str) -> Shape {
        Shape::decode(text).unwrap()
    }

    /// What is not as it was, when the lines `from` are `to`.
    fn changed(rows: &[(&str, &str)]) -> Vec<String> {
        let after =
            rows.iter().fold(BEFORE.replace("topology 01", "topology 02"), |text, (from, to)| {
                assert!(text.contains(from), "{from}");
                text.replace(from, to)
            });
        told(&changes(&shape(BEFORE), &shape(&after)))
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let news = changes.iter().filter(|change| {
            change.subject != Subject::Application
                && change.why != AS_BEFORE
                && !change.why.starts_with("reads or keeps")
        });
        news.map(|change| format!("{} {}: {}", change.subject, change.verdict, change.why))
            .collect()
    }

    #[test]
    fn what_is_the_same_goes_on_and_every_part_is_named() {
        let same = changes(&shape(BEFORE), &shape(BEFORE));
        assert!(same.iter().all(|change| change.verdict == Verdict::Safe), "{same:?}");
        let parts: Vec<_> = same.iter().map(|change| change.subject.to_string()).collect();
        let expected = [
            "application",
            "topic lines",
            "topic words",
            "sub-topology count",
            "sub-topology split",
            "store count/counts",
            "store count/due",
        ];
        assert_eq!(parts, expected);
        assert_eq!(changed(&[]), [""; 0], "operators alone");
    }

    /// The lines that are others, and what is told of it.
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

    #[test]
    fn each_change_has_its_verdict() {
        let rows: &[Row<'_>] = &[
            (
                &[("lines input 0 3", "lines input 0 4")],
                &[
                    "topic lines blocked: had 3 partitions and has 4: keys lie in others than their state",
                ],
            ),
            (
                &[("words internal", "words input")],
                &["topic words blocked: was its own and is another's: values have another form"],
            ),
            (
                &[("words internal 1", "words internal 2")],
                &[
                    "topic words safe: has values of version 1, which are read; 2 is written from now on",
                ],
            ),
            (
                &[("counts 2", "counts 3")],
                &[
                    "store count/counts safe: has values of version 2, which are read; 3 is written from now on",
                ],
            ),
            (
                &[("counts 2", "counts 1")],
                &["store count/counts blocked: has values of version 2, and this program knows 1"],
            ),
            (
                &[("timers due 2", "store due 2")],
                &["store count/due blocked: was a store and is timers, or the other way round"],
            ),
            (
                &[("store counts 2\n", "store counts 2\nstore sums 1\n")],
                &[
                    "store count/sums rebuilds: is new, and would know nothing of what was read before",
                ],
            ),
            (
                &[("timers due 2\n", "")],
                &[
                    "store count/due safe: is not kept any more; a store of this name cannot come back",
                ],
            ),
            (
                &[("topology count", "topology tally")],
                &[
                    "sub-topology count safe: is not there any more",
                    "sub-topology tally blocked: reads words, which count has read so far: what that made of it stays there",
                    "store tally/counts blocked: was kept by count: its rows stay there",
                    "store tally/due blocked: was kept by count: its rows stay there",
                ],
            ),
            (
                &[("topology split", "topology cut")],
                &[
                    "sub-topology cut safe: is new",
                    "sub-topology split safe: is not there any more",
                ],
            ),
        ];
        for (edits, expected) in rows {
            assert_eq!(changed(edits), *expected);
        }
    }

    #[test]
    fn a_new_part_is_whole_where_all_that_it_reads_is_new_and_comes_from_outside() {
        let more = |topic: &str| {
            let text = BEFORE
                .replace("sub-topology count", &format!("source {topic}\nsub-topology count"));
            let name = topic.split(' ').next().unwrap();
            format!("{text}sub-topology more\nreads {name}\nstore kept 1\n")
        };
        let of_kept = |topic: &str| {
            told(&changes(&shape(BEFORE), &shape(&more(topic)))).pop().unwrap_or_default()
        };
        let whole = "store more/kept safe: is new, and reads its topics from their beginnings";
        assert_eq!(of_kept("pages input 0 3"), whole);
        let empty =
            "store more/kept rebuilds: is new, and would know nothing of what was read before";
        assert_eq!(of_kept("between internal 1 3"), empty);
    }

    #[test]
    fn a_store_that_was_there_once_cannot_come_back_over_its_old_rows() {
        let without = shape(&BEFORE.replace("timers due 2\n", "")).after(&shape(BEFORE));
        let words = told(&changes(&without, &shape(BEFORE)));
        let expected =
            "store count/due blocked: was there once, and its changelog still has rows of then";
        assert_eq!(words, [expected]);
        let forgotten = Shape { gone: Default::default(), ..without };
        let words = told(&changes(&forgotten, &shape(BEFORE)));
        assert!(words[0].starts_with("store count/due rebuilds"), "{words:?}");
    }

    #[test]
    fn of_a_release_that_noted_no_parts_only_the_same_topology_is_known() {
        let bare = |text: &str| {
            let before = shape(&format!("format 1\n{text}"));
            let all = changes(&before, &shape(BEFORE));
            let news = all.iter().filter(|change| change.why != AS_BEFORE);
            news.map(|change| format!("{} {}", change.subject, change.why)).collect::<Vec<_>>()
        };
        let same = "application has the topology that it had";
        assert_eq!(bare("topology 01\nlines 3\nwords 3\n"), [same]);
        let wider = "topic words had 6 partitions and has 3: keys lie in others than their state";
        assert_eq!(bare("topology 01\nlines 3\nwords 6\n"), [same, wider]);
        let other = "application was started with another topology by a release that did not note its parts";
        assert_eq!(bare("topology 07\nlines 3\nwords 3\n"), [other]);
    }
}
