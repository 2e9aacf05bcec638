//! `process`: a user's [`Processor`], made once per task and anew after an abort.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use super::wiring::{BroadcastListener, FireTimers, Made, NodeId, Wiring};
use super::{BroadcastChange, Context, Core, Due, Edge, Next, Processor};
use crate::error::{Fault, Result};
use crate::record::{Rec, Timestamp};
use crate::store::Popped;

type KeyOf<P> = <P as Processor>::KeyOut;
type ValueOf<P> = <P as Processor>::ValueOut;

struct Node<P: Processor> {
    inside: RefCell<Inside<P>>,
}

struct Inside<P: Processor> {
    processor: P,
    next: Box<dyn Next<KeyOf<P>, ValueOf<P>>>,
}

impl<P: Processor> Node<P> {
    fn run(
        &self,
        at: Timestamp,
        core: &mut Core,
        call: impl FnOnce(&mut P, &mut Context<'_, KeyOf<P>, ValueOf<P>>) -> Result<()>,
    ) -> Result<()> {
        let mut inside = self.inside.try_borrow_mut().map_err(|_| {
            Fault::Fatal(
                "a processor was called while it was running: the topology has a cycle".into(),
            )
        })?;
        let Inside { processor, next } = &mut *inside;
        call(processor, &mut Context::new(core, &mut **next, at))
    }
}

/// The shared node as its parents see it.
struct Entry<P: Processor>(Rc<Node<P>>);

impl<P: Processor> Next<P::KeyIn, P::ValueIn> for Entry<P> {
    fn push(&mut self, record: Rec<'_, P::KeyIn, P::ValueIn>, core: &mut Core) -> Result<()> {
        self.0.run(record.at, core, |processor, cx| processor.process(record, cx))
    }
}

impl<P: Processor> FireTimers for Node<P> {
    fn fire_next(&self, timers: u16, now: Timestamp, core: &mut Core) -> Result<bool> {
        let popped = core.lend(timers, |store, _| store.pop_due(now))?;
        let Some(Popped { at, key, trace }) = popped else {
            return Ok(false);
        };
        let step = trace.and_then(|parent| core.begin_step(parent, "timer"));
        self.run(now, core, |processor, cx| {
            processor.on_timer(Due { timers, key: &*key, at }, cx)
        })?;
        core.end_step(step);
        Ok(true)
    }
}

impl<P: Processor> BroadcastListener for Node<P> {
    fn changed(&self, broadcast: u16, key: Option<&dyn Any>, core: &mut Core) -> Result<()> {
        let at = core.wall_time();
        self.run(at, core, |processor, cx| {
            processor.on_change(BroadcastChange { broadcast, key }, cx)
        })
    }

    fn started(&self, core: &mut Core) -> Result<()> {
        let at = core.wall_time();
        self.run(at, core, |processor, cx| processor.on_start(cx))
    }

    fn caught_up(&self, core: &mut Core) -> Result<()> {
        let at = core.wall_time();
        self.run(at, core, |processor, cx| processor.on_caught_up(cx))
    }
}

/// What a processor uses, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses {
    pub timers: Vec<u16>,
    pub broadcasts: Vec<u16>,
}

/// A factory of the node.
pub(crate) fn process<P: Processor>(
    id: NodeId,
    uses: Uses,
    new: impl Fn() -> P + Send + Sync + 'static,
    out: Edge<KeyOf<P>, ValueOf<P>>,
) -> impl Fn(&mut Wiring) -> Box<dyn Next<P::KeyIn, P::ValueIn>> + Send + Sync
where
    P::KeyOut: 'static,
    P::ValueOut: 'static,
{
    move |wiring| {
        let (node, made) = wiring.once(id, |wiring| Node {
            inside: RefCell::new(Inside { processor: new(), next: out.wire(wiring) }),
        });
        if made == Made::New {
            for timers in &uses.timers {
                wiring.timer_nodes.push((*timers, node.clone()));
            }
            wiring.broadcast_listeners.push((uses.broadcasts.clone(), node.clone()));
        }
        Box::new(Entry(node))
    }
}
