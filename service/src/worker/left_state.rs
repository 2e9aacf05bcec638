//! What lies in a state directory of applications that were given up: nobody reads it any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemas::application;

/// Removes the state of applications that are called after `first` and are none of `apps`; of others it touches nothing.
pub fn remove(dir: &Path, first: &str, apps: &[String]) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut removed = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_left = name.is_some_and(|name| {
            application::first(name) == first && !apps.iter().any(|app| app == name)
        });
        if is_left && path.is_dir() {
            fs::remove_dir_all(&path)?;
            removed.push(path);
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_of_applications_that_were_given_up_is_removed_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["feed", "feed-replay-1", "feed-replay-2", "feed-replay-x", "other", "replays"];
        for name in names {
            fs::create_dir_all(dir.path().join(name).join("task")).unwrap();
        }
        fs::write(dir.path().join("feed-replay-3"), "a file").unwrap();
        let removed = remove(dir.path(), "feed", &["feed-replay-2".to_owned()]).unwrap();
        assert_eq!(removed.len(), 2);
        let left = names.iter().filter(|name| dir.path().join(name).exists());
        assert_eq!(
            left.collect::<Vec<_>>(),
            [&"feed-replay-2", &"feed-replay-x", &"other", &"replays"]
        );
        assert_eq!(remove(&dir.path().join("none"), "feed", &[]).unwrap(), [] as [PathBuf; 0]);
    }
}
