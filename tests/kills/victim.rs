//! A worker process as the test sees it: its folder, and the ways to hurt it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use millstream::FailPoint;
use tests::{Process, poll_until};

/// For what takes a while on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The places at which a transaction is open at the broker.
const OPEN: [FailPoint; 5] = [
    FailPoint::AfterBegin,
    FailPoint::AfterProduce,
    FailPoint::BeforeOffsets,
    FailPoint::AfterOffsets,
    FailPoint::BeforeCommit,
];

/// What a process told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Counts up while the process runs.
    pub beat: u64,
    pub tasks: usize,
    pub commits: u64,
    pub restored: u64,
    pub is_member: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Victim {
    pub name: &'static str,
    dir: PathBuf,
    kafka: String,
    app: String,
    instance: Option<String>,
    process: Option<Process>,
}

impl Victim {
    /// A process with its folder in `root`; it does not run yet.
    pub fn new(name: &'static str, root: &Path, kafka: &str, app: &str) -> Self {
        let dir = root.join(name);
        fs::create_dir_all(&dir).unwrap();
        let (kafka, app) = (kafka.to_owned(), app.to_owned());
        Self { name, dir, kafka, app, instance: None, process: None }
    }

    /// With a name that is given, instead of the one its state has.
    pub fn named(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn start(&mut self) {
        self.let_go();
        fs::remove_file(self.dir.join("status")).ok();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([
            "--exact",
            "worker::a_worker_counts_until_it_is_ended",
            "--ignored",
            "--nocapture",
        ]);
        command.env("KILLS_DIR", &self.dir).env("KILLS_KAFKA", &self.kafka);
        command
            .env("KILLS_APP", &self.app)
            .env("RUST_LOG", "info,millstream::broker::kafka::ffi=off");
        command.envs(self.instance.iter().map(|name| ("KILLS_INSTANCE", name)));
        self.process = Some(Process::spawn(&mut command, self.dir.join("log")).unwrap());
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// What it told last; nothing right after a start.
    pub fn status(&self) -> Status {
        let text = fs::read_to_string(self.dir.join("status")).unwrap_or_default();
        let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Status {
            beat: next(),
            tasks: usize::try_from(next()).unwrap(),
            commits: next(),
            restored: next(),
            is_member: next() == 1,
        }
    }

    /// Waits for a status; if it does not come, tells what the process did.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
        let found = poll_until(PATIENCE, || Some(self.status()).filter(&holds));
        found.unwrap_or_else(|_| {
            panic!("{}: not {what}: {:?}\n{}", self.name, self.status(), self.log())
        })
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The last place it passed.
    fn phase(&self) -> String {
        fs::read_to_string(self.dir.join("phase")).unwrap().trim().to_owned()
    }

    /// Lets it run into this place and stand there; its other threads go on.
    fn hold_at(&mut self, point: FailPoint) {
        fs::write(self.dir.join("hold.new"), format!("{point:?}")).unwrap();
        fs::rename(self.dir.join("hold.new"), self.dir.join("hold")).unwrap();
        poll_until(PATIENCE, || self.dir.join("held").exists().then_some(()))
            .unwrap_or_else(|_| panic!("{} did not come to {point:?}\n{}", self.name, self.log()));
    }

    /// Brings it to stand where a transaction is open: at this place, or wherever it happens to be. Answers the
    /// place: another thread may pass one of its own meanwhile.
    pub fn stand(&mut self, aim: Option<FailPoint>) -> String {
        match aim {
            Some(point) => {
                self.hold_at(point);
                format!("{point:?}")
            }
            None => {
                self.pause_in_a_transaction();
                self.phase()
            }
        }
    }

    /// Lets it go on from the place it was led to, once it is resumed.
    pub fn let_go(&self) {
        for told in ["hold", "held"] {
            fs::remove_file(self.dir.join(told)).ok();
        }
    }

    /// Stops it wherever it happens to be with a transaction open.
    fn pause_in_a_transaction(&mut self) {
        let open = OPEN.map(|point| format!("{point:?}"));
        let paused = poll_until(PATIENCE, || {
            self.pause();
            if open.contains(&self.phase()) {
                return Some(());
            }
            self.resume();
            None
        });
        paused.unwrap_or_else(|_| panic!("{} opens no transaction\n{}", self.name, self.log()));
    }

    /// `SIGSTOP`, and waits until it stands still.
    pub fn pause(&mut self) {
        self.process().pause().unwrap();
        let stat = format!("/proc/{}/stat", self.process().id());
        let stands = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
        poll_until(PATIENCE, || stands().then_some(())).unwrap();
    }

    pub fn resume(&mut self) {
        self.process().resume().unwrap();
    }

    pub fn kill(&mut self) {
        self.process().kill().unwrap();
    }

    /// `SIGTERM`; answers the code it exits with.
    pub fn terminate(&mut self) -> Option<i32> {
        self.process().terminate().unwrap();
        self.exit()
    }

    /// The code it exits with.
    pub fn exit(&mut self) -> Option<i32> {
        let ended = self.process().wait(PATIENCE);
        ended.unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.log())).code()
    }

    pub fn is_alive(&mut self) -> bool {
        self.process().is_alive().unwrap()
    }
}

impl Drop for Victim {
    /// A test that failed tells what each process did.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}: {:?}\n{}", self.name, self.status(), self.log());
        }
    }
}
