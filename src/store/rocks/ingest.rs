//! Restored records by the shovel: sorted in memory, written as one table file per column, taken in whole.
//! A tenth of what the write path costs per record.

use rocksdb::{ColumnFamily, DB, IngestExternalFileOptions, Options, SstFileWriter};

use super::super::{Column, StateChange, StateChanges, key_bytes};
use super::damage::Damage;
use crate::error::{Fault, Result};

/// From how many bytes on a file of its own pays.
pub(super) const BYTES_MIN: usize = 4 << 20;

/// Takes `changes` into `db`, of each key the last.
pub(super) fn ingest(
    db: &DB,
    families: &[&ColumnFamily],
    (options, damage): (&Options, &Damage),
    changes: &StateChanges,
) -> Result<()> {
    for (of_column, family) in by_column(changes, families.len())?.into_iter().zip(families) {
        if of_column.is_empty() {
            continue;
        }
        let name = of_column.first().map_or(0, |change| change.column.0);
        let path = db.path().join(format!("restored-{name}.sst"));
        write(&path, options, of_column)
            .and_then(|()| {
                let mut moving = IngestExternalFileOptions::default();
                moving.set_move_files(true);
                db.ingest_external_file_cf_opts(family, &moving, vec![&path])
            })
            .map_err(|error| damage.fault("take in restored records", &error))?;
    }
    Ok(())
}

fn write(
    path: &std::path::Path,
    options: &Options,
    mut changes: Vec<StateChange<'_>>,
) -> Result<(), rocksdb::Error> {
    // Stable: among changes of one key the last stays last.
    changes.sort_by(|a, b| {
        let prefixes = key_bytes::sort_prefix(a.key).cmp(&key_bytes::sort_prefix(b.key));
        prefixes.then_with(|| a.key.cmp(b.key))
    });
    let mut file = SstFileWriter::create(options);
    file.open(path)?;
    let mut rest = changes.iter().peekable();
    while let Some(change) = rest.next() {
        if rest.peek().is_some_and(|next| next.key == change.key) {
            continue;
        }
        match change.value {
            Some(value) => file.put(change.key, value)?,
            None => file.delete(change.key)?,
        }
    }
    file.finish()
}

fn by_column(changes: &StateChanges, columns: usize) -> Result<Vec<Vec<StateChange<'_>>>> {
    let mut sorted: Vec<Vec<StateChange<'_>>> = vec![Vec::new(); columns];
    for change in changes.iter() {
        let Column(place) = change.column;
        sorted
            .get_mut(usize::from(place))
            .ok_or_else(|| Fault::Fatal(format!("the state has no column {place}")))?
            .push(change);
    }
    Ok(sorted)
}
