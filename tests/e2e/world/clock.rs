//! A clock that processes have of their own, and that can be set while they run.
//!
//! libfaketime cannot do it: it allocates when the time is first asked for, and our allocator asks for it while it starts.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// See the module.
pub struct SetClock {
    dir: TempDir,
    file: File,
}

impl SetClock {
    /// One that is right.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("clock.c");
        fs::write(&source, include_str!("clock.c")).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-shared", "-fPIC", "-pthread", "-o"]);
        let made = compiler.arg(dir.path().join("clock.so")).arg(source).status();
        assert!(made.unwrap().success());
        let file = File::create(dir.path().join("now")).unwrap();
        let clock = Self { dir, file };
        clock.set(0);
        clock
    }

    /// From now on it is so many seconds ahead; behind, if it is less than 0.
    pub fn set(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// A process has it.
    pub fn give(&self, command: &mut Command) {
        self.load(command, self.dir.path().join("now"));
    }

    /// A process has one that is always so many seconds ahead.
    pub fn fix(&self, command: &mut Command, seconds: i64) {
        let path = self.dir.path().join("fixed");
        fs::write(&path, seconds.to_ne_bytes()).unwrap();
        self.load(command, path);
    }

    fn load(&self, command: &mut Command, now: PathBuf) {
        command.env("LD_PRELOAD", self.dir.path().join("clock.so")).env("SET_CLOCK", now);
    }
}
