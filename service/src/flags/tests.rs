//! Flags on a cluster in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::tests::poll_until;
use millstream::broker::Broker;
use millstream::broker::embedded::Embedded;
use millstream::{Exit, SystemClock};
use topologies::ranking::Policies;

use super::*;
use crate::commands::topics;
use crate::failed::Failed;
use crate::followed_topic::read;

const RANKED: Flag = Flag::RankedPercent;

fn cluster() -> Embedded {
    let broker = Embedded::new(Arc::new(SystemClock));
    topics::create(&mut *broker.admin().unwrap(), "feedmill", 1).unwrap();
    broker
}

fn flagging(broker: &dyn Broker) -> Flagging<'_> {
    Flagging { broker, app: "feedmill" }
}

fn wanted(flags: &[(Flag, FlagValue)]) -> Wanted {
    Wanted { flags: flags.to_vec(), who: "ada".into(), why: "to try it".into(), seen: None }
}

fn user(n: u32) -> UserId {
    let mut id = [7; 16];
    id[12..].copy_from_slice(&n.to_be_bytes());
    UserId(id)
}

fn set(flag: Flag, value: FlagValue) -> SetFlags {
    let mut set = SetFlags::default();
    for (flag, change) in wanted(&[(flag, value)]).changes(&SetFlags::default(), 1) {
        set.set(flag, change.to);
    }
    set
}

#[test]
fn every_flag_has_a_name_of_its_own_and_takes_what_it_is_at_first() {
    for flag in Flag::ALL {
        assert_eq!(Flag::named(flag.name()), Some(flag));
        assert_eq!(flag.value_of_text(&flag.at_first().to_string()), Some(flag.at_first()));
        assert!(SetFlags::default().is_on(flag));
    }
}

#[test]
fn a_flag_takes_nothing_but_what_it_is() {
    let switch = Flag::Tier(Source::Redis);
    for (flag, text) in
        [(switch, "7"), (switch, ""), (RANKED, "on"), (RANKED, "101"), (RANKED, "-1")]
    {
        assert_eq!(flag.value_of_text(text), None, "{} {text:?}", flag.name());
    }
    assert_eq!(RANKED.value_of_text("50%"), Some(FlagValue::Percent(50)));
}

#[test]
fn whoever_is_in_a_part_is_in_every_larger_one_and_the_parts_are_as_large_as_they_say() {
    let at = |percent| set(RANKED, FlagValue::Percent(percent));
    let parts = [0, 10, 50, 100].map(at);
    let mut counts = [0_usize; 4];
    for n in 0..50_000 {
        let ranked = parts.each_ref().map(|set| set.ranks(&user(n)));
        assert!(ranked.is_sorted(), "{n}: {ranked:?}");
        counts.iter_mut().zip(ranked).for_each(|(count, is_in)| *count += usize::from(is_in));
    }
    assert_eq!((counts[0], counts[3]), (0, 50_000));
    assert!(counts[1].abs_diff(5_000) < 300 && counts[2].abs_diff(25_000) < 600, "{counts:?}");
}

#[test]
fn all_who_follow_agree_and_so_does_who_starts_later() {
    let broker = cluster();
    let stop = Arc::new(AtomicBool::new(false));
    let follow = || {
        let flags = FollowedFlags::default();
        let of = (Arc::new(broker.clone()) as Arc<dyn Broker>, "feedmill".to_owned());
        flags.follow(of, Arc::clone(&stop)).unwrap();
        flags
    };
    let before = follow();
    let off =
        wanted(&[(Flag::Streams, FlagValue::Switch(false)), (RANKED, FlagValue::Percent(10))]);
    flagging(&broker).put(&off).unwrap();
    for flags in [before, follow()] {
        let knows = || (!flags.known().is_on(Flag::Streams)).then_some(());
        poll_until(Duration::from_secs(20), knows).unwrap();
        assert_eq!(flags.known().value(RANKED), FlagValue::Percent(10));
    }
    stop.store(true, Ordering::Relaxed);
}

#[test]
fn every_change_is_told_with_who_when_and_why_and_what_is_so_already_is_none() {
    let broker = cluster();
    let flags = flagging(&broker);
    let off = wanted(&[(Flag::Page, FlagValue::Switch(false))]);
    let Outcome::Changed(changes, set) = flags.put(&off).unwrap() else { panic!("outdated") };
    assert_eq!((changes.len(), set.version()), (1, 1));
    let Outcome::Changed(none, _) = flags.put(&off).unwrap() else { panic!("outdated") };
    assert_eq!(none, []);
    let why =
        Wanted { why: "all is well".into(), ..wanted(&[(Flag::Page, FlagValue::Switch(true))]) };
    flags.put(&why).unwrap();
    let told = flags.changes().unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|of| (of.to.version, &*of.to.who, &*of.to.why, of.from, of.to.value))
        .collect();
    let (on, off) = (FlagValue::Switch(true), FlagValue::Switch(false));
    assert_eq!(told, [(1, "ada", "to try it", on, off), (2, "ada", "all is well", off, on)]);
    assert_eq!(flags.set().unwrap().setting(Flag::Page).map(|of| of.version), Some(2));
}

#[test]
fn who_looked_at_another_version_changes_nothing() {
    let broker = cluster();
    let flags = flagging(&broker);
    flags.put(&wanted(&[(RANKED, FlagValue::Percent(50))])).unwrap();
    let late = Wanted { seen: Some(0), ..wanted(&[(RANKED, FlagValue::Percent(0))]) };
    let Outcome::Outdated(set) = flags.put(&late).unwrap() else { panic!("changed") };
    assert_eq!((set.version(), set.value(RANKED)), (1, FlagValue::Percent(50)));
}

#[test]
fn experiments_pause_while_arms_are_off_whatever_weight_sets_are_put_meanwhile() {
    let (broker, folder) = (cluster(), tempfile::tempdir().unwrap());
    let paused = || read::<Policies>(&broker, "feedmill").unwrap().current().paused;
    flagging(&broker).put(&wanted(&[(Flag::Arms, FlagValue::Switch(false))])).unwrap();
    assert!(paused());
    let file = folder.path().join("weights.toml");
    std::fs::write(&file, "default = \"a\"\n[sets.a]\nid = 2").unwrap();
    let versions = crate::commands::weights::Versions {
        broker: &broker,
        app: "feedmill",
        remembers_shown: false,
    };
    versions.put(&file).unwrap();
    assert!(paused());
    flagging(&broker).put(&wanted(&[(Flag::Arms, FlagValue::Switch(true))])).unwrap();
    let known = read::<Policies>(&broker, "feedmill").unwrap();
    assert_eq!((known.current().paused, known.current().default), (false, 2));
}

#[test]
fn a_cluster_without_the_topics_says_who_makes_them() {
    let broker = Embedded::new(Arc::new(SystemClock));
    let Err(Failed(exit, words)) = flagging(&broker).set() else { panic!("there are some") };
    assert_eq!(exit, Exit::Failed);
    assert!(words.contains("feedmill topics create"), "{words}");
}
