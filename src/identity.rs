//! Who this process is: the name it keeps over restarts, and the state directory that nobody else may have.
//!
//! The directory is locked first, by the system, so that the lock ends with the process however it ends. The name
//! is a UUID that the first process in the directory wrote there; it moves with the state, as it must: the
//! group and the transaction coordinator know the process by it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::error::Exit;

/// A held state directory. Dropping it lets another have it.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The static name of the process.
    pub name: String,
    _lock: File,
}

/// Why there is no identity, with the code for the process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub Exit, pub String);

impl Identity {
    /// Locks `dir`, creating it if need be, and reads the name kept there, or makes one. A name that is `set`
    /// is taken instead.
    pub(crate) fn claim(dir: &Path, set: Option<&str>) -> Result<Self, Refused> {
        let failed = |doing: &str, error: &io::Error| {
            Refused(Exit::Failed, format!("{doing} in {}: {error}", dir.display()))
        };
        fs::create_dir_all(dir).map_err(|error| failed("make the state directory", &error))?;
        let lock = File::options().create(true).append(true).open(dir.join("lock"));
        let lock = lock.map_err(|error| failed("open the lock", &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let words = format!("another process has the state directory {}", dir.display());
                return Err(Refused(Exit::Duplicate, words));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &error)),
        }
        let name = match set {
            Some(name) => name.to_owned(),
            None => kept(dir).map_err(|error| failed("keep the instance's name", &error))?,
        };
        Ok(Self { name, _lock: lock })
    }
}

/// The name in the directory; a new one is there whole or not at all.
fn kept(dir: &Path) -> io::Result<String> {
    let path = dir.join("instance");
    match fs::read_to_string(&path) {
        Ok(text) if uuid::Uuid::try_parse(text.trim()).is_ok() => Ok(text.trim().to_owned()),
        Ok(text) => Err(io::Error::other(format!("{}: no UUID: {text:?}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = uuid::Uuid::new_v4().to_string();
            let draft = dir.join("instance.new");
            fs::write(&draft, &name)?;
            File::open(&draft)?.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(dir)?.sync_all()?;
            Ok(name)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stays_with_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::claim(dir.path(), None).unwrap().name;
        let again = Identity::claim(dir.path(), None).unwrap().name;
        assert_eq!(first, again);
        assert!(uuid::Uuid::try_parse(&first).is_ok());
    }

    #[test]
    fn a_name_that_is_set_is_taken_and_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let set = Identity::claim(dir.path(), Some("one")).unwrap();
        assert_eq!((set.name.as_str(), dir.path().join("instance").exists()), ("one", false));
    }

    #[test]
    fn a_second_holder_is_a_duplicate() {
        let dir = tempfile::tempdir().unwrap();
        let held = Identity::claim(dir.path(), None).unwrap();
        let words = format!("another process has the state directory {}", dir.path().display());
        let refused = Identity::claim(dir.path(), None).map(|identity| identity.name);
        assert_eq!(refused, Err(Refused(Exit::Duplicate, words)));
        drop(held);
        assert!(Identity::claim(dir.path(), None).is_ok());
    }

    #[test]
    fn a_name_that_was_damaged_is_refused_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("instance"), "\0\0\0").unwrap();
        let refused = Identity::claim(dir.path(), None).map(|identity| identity.name);
        assert!(matches!(refused, Err(Refused(Exit::Failed, _))), "{refused:?}");
    }
}
