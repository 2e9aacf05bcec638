//! The shape of a topology: all of it that lies in topics and state, and so outlives the process that made it.
//!
//! It is kept as text, a line a fact, in words that names cannot contain. Reading is total: a text of a newer form is
//! refused with its number. The first form had the digest and the partitions alone; who wrote it is known by these.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use super::plan::{HandleKind, TopicKind};
use super::{Built, SubTopology, Topology};
use crate::record::Topic;

/// The form that is written.
const FORMAT: &str = "2";
/// The form that tells no parts.
const FORMAT_BARE: &str = "1";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The digest of the whole.
    pub digest: String,
    /// The topics that tasks read.
    pub sources: BTreeMap<Topic, SourceShape>,
    /// Its sub-topologies by name; none if the first form told of it.
    pub subs: Option<BTreeMap<Arc<str>, SubShape>>,
    /// Stores that it once had, with their sub-topologies: their rows may lie in changelogs.
    pub gone: BTreeSet<(Arc<str>, Arc<str>)>,
}

/// A topic that tasks read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceShape {
    pub role: Role,
    /// The version in which its values are written, if it is the application's own.
    pub version: u8,
    pub partitions: i32,
}

/// Whose a topic is that tasks read: the values of one's own bear version and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Input,
    Internal,
}

/// A sub-topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubShape {
    pub sources: BTreeSet<Topic>,
    pub stores: BTreeMap<Arc<str>, StoreShape>,
    pub broadcasts: BTreeSet<Topic>,
}

/// A store or timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreShape {
    pub kind: StoreKind,
    /// The version in which its values are written.
    pub version: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    KeyValue,
    Timers,
}

impl SubShape {
    /// Whether it has a changelog.
    pub fn is_stateful(&self) -> bool {
        !self.stores.is_empty() || !self.broadcasts.is_empty()
    }
}

impl Shape {
    /// The shape of a topology whose topics have so many partitions.
    pub fn of(topology: &Topology, partitions: &BTreeMap<Topic, i32>) -> Self {
        let built = topology.built();
        let read = built.subs.iter().flat_map(|sub| &sub.sources);
        let sources = read.map(|source| {
            let is_own = built.plan.topics.get(&source.topic) == Some(&TopicKind::Internal);
            let of = SourceShape {
                role: if is_own { Role::Internal } else { Role::Input },
                version: built.plan.versions.get(&source.topic).copied().unwrap_or(0),
                partitions: partitions.get(&source.topic).copied().unwrap_or(0),
            };
            (source.topic.clone(), of)
        });
        let subs = built.subs.iter().map(|sub| (sub.name.clone(), sub_shape(built, sub)));
        Self {
            digest: topology.hash(),
            sources: sources.collect(),
            subs: Some(subs.collect()),
            gone: BTreeSet::new(),
        }
    }

    /// The shape of what never ran.
    pub fn nothing() -> Self {
        Self {
            digest: String::new(),
            sources: BTreeMap::new(),
            subs: Some(BTreeMap::new()),
            gone: BTreeSet::new(),
        }
    }

    /// Whether it is that of what never ran.
    pub fn is_nothing(&self) -> bool {
        self.sources.is_empty()
    }

    /// The sub-topologies, as far as they are known.
    pub fn subs(&self) -> impl Iterator<Item = (&Arc<str>, &SubShape)> {
        self.subs.iter().flatten()
    }

    /// The sub-topology of this name.
    pub fn sub(&self, name: &str) -> Option<&SubShape> {
        self.subs.as_ref()?.get(name)
    }

    /// The sub-topology that reads `topic`.
    pub fn reader_of(&self, topic: &str) -> Option<(&Arc<str>, &SubShape)> {
        self.subs().find(|(_, sub)| sub.sources.contains(topic))
    }

    /// The sub-topology that has the store `name`.
    pub fn owner_of(&self, name: &str) -> Option<&Arc<str>> {
        self.subs().find(|(_, sub)| sub.stores.contains_key(name)).map(|(owner, _)| owner)
    }

