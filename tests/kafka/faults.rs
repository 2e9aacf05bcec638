//! A network that fails: what is unknown stays safe, what hangs ends.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::broker::kafka::KafkaSettings;
use millstream::broker::{Code, Reaction, Rebalance, classify};
use millstream::{Exit, Offset};
use tests::{Api, Loss, Part, Process, Proxy, Stack, Who, poll_until};

use crate::world::{PATIENCE, World, live, plain, read_to_end, read_until};

/// One broker behind one proxy for these tests; faults are aimed by a client's name, which is its world's.
static BEHIND: LazyLock<(&'static Proxy, Stack)> = LazyLock::new(|| {
    let proxy = Box::leak(Box::new(Proxy::bind().unwrap()));
    (proxy, Stack::of(&[Part::Kafka]).behind(proxy).start().unwrap())
});

/// Who coordinates a group is asked.
const FIND_COORDINATOR: Api = Api(10);

/// Healing ends every stall there is, so those who stall take turns.
static STALLING: Mutex<()> = Mutex::new(());

/// Stalls `who` until the answer is dropped.
fn stall(who: Who) -> Stalled {
    let turn = STALLING.lock().unwrap_or_else(PoisonError::into_inner);
    BEHIND.0.stall(who);
    Stalled { _turn: turn }
}

struct Stalled {
    _turn: MutexGuard<'static, ()>,
}

impl Drop for Stalled {
    fn drop(&mut self) {
        BEHIND.0.heal();
    }
}

fn behind() -> (&'static Proxy, World, Who) {
    behind_with(1)
}

/// A world of so many partitions behind the proxy, and how to aim at its clients.
pub fn behind_with(partitions: i32) -> (&'static Proxy, World, Who) {
    let (proxy, _) = *LazyLock::force(&BEHIND);
    let world = World::on(KafkaSettings::new(proxy.address()), partitions);
    let who = Who::Client(world.name.clone());
    (proxy, world, who)
}

#[test]
fn a_commit_whose_answer_is_lost_with_its_connection_is_asked_for_again_and_found() {
    let (proxy, world, who) = behind();
    let mut writer = world.writer("w");
    writer.begin().unwrap();
    writer.send(&plain(&["once"])).unwrap();
    proxy.lose_next_answer(Api::END_TXN, who, Loss::Break);
    writer.commit().unwrap();
    world.commit(&mut *writer, &["after"]);
    assert_eq!(read_to_end(&world, &mut *world.reader_from(0)).words(), ["once", "after"]);
}

#[test]
fn records_whose_acknowledgement_is_lost_are_there_once() {
    let (proxy, world, who) = behind();
    let mut writer = world.writer("w");
    writer.begin().unwrap();
    proxy.lose_next_answer(Api::PRODUCE, who, Loss::Break);
    writer.send(&plain(&["a", "b"])).unwrap();
    writer.commit().unwrap();
    let seen = read_until(&mut *world.reader_from(0), |seen| seen.values.len() >= 2);
    assert_eq!(seen.words(), ["a", "b"]);
}

#[test]
fn a_reader_goes_on_after_its_connections_broke() {
    let (proxy, world, who) = behind();
    let mut writer = world.writer("w");
    world.commit(&mut *writer, &["a"]);
    let mut reader = world.reader_from(0);
    read_until(&mut *reader, |seen| seen.values.len() == 1);
    proxy.cut(&who);
    world.commit(&mut *writer, &["b"]);
    assert_eq!(read_until(&mut *reader, |seen| seen.values.len() == 1).words(), ["b"]);
}

#[test]
fn a_commit_on_a_silent_network_comes_back_and_the_handle_heals_or_is_rebuilt() {
    let mut settings = KafkaSettings::new(BEHIND.0.address());
    settings.transaction_timeout = Duration::from_secs(2);
    let world = World::on(settings, 1);
    let mut writer = world.writer("w");
    writer.begin().unwrap();
    writer.send(&plain(&["never"])).unwrap();
    let stalled = stall(Who::Client(world.name.clone()));
    let began = Instant::now();
    let failed = writer.commit().unwrap_err();
    assert!(began.elapsed() < PATIENCE, "{failed}");
    assert_ne!(classify(&failed), Reaction::Die);
    drop(stalled);
}

#[test]
fn a_member_that_cannot_reach_the_group_loses_its_partitions_in_time() {
    let (_, world, who) = behind();
    let mut members = [world.join("one")];
    live(&mut members, |told| !told[0].is_empty());
    let stalled = stall(who);
    let told = live(&mut members, |told| !told[0].is_empty());
    assert_eq!(told, [[Rebalance::Lost(vec![0])]]);
    drop(stalled);
    let told = live(&mut members, |told| !told[0].is_empty());
    assert_eq!(told, [[Rebalance::Assigned(vec![0])]]);
}

