//! What is owed: until it is done a process does not say that it has done all it must.

use std::time::Duration;

use millstream::{Bytes, Result};
use schemas::{PostLine, UserId, Wire};
use topologies::feed::FeedSettings;
use worlds::history::Action;

use crate::stage::{AUTHOR, HOUR, OTHER, READER, Stage};

/// Goes on until `at`, or until the process says that it has done everything; whether it said so.
fn settles_before(stage: &mut Stage, at: i64) -> Result<bool> {
    while stage.now() < at {
        if stage.driver.is_settled() {
            return Ok(true);
        }
        stage.driver.advance(Duration::from_millis(100))?;
        stage.driver.step()?;
    }
    Ok(false)
}

/// A reader who follows the author of a post, and was ranked; and when the post was created.
fn stage() -> Result<(Stage, i64)> {
    let mut stage = Stage::open()?;
    let created_at = stage.now() - HOUR;
    stage.post(4, AUTHOR, created_at)?;
    stage.follow(READER, AUTHOR)?;
    stage.advance_ms(1_000)?;
    Ok((stage, created_at))
}

/// Has readers hear that the post was liked; nobody else has anything to do for it.
fn send_likes(stage: &mut Stage, created_at_ms: i64) -> Result<()> {
    let line = PostLine { author: UserId(AUTHOR), created_at_ms, likes: 3, ..PostLine::default() };
    let lines = stage.driver.input::<Vec<u8>, Vec<u8>>("posts-live", Bytes, Bytes);
    lines.send_raw(Some(&[4; 16]), Some(&line.to_bytes()), stage.driver.now())?;
    stage.driver.settle()
}

#[test]
fn counts_are_owed_to_who_is_online_until_they_are_ranked() -> Result<()> {
    let (mut stage, created_at) = stage()?;
    stage.read(READER)?;
    let soon = stage.now() + 3_000;
    assert!(settles_before(&mut stage, soon)?);
    let (now, before) = (stage.now(), stage.times(READER)?);
    send_likes(&mut stage, created_at)?;
    assert!(!settles_before(&mut stage, now + 1_800)?);
    assert_eq!(stage.times(READER)?, before);
    assert!(settles_before(&mut stage, now + 5_000)?);
    assert_eq!(stage.times(READER)?, before + 1);
    Ok(())
}

#[test]
fn counts_are_not_owed_to_who_is_not_online() -> Result<()> {
    let (mut stage, created_at) = stage()?;
    let before = stage.times(READER)?;
    send_likes(&mut stage, created_at)?;
    let soon = stage.now() + 3_000;
    assert!(settles_before(&mut stage, soon)?);
    assert_eq!(stage.times(READER)?, before);
    Ok(())
}

#[test]
fn a_line_that_waits_for_the_next_change_is_owed_until_it_is_sent() -> Result<()> {
    let mut settings = FeedSettings::default();
    settings.line_policy.score_max = f64::INFINITY;
    let mut stage = Stage::of(&settings)?;
    let began = stage.now();
    stage.post(4, AUTHOR, began)?;
    stage.event(OTHER, 5, Action::Impression)?;
    assert!(settles_before(&mut stage, began + 5_000)?);
    let lines = |stage: &Stage| -> Result<usize> {
        let output = stage.driver.output::<Vec<u8>, Vec<u8>>("posts-live", Bytes, Bytes);
        Ok(output.rows()?.len())
    };
    let now = stage.now();
    stage.event(OTHER, 4, Action::Impression)?;
    assert!(!settles_before(&mut stage, now + 4_800)?);
    let before = lines(&stage)?;
    assert!(settles_before(&mut stage, now + 8_000)?);
    assert_eq!(lines(&stage)?, before + 1);
    Ok(())
}
