//! What lies in a state directory of applications that were given up: nobody reads it any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemas::application;

/// Removes the state of applications that are called after `first` and are none of `apps`; of others it touches nothing. What
/// cannot be removed stays, with why.
pub fn remove(dir: &Path, first: &str, apps: &[String]) -> Vec<(PathBuf, io::Result<()>)> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let is_left = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_its =
            |name: &str| application::first(name) == first && !apps.iter().any(|app| app == name);
        path.is_dir() && name.is_some_and(is_its)
    };
    let left = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_left);
    left.map(|path| (fs::remove_dir_all(&path), path)).map(|(done, path)| (path, done)).collect()
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
        let removed = remove(dir.path(), "feed", &["feed-replay-2".to_owned()]);
        assert_eq!(removed.iter().filter(|(_, done)| done.is_ok()).count(), 2);
        let left = names.iter().filter(|name| dir.path().join(name).exists());
        assert_eq!(
            left.collect::<Vec<_>>(),
            [&"feed-replay-2", &"feed-replay-x", &"other", &"replays"]
        );
        assert!(remove(&dir.path().join("none"), "feed", &[]).is_empty());
    }
}
