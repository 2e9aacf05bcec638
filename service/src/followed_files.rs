//! Files that are read again when they change: certificates, keys, the configuration.
//!
//! What is in force stays so until all of the files together say something else that is well. A fault is told once, for as long as
//! the files say the same. A file that is being written is waited for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep};

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// For how long what they say must stay the same: an editor may be in the midst of them.
const SETTLED: Duration = Duration::from_millis(200);

/// Has `take` read the files whenever they are others than before, for ever; at first too, because they may have changed since
/// they were read.
pub async fn follow(files: Vec<PathBuf>, take: impl FnMut() -> Result<(), String>) {
    follow_or_asked(files, stream::pending(), take).await;
}

/// The same, and whenever it is `asked`, whatever they say.
pub async fn follow_or_asked(
    files: Vec<PathBuf>,
    mut asked: impl Stream<Item = ()> + Unpin,
    mut take: impl FnMut() -> Result<(), String>,
) {
    let (mut look, mut seen) = (interval(LOOK), None);
    loop {
        let is_asked = tokio::select! {
            _ = look.tick() => false,
            Some(()) = asked.next() => true,
        };
        let Some(mut found) = read(&files).await else { return };
        if !is_asked && seen.as_ref() == Some(&found) {
            continue;
        }
        if seen.is_some() && !is_asked {
            sleep(SETTLED).await;
            let Some(again) = read(&files).await else { return };
            if again != found {
                continue;
            }
            found = again;
        }
        match take() {
            Ok(()) if seen.is_none() => {}
            Ok(()) => tracing::info!(files = %named(&files), "read again"),
            Err(words) => tracing::warn!(%words, "what is in force stays"),
        }
        seen = Some(found);
    }
}

/// What they say; none when the process ends.
async fn read(files: &[PathBuf]) -> Option<Vec<Option<Vec<u8>>>> {
    let files = files.to_vec();
    let read = move || files.iter().map(|file| fs::read(file).ok()).collect();
    spawn_blocking(read).await.ok()
}

fn named(files: &[PathBuf]) -> String {
    let names: Vec<_> =
        files.iter().map(|file: &PathBuf| Path::display(file).to_string()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_written_is_taken_once_it_is_whole_and_any_when_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let (taken, mut came) = mpsc::unbounded_channel();
        let (ask, mut asked) = mpsc::unbounded_channel();
        let asked = stream::poll_fn(move |cx| asked.poll_recv(cx));
        fs::write(&file, "first").unwrap();
        let of = file.clone();
        let take = move || taken.send(fs::read_to_string(&of).unwrap()).map_err(|e| e.to_string());
        tokio::spawn(follow_or_asked(vec![file.clone()], asked, take));
        assert_eq!(came.recv().await.unwrap(), "first");
        fs::write(&file, "ha").unwrap();
        let early = timeout(LOOK + SETTLED / 2, came.recv()).await;
        assert!(early.is_err(), "{early:?}");
        fs::write(&file, "half no more").unwrap();
        assert_eq!(came.recv().await.unwrap(), "half no more");
        ask.send(()).unwrap();
        let again = timeout(LOOK / 2, came.recv()).await;
        assert_eq!(again.unwrap().unwrap(), "half no more");
    }
}