    /// This shape after `before`: it remembers the stores that were there and are not any more.
    pub fn after(mut self, before: &Self) -> Self {
        self.gone.extend(before.gone.iter().cloned());
        for (name, sub) in before.subs() {
            self.gone.extend(sub.stores.keys().map(|store| (name.clone(), store.clone())));
        }
        let kept = |sub: &Arc<str>, store: &Arc<str>| {
            self.sub(sub).is_some_and(|sub| sub.stores.contains_key(store))
        };
        let gone = self.gone.iter().filter(|(sub, store)| !kept(sub, store)).cloned().collect();
        self.gone = gone;
        self
    }

    /// As text.
    pub fn encode(&self) -> String {
        let mut out = format!("format {FORMAT}\ntopology {}\n", self.digest);
        for (topic, of) in &self.sources {
            let role = match of.role {
                Role::Input => "input",
                Role::Internal => "internal",
            };
            let _ = writeln!(out, "source {topic} {role} {} {}", of.version, of.partitions);
        }
        for (name, sub) in self.subs() {
            let _ = writeln!(out, "sub-topology {name}");
            for topic in &sub.sources {
                let _ = writeln!(out, "reads {topic}");
            }
            for (store, of) in &sub.stores {
                let kind = match of.kind {
                    StoreKind::KeyValue => "store",
                    StoreKind::Timers => "timers",
                };
                let _ = writeln!(out, "{kind} {store} {}", of.version);
            }
            for topic in &sub.broadcasts {
                let _ = writeln!(out, "broadcast {topic}");
            }
        }
        for (sub, store) in &self.gone {
            let _ = writeln!(out, "gone {sub} {store}");
        }
        out
    }

    /// Reads what [`Self::encode`] of this or an earlier release wrote; else says what is in the way.
    pub fn decode(text: &str) -> Result<Self, String> {
        let mut shape = Self::nothing();
        let mut lines = text.lines();
        let is_bare = match lines.next().and_then(|line| line.strip_prefix("format ")) {
            Some(FORMAT) => false,
            Some(FORMAT_BARE) => true,
            Some(other) => {
                return Err(format!("it has format {other}, this program reads {FORMAT}"));
            }
            None => return Err("it does not begin with its format".into()),
        };
        if is_bare {
            shape.subs = None;
        }
        let mut sub = Arc::from("");
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            let read = match words.as_slice() {
                [name, partitions] if is_bare && *name != "topology" => {
                    shape.read_source((name, Role::Input), ("0", partitions))
                }
                _ => shape.read(&words, &mut sub),
            };
            read.ok_or_else(|| format!("it has a line that says nothing: {line:?}"))?;
        }
        Ok(shape)
    }

    fn read(&mut self, words: &[&str], current: &mut Arc<str>) -> Option<()> {
        match words {
            ["topology", digest] => self.digest = (*digest).into(),
            ["source", topic, "input", version, partitions] => {
                self.read_source((topic, Role::Input), (version, partitions))?;
            }
            ["source", topic, "internal", version, partitions] => {
                self.read_source((topic, Role::Internal), (version, partitions))?;
            }
            ["sub-topology", name] => {
                *current = Arc::from(*name);
                self.subs.as_mut()?.insert(current.clone(), SubShape::default());
            }
            ["gone", sub, store] => {
                self.gone.insert((Arc::from(*sub), Arc::from(*store)));
            }
            of_sub => self.subs.as_mut()?.get_mut(current)?.read(of_sub)?,
        }
        Some(())
    }

    fn read_source(&mut self, of: (&str, Role), numbers: (&str, &str)) -> Option<()> {
        let (version, partitions) = (numbers.0.parse().ok()?, numbers.1.parse().ok()?);
        self.sources.insert(of.0.into(), SourceShape { role: of.1, version, partitions });
        Some(())
    }
}

