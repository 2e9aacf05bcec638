//! A process that a test may kill, stop and start: the fault that every other fault is made of.
//!
//! Its output goes to a file, so a full pipe never stops it and a failed test can be read. It is killed
//! with the value, and a guard kills it when the test's own process is gone.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::poll::poll_until;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guard: Child,
    log: PathBuf,
}

/// Kills `$2` once `$1` is gone.
const GUARD: &str = r#"tail --pid="$1" -f /dev/null; kill -KILL "$2""#;

impl Process {
    /// Starts `command`, with both its outputs appended to the file `log`.
    pub fn spawn(command: &mut Command, log: impl Into<PathBuf>) -> io::Result<Self> {
        let log = log.into();
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &std::process::id().to_string(), &child.id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, guard, log })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its outputs go.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it has written so far, to both outputs.
    pub fn output(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// `SIGKILL`, and waits until it is gone: nothing of it runs when this returns.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// `SIGTERM`: asks it to stop. [`Self::wait`] tells whether it did.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal("TERM")
    }

    /// `SIGHUP`: asks it to read again what it is told.
    pub fn hang_up(&self) -> io::Result<()> {
        self.signal("HUP")
    }

    /// `SIGSTOP`: it stands still, as in a long pause of its machine, and its sockets stay open.
    pub fn pause(&self) -> io::Result<()> {
        self.signal("STOP")
    }

    /// `SIGCONT`: it goes on where it stood.
    pub fn resume(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    /// How it ended, if it does within `deadline`; else an error of kind `TimedOut`.
    pub fn wait(&mut self, deadline: Duration) -> io::Result<ExitStatus> {
        poll_until(deadline, || self.child.try_wait().transpose())
            .unwrap_or_else(|late| Err(io::Error::new(io::ErrorKind::TimedOut, late)))
    }

    /// Whether it runs, or stands stopped.
    pub fn is_alive(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn signal(&self, name: &str) -> io::Result<()> {
        signal(name, &self.id().to_string())
    }
}

/// Sends a signal by the shell's own `kill`: the program of that name is not on every machine.
pub(crate) fn signal(name: &str, pid: &str) -> io::Result<()> {
    let script = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &script]).status()?;
    status.success().then_some(()).ok_or_else(|| io::Error::other(script))
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn sh(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let process = Process::spawn(Command::new("sh").args(["-c", script]), log).unwrap();
        (dir, process)
    }

    fn state(process: &Process) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        stat.rsplit(") ").next().unwrap().chars().take(1).collect()
    }

    #[test]
    fn a_killed_process_is_gone_when_kill_returns() {
        let (_dir, mut process) = sh("exec sleep 1000");
        assert_eq!(process.kill().unwrap().signal(), Some(9));
        assert!(!process.is_alive().unwrap());
    }

    #[test]
    fn a_paused_process_stands_until_it_is_resumed() {
        let (_dir, process) = sh("while :; do :; done");
        process.pause().unwrap();
        poll_until(LONG, || (state(&process) == "T").then_some(())).unwrap();
        process.resume().unwrap();
        poll_until(LONG, || (state(&process) == "R").then_some(())).unwrap();
    }

    #[test]
    fn both_outputs_and_the_exit_code_can_be_read() {
        let (_dir, mut process) = sh("echo out; echo err >&2; exit 7");
        assert_eq!(process.wait(LONG).unwrap().code(), Some(7));
        assert_eq!(process.output().unwrap(), "out\nerr\n");
    }

    #[test]
    fn a_process_that_does_not_end_in_time_is_an_error() {
        let (_dir, mut process) = sh("exec sleep 1000");
        let late = process.wait(Duration::ZERO).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
