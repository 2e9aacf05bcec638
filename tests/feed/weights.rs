//! Weight sets put at run time: who is ranked by which, from when on, and what the arms do that need what was shown.

use millstream::{Bytes, Result};
use schemas::{FeedBody, PostId, Read, Rule, Sources, V1, Wire};
use topologies::feed::FeedSettings;
use topologies::feed::counters::{SHADOW_RANKINGS, SHADOW_SHARED};
use topologies::ranking::Policy;

use crate::on_engine::{put, read_weights};
use crate::stage::{AUTHOR, HOUR, OTHER, READER, Stage};
use worlds::history::{Action, Id};

/// The reader follows two people who posted, and has read.
fn stage(settings: &FeedSettings) -> Result<Stage> {
    let mut stage = Stage::of(settings)?;
    stage.user(READER, true)?;
    stage.follow(READER, AUTHOR)?;
    stage.follow(READER, OTHER)?;
    for (id, author) in [(10, AUTHOR), (11, OTHER), (12, AUTHOR), (13, OTHER)] {
        let age = i64::from(20 - id) * 10_000;
        stage.post(id, author, stage.now() - age)?;
    }
    stage.miss(READER)?;
    stage.advance_ms(1_000)?;
    Ok(stage)
}

fn version(stage: &mut Stage, version: u32, text: &str) -> Result<()> {
    put(&stage.driver, &Policy { version, ..read_weights(text) })?;
    stage.driver.settle()
}

fn body(stage: &Stage, reader: Id) -> Result<FeedBody> {
    let output = stage.driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
    let mut rows = output.rows()?.into_iter().filter(|row| row.key.as_deref() == Some(&reader[..]));
    Ok(FeedBody::decode(&rows.next_back().unwrap().value.unwrap()).unwrap())
}

/// Ranks the reader anew, and gives the feed.
fn ranked(stage: &mut Stage) -> Result<FeedBody> {
    stage.advance_ms(1_000)?;
    stage.miss(READER)?;
    stage.advance_ms(1_000)?;
    body(stage, READER)
}

fn posts(body: &FeedBody) -> Vec<u8> {
    body.items.iter().map(|item| item.post.0[0]).collect()
}

fn remembering() -> FeedSettings {
    FeedSettings { remembers_shown: true, ..FeedSettings::default() }
}

#[test]
fn a_version_is_taken_while_all_runs_and_given_back_by_another() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    assert_eq!(body(&stage, READER)?.weight_set, V1);
    version(&mut stage, 1, "default = \"calm\"\n[sets.calm]\nid = 7\naffinity = 0.1")?;
    stage.advance_ms(11_000)?;
    assert_eq!(body(&stage, READER)?.weight_set, 7, "who is online is ranked within seconds");
    version(&mut stage, 2, "")?;
    stage.advance_ms(11_000)?;
    assert_eq!(body(&stage, READER)?.weight_set, V1);
    Ok(())
}

#[test]
fn a_process_that_starts_later_ranks_by_what_is_in_force() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    version(&mut stage, 1, "default = \"calm\"\n[sets.calm]\nid = 7")?;
    stage.driver.kill(0);
    stage.driver.restart(0)?;
    assert_eq!(ranked(&mut stage)?.weight_set, 7);
    Ok(())
}

#[test]
fn an_experiment_of_half_of_all_readers_has_each_of_them_always_in_the_same_arm() -> Result<()> {
    let mut stage = Stage::open()?;
    let readers: Vec<Id> = (0..40).map(|n| [100 + n; 16]).collect();
    for reader in &readers {
        stage.user(*reader, true)?;
        stage.miss(*reader)?;
    }
    let text = "[sets.a]\nid = 2\n[sets.b]\nid = 3\n[[experiments]]\nname = \"x\"\nshare = 0.5\narms = { a = 1, b = 1 }";
    let policy = read_weights(text);
    version(&mut stage, 1, text)?;
    stage.advance_ms(11_000)?;
    let mut counts = [0; 4];
    for reader in &readers {
        let set = body(&stage, *reader)?.weight_set;
        assert_eq!(set, policy.assigned(&schemas::UserId(*reader)));
        counts[usize::from(set)] += 1;
    }
    assert!(counts[1] > 10 && counts[2] > 3 && counts[3] > 3, "{counts:?}");
    Ok(())
}