impl SubShape {
    fn read(&mut self, words: &[&str]) -> Option<()> {
        let of = |kind, version: &str| Some(StoreShape { kind, version: version.parse().ok()? });
        match words {
            ["reads", topic] => drop(self.sources.insert((*topic).into())),
            ["broadcast", topic] => drop(self.broadcasts.insert((*topic).into())),
            ["store", name, version] => {
                self.stores.insert(Arc::from(*name), of(StoreKind::KeyValue, version)?);
            }
            ["timers", name, version] => {
                self.stores.insert(Arc::from(*name), of(StoreKind::Timers, version)?);
            }
            _ => return None,
        }
        Some(())
    }
}

fn sub_shape(built: &Built, sub: &SubTopology) -> SubShape {
    let handles = |of: &[u16]| -> Vec<_> {
        of.iter().filter_map(|handle| built.plan.handles.get(*handle as usize)).collect()
    };
    let store = |handle: &super::plan::HandlePlan| {
        let kind = match handle.kind {
            HandleKind::Timers(..) => StoreKind::Timers,
            HandleKind::Store(..) | HandleKind::Broadcast { .. } => StoreKind::KeyValue,
        };
        (handle.name.clone(), StoreShape { kind, version: handle.version })
    };
    SubShape {
        sources: sub.sources.iter().map(|source| source.topic.clone()).collect(),
        stores: handles(&sub.columns).into_iter().map(store).collect(),
        broadcasts: handles(&sub.broadcasts).iter().filter_map(|of| of.broadcast_topic()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::{I64, Utf8};
    use crate::topology::Builder;

    fn shape() -> Shape {
        let builder = Builder::new("app");
        builder
            .stream("lines", Utf8, Utf8)
            .filter("all", |_| true)
            .repartition("words", Utf8, Utf8)
            .count("counts", Utf8)
            .to("counted", Utf8, I64);
        let partitions = [("lines", 3), ("app-words-repartition", 4)];
        let partitions = partitions.map(|(topic, count)| (topic.into(), count)).into();
        Shape::of(&builder.build().unwrap(), &partitions)
    }

    #[test]
    fn a_shape_comes_back_as_it_was_told() {
        let told = shape();
        let lines = told.encode();
        let expected = "source app-words-repartition internal 1 4\nsource lines input 0 3\n\
                        sub-topology all\nreads lines\nsub-topology counts\n\
                        reads app-words-repartition\nstore counts 1\n";
        assert_eq!(
            lines.split_once("\ns").map(|(_, rest)| format!("s{rest}")),
            Some(expected.into())
        );
        assert_eq!(Shape::decode(&lines), Ok(told));
    }

    #[test]
    fn what_was_there_once_is_remembered_until_it_is_there_again() {
        let empty = || Shape { subs: Some(BTreeMap::new()), ..shape() };
        let without = empty().after(&shape());
        assert_eq!(without.gone, [("counts".into(), "counts".into())].into());
        assert_eq!(Shape::decode(&without.encode()), Ok(without.clone()));
        assert_eq!(empty().after(&without).gone, without.gone, "and after the next start");
        assert_eq!(shape().after(&without).gone, BTreeSet::new());
    }

    #[test]
    fn the_first_form_tells_digest_and_partitions() {
        let read = Shape::decode("format 1\ntopology 0a\nlines 3\n").unwrap();
        assert_eq!((read.digest.as_str(), read.subs.clone()), ("0a", None));
        assert_eq!(read.sources.get("lines").map(|of| of.partitions), Some(3));
    }

    #[test]
    fn another_text_is_refused_with_what_is_in_the_way() {
        let rows = [
            ("", "it does not begin with its format"),
            ("format 3\n", "it has format 3, this program reads 2"),
            ("format 2\nreads a", "it has a line that says nothing: \"reads a\""),
            (
                "format 2\nsource a input x 1",
                "it has a line that says nothing: \"source a input x 1\"",
            ),
        ];
        for (text, fault) in rows {
            assert_eq!(Shape::decode(text), Err(fault.into()));
        }
    }
}
