//! Files that are read again when they change: certificates, keys.
//!
//! What is in force stays so until all of the files together say something else that is well. A fault is told once, for as long as
//! the files say the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::interval;

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Has `take` read the files whenever they are others than before, for ever; at first too, because they may have changed since
/// they were read.
pub async fn follow(files: Vec<PathBuf>, mut take: impl FnMut() -> Result<(), String>) {
    let (mut look, mut seen) = (interval(LOOK), None);
    loop {
        look.tick().await;
        let of = files.clone();
        let read = move || of.iter().map(|file| fs::read(file).ok()).collect::<Vec<_>>();
        let Ok(found) = spawn_blocking(read).await else { return };
        if seen.as_ref() == Some(&found) {
            continue;
        }
        match take() {
            Ok(()) if seen.is_none() => {}
            Ok(()) => tracing::info!(files = %named(&files), "read again"),
            Err(words) => tracing::warn!(%words, "what is in force stays"),
        }
        seen = Some(found);
    }
}

fn named(files: &[PathBuf]) -> String {
    let names: Vec<_> =
        files.iter().map(|file: &PathBuf| Path::display(file).to_string()).collect();
    names.join(", ")
}
