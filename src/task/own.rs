//! What a task remembers beside its stores: its stream time, and how far it has heard each broadcast.
//!
//! It lies in a store of the task's own, logged like any other, so it moves with the effects or not at all.

use super::Task;
use crate::error::Result;
use crate::record::{Offset, Timestamp};
use crate::store::StateStore;

/// The row of a task's own store that holds its stream time.
const STREAM_TIME: &[u8] = b"stream-time";

impl Task {
    /// Reads stream time and cursors as they were committed.
    pub(super) fn recall(&mut self) -> Result<()> {
        self.cursors.clear();
        self.core.set_stream_time(Timestamp::MIN);
        let Some(own) = &mut self.own else { return Ok(()) };
        if let Some(at) = own.get(&STREAM_TIME.to_vec())? {
            self.core.set_stream_time(Timestamp(*at));
        }
        let built = self.ground.topology.built();
        let Some(spec) = built.subs.get(self.sub) else { return Ok(()) };
        for handle in &spec.broadcasts {
            let Some(topic) = built.plan.handles.get(*handle as usize) else { continue };
            let partitions = self.ground.partitions.get(&topic.name).copied().unwrap_or(0);
            for partition in 0..partitions {
                let at = own.get(&cursor_key(&topic.name, partition))?.copied().unwrap_or(0);
                self.cursors.insert((*handle, partition), Offset(at));
            }
        }
        Ok(())
    }

    /// Writes stream time and cursors to the task's own store, where they changed.
    pub(super) fn remember(&mut self) -> Result<()> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let mut keep = |key: Vec<u8>, value: i64| -> Result<()> {
            if own.get(&key)? != Some(&value) {
                own.put(&key, value)?;
            }
            Ok(())
        };
        if self.core.stream_time() > Timestamp::MIN {
            keep(STREAM_TIME.to_vec(), self.core.stream_time().0)?;
        }
        let handles = &self.ground.topology.built().plan.handles;
        for ((handle, partition), cursor) in &self.cursors {
            let Some(topic) = handles.get(*handle as usize) else { continue };
            if *cursor > Offset(0) {
                keep(cursor_key(&topic.name, *partition), cursor.0)?;
            }
        }
        own.stage(&mut self.changes)
    }
}

fn cursor_key(topic: &str, partition: i32) -> Vec<u8> {
    format!("cursor/{topic}/{partition}").into_bytes()
}
