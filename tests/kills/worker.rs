//! The process that is killed: counts by key, once emitting every update and once per commit.
//!
//! What it tells stands in files of its folder: `phase` (the last place it passed), `status` (what it has) and its
//! log. While a file `hold` names a place, it stands still there with everything else going on.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::store::rocks::RocksStores;
use millstream::{
    Builder, Config, Counter, Emit, Environment, FailPoint, FailPoints, I64, Result, Streams,
    Topology, Utf8,
};
use tests::poll_until;

/// Until the test ends it.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);
/// The broker's minimum.
pub const SESSION: Duration = Duration::from_secs(6);
/// How long the broker keeps a transaction whose owner is silent.
pub const TRANSACTION: Duration = Duration::from_secs(6);

/// Two stores on one input, so that each kill tries both ways to emit.
pub fn counting(app: &str) -> Result<Topology> {
    let builder = Builder::new(app);
    let input = builder.stream(&input(app), Utf8, Utf8);
    input.count("counts", Utf8).to(&counts(app), Utf8, I64);
    input.count("updates", Utf8).emit(Emit::EveryUpdate).to(&updates(app), Utf8, I64);
    Ok(builder.build()?)
}

/// What is counted.
pub fn input(app: &str) -> String {
    format!("{app}-input")
}

/// One value per key and commit.
pub fn counts(app: &str) -> String {
    format!("{app}-counts")
}

/// A value per record.
pub fn updates(app: &str) -> String {
    format!("{app}-updates")
}

/// Where a process of this folder keeps its state.
pub fn state_dir(dir: &Path) -> PathBuf {
    dir.join("state")
}

/// A place as the phase file has it: padded, so that each is written over the one before.
fn padded(point: FailPoint) -> [u8; 16] {
    let mut text = [b' '; 16];
    text.iter_mut().zip(format!("{point:?}").bytes()).for_each(|(to, from)| *to = from);
    text
}

/// Tells each place, and stands still where it is told to.
fn listener(dir: &Path) -> FailPoints {
    let phase = File::create(dir.join("phase")).unwrap();
    let (hold, held) = (dir.join("hold"), dir.join("held"));
    FailPoints::new(move |point| {
        phase.write_all_at(&padded(point), 0).unwrap();
        let stand =
            || fs::read(&hold).is_ok_and(|wanted| wanted == format!("{point:?}").as_bytes());
        if stand() {
            fs::write(&held, "").unwrap();
            poll_until(FOR_EVER, || (!stand()).then_some(())).unwrap();
        }
        false
    })
}

/// A flag that `SIGTERM` raises.
fn asked_to_stop() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let raise = asked.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    thread::spawn(move || {
        runtime.block_on(async {
            let kind = tokio::signal::unix::SignalKind::terminate();
            tokio::signal::unix::signal(kind).unwrap().recv().await;
            raise.store(true, Ordering::SeqCst);
        });
    });
    asked
}

fn status(streams: &Streams, beat: u64) -> String {
    let (metrics, member) = (streams.metrics(), u8::from(streams.is_member()));
    let tasks = streams.stateful_tasks();
    let read = |counter| metrics.read(counter);
    let (commits, restored) = (read(Counter::Commits), read(Counter::Restored));
    format!("{beat} {tasks} {commits} {restored} {member}")
}

#[test]
#[ignore = "the process that the tests start"]
fn a_worker_counts_until_it_is_ended() {
    let dir = PathBuf::from(env::var("KILLS_DIR").unwrap());
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let asked = asked_to_stop();
    let mut settings = KafkaSettings::new(env::var("KILLS_KAFKA").unwrap());
    settings.transaction_timeout = TRANSACTION;
    let config = Config {
        instance: env::var("KILLS_INSTANCE").ok(),
        session_timeout: SESSION,
        // Often, so that what a kill leaves on disk was put there by commits.
        flush_interval: Duration::from_millis(200),
        state_dir: state_dir(&dir),
        partitions: 4,
        ..Config::default()
    };
    let on = Environment {
        broker: Arc::new(Kafka::new(settings).unwrap()),
        stores: Arc::new(RocksStores::new(config.state_dir.join("tasks"), 64 << 20)),
        fail_points: listener(&dir),
    };
    let topology = counting(&env::var("KILLS_APP").unwrap()).unwrap();
    let streams = Streams::start(&topology, config, on).unwrap_or_else(|ended| {
        eprintln!("refused to start: {ended:?}");
        process::exit(ended.exit.code())
    });
    let mut beat = 0;
    poll_until(FOR_EVER, || {
        beat += 1;
        fs::write(dir.join("status.new"), status(&streams, beat)).unwrap();
        fs::rename(dir.join("status.new"), dir.join("status")).unwrap();
        (asked.load(Ordering::SeqCst) || !streams.is_running()).then_some(())
    })
    .unwrap();
    streams.stop();
    let ended = streams.join();
    eprintln!("{ended:?}");
    process::exit(ended.exit.code())
}
