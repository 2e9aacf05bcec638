//! Stores asked by name, without their types: keys as text, values as JSON.
//!
//! An answer says in what right it is given and where its task stood *before* it was read: it holds all that its position means,
//! and may hold more. Two calls may see two commits, and so may two rows of a scan that is begun anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Query, QueryError};
use crate::error::Fault;
use crate::partitioner::partition_of;
use crate::record::{TaskId, Topic};
use crate::standing::{Role, Standing};
use crate::store::{Column, ColumnForm, StateReader};
use crate::topology::{HandleKind, HandlePlan, SubTopology};

/// A scan looks at so many rows: one that finds few of them among many goes on where it stopped.
const LOOKED_AT_MAX: usize = 20_000;

/// What is kept under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Keys and values.
    KeyValue,
    /// Keys and deadlines.
    Timers,
}

/// What there is to know of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    /// Its name.
    pub name: String,
    /// Whose state it is.
    pub sub_topology: String,
    /// What it keeps.
    pub kind: StoreKind,
    /// The topics whose records change it: a position in others says nothing of it.
    pub inputs: Vec<Topic>,
    /// How many partitions it has.
    pub partitions: i32,
    /// Whether its keys and values have a form of their own; else they are shown as bytes.
    pub is_readable: bool,
    /// The partitions that can be read here, and where they stand.
    pub here: Vec<(i32, Role, Standing)>,
}

/// A row as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// Its time, ms UTC.
    pub at: i64,
    /// Its value.
    pub value: Value,
}

/// Which rows of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Those whose text begins so.
    pub prefix: Option<String>,
    /// From this key on.
    pub from: Option<String>,
    /// Up to, not including, this key.
    pub to: Option<String>,
    /// At most so many.
    pub rows_max: usize,
    /// At most so many bytes of keys and values, as they are stored; one row is always shown.
    pub bytes_max: usize,
}

/// What was found in one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// Which one.
    pub partition: i32,
    /// In what right it is shown.
    pub role: Role,
    /// Where its task stood before.
    pub standing: Standing,
    /// What was found.
    pub what: T,
}

/// The rows of a scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scanned {
    /// In the order of the keys' bytes.
    pub rows: Vec<Row>,
    /// The key to go on from, if there may be more.
    pub next: Option<String>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no store of that name.
    NoStore,
    /// This cannot be what it is asked to be, in this store.
    Unreadable(&'static str),
    /// Its state is not shown here, or could not be read.
    Missed(QueryError),
}

impl From<QueryError> for Unanswered {
    fn from(error: QueryError) -> Self {
        Self::Missed(error)
    }
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Self::Missed(QueryError::Failed(fault))
    }
}

/// A store, found by its name.
struct Named<'a> {
    sub: &'a SubTopology,
    column: Column,
    plan: &'a HandlePlan,
    form: &'a dyn ColumnForm,
    partitions: i32,
}

/// The bytes between which a scan looks.
struct Bounds {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Query {
    /// Every store of the topology, in its order.
    pub fn stores(&self) -> Vec<StoreFacts> {
        self.named().map(|store| self.facts(&store)).collect()
    }

    /// The tasks whose state is shown here, in their order, each with its role: what changes when tasks move.
    pub fn roles(&self) -> Vec<(TaskId, Role)> {
        self.running.roles()
    }

    /// Every store with about how many bytes of it this process shows.
    pub fn sizes(&self) -> Vec<(String, u64)> {
        let bytes = |store: &Named<'_>| -> u64 {
            let shown = (0..store.partitions).filter_map(|of| self.running.shown(&store.task(of)));
            shown.filter_map(|(reader, _, _)| reader.bytes(store.column).ok()).sum()
        };
        self.named().map(|store| (store.plan.name.to_string(), bytes(&store))).collect()
    }

    /// The store of this name.
    pub fn facts_of(&self, store: &str) -> Result<StoreFacts, Unanswered> {
        self.find(store).map(|store| self.facts(&store))
    }

    /// The partition that a key is in, if it can be told from the key.
    pub fn partition_of_key(&self, store: &str, key: &str) -> Result<Option<i32>, Unanswered> {
        let store = self.find(store)?;
        let key = store.form.key(key).ok_or(Unanswered::Unreadable("key"))?;
        Ok(store.place(&key))
    }

    /// The partition that all keys are in whose text begins so, if that can be told.
    pub fn partition_of_prefix(
        &self,
        store: &str,
        prefix: &str,
    ) -> Result<Option<i32>, Unanswered> {
        let store = self.find(store)?;
        let prefix = store.form.prefix(prefix).ok_or(Unanswered::Unreadable("prefix"))?;
        Ok(store.place(&prefix))
    }

    /// The row of a key in one partition, which can be read here.
    pub fn row(
        &self,
        store: &str,
        key: &str,
        partition: i32,
    ) -> Result<Found<Option<Row>>, Unanswered> {
        let store = self.find(store)?;
        let bytes = store.form.key(key).ok_or(Unanswered::Unreadable("key"))?;
        let (reader, role, standing) = self.shown(&store, partition)?;
        let mut stored = Vec::new();
        let what = match reader.fetch(store.column, &bytes, &mut stored)? {
            true => Some(store.show(&bytes, &stored)?),
            false => None,
        };
        Ok(Found { partition, role, standing, what })
    }

