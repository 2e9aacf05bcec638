//! The progress of a task beside its stores: its stream time, and its cursor in each broadcast.
//!
//! It is kept in a store of the task's own with a changelog like any other, so it is committed together with the
//! task's effects or not at all.

use super::Task;
use crate::error::Result;
use crate::record::{Offset, Timestamp};
use crate::store::StateStore;

/// The row of a task's own store that holds its stream time.
const STREAM_TIME: &[u8] = b"stream-time";

impl Task {
    /// Reads stream time and cursors as they were committed.
    pub(super) fn load_progress(&mut self) -> Result<()> {
        self.cursors.clear();
        self.core.set_stream_time(Timestamp::MIN);
        let Some(progress) = &mut self.progress else { return Ok(()) };
        if let Some(at) = progress.get(&STREAM_TIME.to_vec())? {
            self.core.set_stream_time(Timestamp(*at));
        }
        let built = self.context.topology.built();
        let Some(spec) = built.subs.get(self.sub) else { return Ok(()) };
        for handle in &spec.broadcasts {
            let Some(topic) = built.plan.handles.get(*handle as usize) else { continue };
            let partitions = self.context.partitions.get(&topic.name).copied().unwrap_or(0);
            for partition in 0..partitions {
                let at = progress.get(&cursor_key(&topic.name, partition))?.copied().unwrap_or(0);
                self.cursors.insert((*handle, partition), Offset(at));
            }
        }
        Ok(())
    }

    /// Writes stream time and cursors to the task's own store, where they changed.
    pub(super) fn save_progress(&mut self) -> Result<()> {
        let Some(progress) = &mut self.progress else { return Ok(()) };
        let mut keep = |key: Vec<u8>, value: i64| -> Result<()> {
            if progress.get(&key)? != Some(&value) {
                progress.put(&key, value)?;
            }
            Ok(())
        };
        if self.core.stream_time() > Timestamp::MIN {
            keep(STREAM_TIME.to_vec(), self.core.stream_time().0)?;
        }
        let handles = &self.context.topology.built().plan.handles;
        for ((handle, partition), cursor) in &self.cursors {
            let Some(topic) = handles.get(*handle as usize) else { continue };
            if *cursor > Offset(0) {
                keep(cursor_key(&topic.name, *partition), cursor.0)?;
            }
        }
        progress.stage(&mut self.changes)
    }
}

fn cursor_key(topic: &str, partition: i32) -> Vec<u8> {
    format!("cursor/{topic}/{partition}").into_bytes()
}