#[test]
fn a_shadow_is_compared_and_nobody_is_served_it() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    let text = "[sets.old]\nid = 4\nfreshness = 0\ndecay_per_hour = 0\n[shadow]\nset = \"old\"\none_in = 1";
    version(&mut stage, 1, text)?;
    assert_eq!(ranked(&mut stage)?.weight_set, V1);
    let count = |name| stage.driver.counted_as(name).unwrap_or(0);
    let (rankings, shared) = (count(SHADOW_RANKINGS), count(SHADOW_SHARED));
    assert!(rankings > 0, "{rankings}");
    assert_eq!(shared, 4 * rankings, "they hold the same four posts");
    Ok(())
}

#[test]
fn new_posts_of_strangers_have_their_positions_and_no_others() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    for id in 40..60 {
        stage.post(id, [id; 16], stage.now() - HOUR)?;
    }
    for id in 20..40 {
        stage.post(id, if id % 2 == 0 { AUTHOR } else { OTHER }, stage.now() - 2 * HOUR)?;
    }
    let text = "default = \"e\"\n[sets.e]\nid = 5\narms.explore = { every = 4 }";
    version(&mut stage, 1, text)?;
    let body = ranked(&mut stage)?;
    let explored: Vec<_> =
        (1..).zip(&body.items).filter(|(_, item)| item.sources == Sources::EXPLORE).collect();
    let places: Vec<i32> = explored.iter().map(|(place, _)| *place).collect();
    assert!(places.len() >= 4 && places.iter().all(|place| place % 4 == 0), "{places:?}");
    assert!(explored.iter().all(|(_, item)| item.rule == Rule::Reserved && item.post.0[0] >= 40));
    Ok(())
}

#[test]
fn whose_posts_were_passed_by_falls_behind_until_something_is_done_with_one() -> Result<()> {
    let mut stage = stage(&remembering())?;
    let text = "default = \"m\"\n[sets.m]\nid = 6\narms.author_memory = { decay = 0.5, floor = 0 }";
    version(&mut stage, 1, text)?;
    assert_eq!(posts(&ranked(&mut stage)?)[0], 13);
    stage.event(READER, 13, Action::Impression)?;
    let body = ranked(&mut stage)?;
    let ignored = |body: &FeedBody, post: u8| {
        body.items.iter().find(|item| item.post == PostId([post; 16])).map(|item| item.ignored)
    };
    assert_eq!((posts(&body)[0], ignored(&body, 11)), (12, Some(1)), "also their other post");
    stage.event(READER, 13, Action::View)?;
    let body = ranked(&mut stage)?;
    assert_eq!((ignored(&body, 11), ignored(&body, 13)), (Some(0), None));
    Ok(())
}

#[test]
fn what_was_served_twice_and_not_seen_falls_behind() -> Result<()> {
    let mut stage = stage(&remembering())?;
    let text = "default = \"u\"\n[sets.u]\nid = 8\narms.unseen = { times = 2, factor = 0.5 }";
    version(&mut stage, 1, text)?;
    let serve = |stage: &mut Stage| {
        let served = vec![PostId([13; 16]), PostId([12; 16])];
        let read = Read { at_ms: stage.now(), miss: false, served }.to_bytes();
        let reads = stage.driver.input::<Vec<u8>, Vec<u8>>("reads", Bytes, Bytes);
        reads.send_raw(Some(&READER), Some(&read), stage.driver.now())?;
        stage.driver.settle()
    };
    serve(&mut stage)?;
    assert_eq!(posts(&ranked(&mut stage)?)[..2], [13, 12], "once is nothing");
    serve(&mut stage)?;
    stage.event(READER, 12, Action::Impression)?;
    assert_eq!(posts(&ranked(&mut stage)?)[..2], [12, 11], "an impression is enough to be seen");
    assert_eq!(
        body(&stage, READER)?.items.last().map(|item| (item.post.0[0], item.unseen)),
        Some((13, 2))
    );
    Ok(())
}

#[test]
fn nothing_is_kept_of_what_was_shown_where_that_is_not_asked_for() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    stage.event(READER, 13, Action::Impression)?;
    assert_eq!(stage.kept("shown")?, 0);
    Ok(())
}