    /// Rows of one partition, which can be read here.
    pub fn rows(
        &self,
        store: &str,
        scan: &Scan,
        partition: i32,
    ) -> Result<Found<Scanned>, Unanswered> {
        let store = self.find(store)?;
        let bounds = store.bounds(scan)?;
        let (reader, role, standing) = self.shown(&store, partition)?;
        let what = store.scan(&*reader, scan, &bounds)?;
        Ok(Found { partition, role, standing, what })
    }

    fn named(&self) -> impl Iterator<Item = Named<'_>> {
        let built = self.topology.built();
        built.subs.iter().flat_map(move |sub| {
            let columns = (0..).map(Column).zip(&sub.columns);
            columns.filter_map(move |(column, handle)| {
                let plan = built.plan.handles.get(usize::from(*handle))?;
                let counts = sub.sources.iter().filter_map(|at| self.running.partitions(&at.topic));
                let partitions = counts.max().unwrap_or(0);
                Some(Named { sub, column, plan, form: &**plan.form()?, partitions })
            })
        })
    }

    fn find(&self, name: &str) -> Result<Named<'_>, Unanswered> {
        self.named().find(|store| *store.plan.name == *name).ok_or(Unanswered::NoStore)
    }

    fn facts(&self, store: &Named<'_>) -> StoreFacts {
        let shown = |partition| {
            let (_, role, standing) = self.running.shown(&store.task(partition))?;
            Some((partition, role, standing))
        };
        StoreFacts {
            name: store.plan.name.to_string(),
            sub_topology: store.sub.name.to_string(),
            kind: match store.plan.kind {
                HandleKind::Timers(..) => StoreKind::Timers,
                HandleKind::Store(..) | HandleKind::Broadcast { .. } => StoreKind::KeyValue,
            },
            inputs: store.sub.sources.iter().map(|source| source.topic.clone()).collect(),
            partitions: store.partitions,
            is_readable: store.form.is_readable(),
            here: (0..store.partitions).filter_map(shown).collect(),
        }
    }

    fn shown(
        &self,
        store: &Named<'_>,
        partition: i32,
    ) -> Result<(Arc<dyn StateReader>, Role, Standing), Unanswered> {
        if !(0..store.partitions).contains(&partition) {
            return Err(Unanswered::Unreadable("partition"));
        }
        let id = store.task(partition);
        self.running.shown(&id).ok_or_else(|| self.missed(id).into())
    }
}

impl Named<'_> {
    fn task(&self, partition: i32) -> TaskId {
        TaskId { sub_topology: self.sub.name.clone(), partition }
    }

    /// The partition of what begins so, if that says it.
    fn place(&self, key: &[u8]) -> Option<i32> {
        let by = key.get(self.plan.placed_by.clone()?)?;
        (self.partitions > 0).then(|| partition_of(by, self.partitions))
    }

    fn show(&self, key: &[u8], stored: &[u8]) -> Result<Row, Fault> {
        let (at, value) = self.form.value(stored)?;
        Ok(Row { key: self.form.text(key)?, at: at.0, value })
    }

    fn bounds(&self, scan: &Scan) -> Result<Bounds, Unanswered> {
        let key = |text: &Option<String>, name| match text {
            None => Ok(None),
            Some(text) => self.form.key(text).map(Some).ok_or(Unanswered::Unreadable(name)),
        };
        let (from, to) = (key(&scan.from, "from")?, key(&scan.to, "to")?);
        let mut bounds = Bounds { from: from.unwrap_or_default(), to };
        if let Some(prefix) = &scan.prefix {
            let prefix = self.form.prefix(prefix).ok_or(Unanswered::Unreadable("prefix"))?;
            bounds.within(&prefix);
        }
        Ok(bounds)
    }

    fn scan(
        &self,
        reader: &dyn StateReader,
        scan: &Scan,
        bounds: &Bounds,
    ) -> Result<Scanned, Fault> {
        let mut scanned = Scanned::default();
        let (mut bytes, mut looked_at) = (0, 0);
        let mut outcome = Ok(());
        let mut visit = |key: &[u8], stored: &[u8]| -> Result<bool, Fault> {
            let text = self.form.text(key)?;
            bytes += key.len() + stored.len();
            looked_at += 1;
            let is_full = scanned.rows.len() >= scan.rows_max
                || bytes > scan.bytes_max && !scanned.rows.is_empty();
            if is_full || looked_at > LOOKED_AT_MAX {
                scanned.next = Some(text);
                return Ok(false);
            }
            if scan.prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix.as_str())) {
                let (at, value) = self.form.value(stored)?;
                scanned.rows.push(Row { key: text, at: at.0, value });
            }
            Ok(true)
        };
        reader.scan(
            self.column,
            &bounds.from,
            bounds.to.as_deref(),
            &mut |key, stored| match visit(key, stored) {
                Ok(goes_on) => goes_on,
                Err(fault) => {
                    outcome = Err(fault);
                    false
                }
            },
        )?;
        outcome.map(|()| scanned)
    }
}

impl Bounds {
    /// Looks only at what begins so.
    fn within(&mut self, prefix: &[u8]) {
        if self.from.as_slice() < prefix {
            self.from = prefix.to_vec();
        }
        if let Some(end) = crate::store::prefix_end(prefix)
            && self.to.as_ref().is_none_or(|to| *to > end)
        {
            self.to = Some(end);
        }
    }
}
