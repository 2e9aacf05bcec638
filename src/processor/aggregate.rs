//! `aggregate` and `count`: one value per key, kept in a store that this operator alone writes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::core::Store;
use super::wiring::{EmitOnCommit, Made, NodeId, Wiring};
use super::{Core, Edge, Emit, Next};
use crate::error::{Fault, Result};
use crate::record::Rec;
use crate::store::KeyValue;

type Fold<K, V, A> = Arc<dyn Fn(Rec<'_, K, V>, &mut A) -> Result<()> + Send + Sync>;

struct Aggregate<K, V, A> {
    store: Store<K, A>,
    fold: Fold<K, V, A>,
    emit: Emit,
    next: RefCell<Box<dyn Next<K, A>>>,
}

impl<K: 'static, V, A: Default + 'static> Aggregate<K, V, A> {
    fn push(&self, record: Rec<'_, K, V>, core: &mut Core) -> Result<()> {
        let store = core.slot(self.store)?;
        store.at(record.at);
        store.update(record.key, |value| (self.fold)(record, value))??;
        match self.emit {
            Emit::OnCommit => Ok(()),
            Emit::EveryUpdate => self.with_store(core, |store, core| {
                let Some(value) = store.get(record.key)? else { return Ok(()) };
                self.next.borrow_mut().push(Rec { key: record.key, value, at: record.at }, core)
            }),
        }
    }

    /// Lends the store out of the core, so that what it holds can be pushed downstream by reference.
    fn with_store(
        &self,
        core: &mut Core,
        call: impl FnOnce(&mut KeyValue<K, A>, &mut Core) -> Result<()>,
    ) -> Result<()> {
        core.lend(self.store.index(), |lent, core| match lent.as_any().downcast_mut() {
            Some(store) => call(store, core),
            None => Err(Fault::Fatal("the store of an aggregate is of another type".into())),
        })
    }
}

impl<K: 'static, V, A: Default + 'static> EmitOnCommit for Aggregate<K, V, A> {
    fn emit_on_commit(&self, core: &mut Core) -> Result<()> {
        self.with_store(core, |store, core| {
            let mut next = self.next.borrow_mut();
            store.for_each_dirty(|key, value, at| match value {
                Some(value) => next.push(Rec { key, value, at }, core),
                None => Ok(()),
            })
        })
    }
}

struct Entry<K, V, A>(Rc<Aggregate<K, V, A>>);

impl<K: 'static, V, A: Default + 'static> Next<K, V> for Entry<K, V, A> {
    fn push(&mut self, record: Rec<'_, K, V>, core: &mut Core) -> Result<()> {
        self.0.push(record, core)
    }
}

/// A factory of the node.
pub(crate) fn aggregate<K: 'static, V: 'static, A: Default + 'static>(
    id: NodeId,
    store: Store<K, A>,
    fold: impl Fn(Rec<'_, K, V>, &mut A) -> Result<()> + Send + Sync + 'static,
    emit: Arc<std::sync::Mutex<Emit>>,
    out: Edge<K, A>,
) -> impl Fn(&mut Wiring) -> Box<dyn Next<K, V>> + Send + Sync {
    let fold: Fold<K, V, A> = Arc::new(fold);
    move |wiring| {
        let emit = *emit.lock().unwrap_or_else(|e| e.into_inner());
        let (node, made) = wiring.once(id, |wiring| Aggregate {
            store,
            fold: fold.clone(),
            emit,
            next: RefCell::new(out.wire(wiring)),
        });
        if made == Made::New && emit == Emit::OnCommit {
            wiring.commit_emitters.push((id, node.clone()));
        }
        Box::new(Entry(node))
    }
}