#[test]
fn closing_a_member_on_a_silent_network_ends_in_time() {
    let (_, world, who) = behind();
    let mut members = [world.join("one")];
    live(&mut members, |told| !told[0].is_empty());
    let stalled = stall(who);
    let began = Instant::now();
    // Whether the group hears of it is another matter: the session's end tells it.
    let _ = members[0].close(&mut |_, _| {});
    drop(members);
    assert!(began.elapsed() < Duration::from_secs(12));
    drop(stalled);
}

#[test]
fn a_question_on_a_silent_network_is_answered_with_a_failure_that_may_be_retried() {
    let (_, world, who) = behind();
    let mut reader = world.reader_from(0);
    read_to_end(&world, &mut *reader);
    let stalled = stall(who);
    let refused = reader.bounds(&world.at(0)).unwrap_err();
    assert_eq!((refused.code, classify(&refused)), (Code::TimedOut, Reaction::Retry));
    drop(stalled);
}

/// A process whose producer hangs in a call, because who coordinates its group is never answered.
fn hanging_process(proxy: &Proxy, dir: &Path) -> Process {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([
        "--exact",
        "faults::a_group_without_a_coordinator_holds_its_producer_up_for_ever",
        "--ignored",
        "--nocapture",
    ]);
    command.env("HANG_AT", proxy.address()).env("HANG_GO", dir.join("go"));
    let child = Process::spawn(&mut command, dir.join("log")).unwrap();
    let name = poll_until(PATIENCE, || {
        let output = child.output().unwrap();
        output
            .lines()
            .find_map(|line| line.split_once("commits as "))
            .map(|(_, name)| name.to_owned())
    });
    let who = Who::Client(name.unwrap());
    for _ in 0..10_000 {
        proxy.lose_next_answer(FIND_COORDINATOR, who.clone(), Loss::Break);
    }
    fs::write(dir.join("go"), "").unwrap();
    child
}

/// librdkafka #5456: the call ignores its timeout, and only the end of the process ends it.
#[test]
fn a_call_that_does_not_come_back_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = hanging_process(BEHIND.0, dir.path());
    let ended = child.wait(Duration::from_secs(60)).unwrap();
    assert_eq!(ended.code(), Some(Exit::Stalled.code()), "{}", child.output().unwrap());
}

/// The same call, while nobody is there: it comes back when the cluster does, and the process goes on.
#[test]
fn a_call_that_hangs_while_the_cluster_is_away_is_waited_for() {
    let proxy = Box::leak(Box::new(Proxy::bind().unwrap()));
    let _stack = Stack::of(&[Part::Kafka]).behind(proxy).start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut child = hanging_process(proxy, dir.path());
    poll_until(PATIENCE, || (proxy.lost() > 0).then_some(())).unwrap();
    proxy.go_away();
    let waits = poll_until(PATIENCE, || {
        child.output().unwrap().contains("kafka is away and a call hangs").then_some(())
    });
    assert!(waits.is_ok(), "{}", child.output().unwrap());
    proxy.disarm();
    proxy.come_back().unwrap();
    let ended = child.wait(Duration::from_secs(60)).unwrap();
    let said = child.output().unwrap();
    assert_eq!(ended.code(), Some(0), "{said}");
    let came_back = said.contains("came back with Ok") || said.contains("came back with Err");
    assert!(came_back && !said.contains("did not come back"), "{said}");
}

#[test]
#[ignore = "the process that the tests above start"]
fn a_group_without_a_coordinator_holds_its_producer_up_for_ever() {
    tracing_subscriber::fmt().with_ansi(false).init();
    let mut settings = KafkaSettings::new(env::var("HANG_AT").unwrap());
    settings.transaction_timeout = Duration::from_secs(2);
    let world = World::on(settings, 1);
    let mut members = [world.join("one")];
    live(&mut members, |told| !told[0].is_empty());
    let metadata = members[0].metadata();
    let mut writer = world.writer("w");
    println!("\ncommits as {}", world.name);
    poll_until(PATIENCE, || fs::exists(env::var("HANG_GO").unwrap()).unwrap().then_some(()))
        .unwrap();
    writer.begin().unwrap();
    let came_back = writer.send_offsets(&[(world.at(0), Offset(1))], &metadata);
    println!("came back with {came_back:?}");
}
