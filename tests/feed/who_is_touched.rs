//! Whom a change touches, and whom it does not: a reader who is not online and has counts to come is shown them by
//! whatever has them ranked, so that a ranking too many can be seen.

use millstream::{Bytes, Result};
use worlds::history::{Action, BehaviourEvent, Id, Payload};

use crate::stage::{AUTHOR, HOUR, OTHER, READER, Stage};

const STRANGER: Id = [50; 16];

/// A reader who follows an author of one post, and was ranked.
fn stage() -> Result<Stage> {
    let mut stage = Stage::open()?;
    let created_at = stage.now() - HOUR;
    stage.post(4, AUTHOR, created_at)?;
    stage.follow(READER, AUTHOR)?;
    stage.advance_ms(1_000)?;
    Ok(stage)
}

/// Has the post seen by somebody: the reader is shown that when they are ranked the next time.
fn count(stage: &mut Stage) -> Result<()> {
    stage.event(OTHER, 4, Action::Impression)?;
    stage.advance_ms(7_000)
}

/// Whether the reader was ranked by what `happens`; in any case a read has them ranked.
fn ranks(stage: &mut Stage, happens: impl FnOnce(&mut Stage) -> Result<()>) -> Result<bool> {
    let before = stage.times(READER)?;
    happens(stage)?;
    stage.advance_ms(1_000)?;
    let after = stage.times(READER)?;
    stage.read(READER)?;
    assert_eq!(stage.times(READER)?, before + 1, "the counts were there to be shown, once");
    Ok(after > before)
}

#[test]
fn a_post_by_somebody_else_ranks_nobody_who_does_not_know_them() -> Result<()> {
    let mut stage = stage()?;
    count(&mut stage)?;
    let now = stage.now();
    assert!(!ranks(&mut stage, |stage| stage.post(7, STRANGER, now))?);
    Ok(())
}

#[test]
fn an_impression_ranks_nobody_who_was_active_before() -> Result<()> {
    let mut stage = stage()?;
    count(&mut stage)?;
    assert!(!ranks(&mut stage, |stage| stage.event(READER, 9, Action::Impression))?);
    Ok(())
}

#[test]
fn an_impression_ranks_nobody_whom_a_new_process_has_not_ranked_yet() -> Result<()> {
    let mut stage = stage()?;
    count(&mut stage)?;
    restart(&mut stage)?;
    assert!(!ranks(&mut stage, |stage| stage.event(READER, 9, Action::Impression))?);
    Ok(())
}

#[test]
fn a_view_that_is_told_twice_ranks_its_reader_once() -> Result<()> {
    let mut stage = stage()?;
    let (user, post, action, time) = (READER, [8; 16], Action::View, stage.now());
    let view = |id: u8| {
        let event = Some([id; 16]);
        Payload::Event(BehaviourEvent { event, user, post, action, time })
    };
    stage.log(view(70))?;
    count(&mut stage)?;
    assert!(!ranks(&mut stage, |stage| stage.log(view(71)))?);
    Ok(())
}

#[test]
fn a_post_that_changes_hands_leaves_its_former_author_s_followers_at_once() -> Result<()> {
    let mut stage = stage()?;
    let created_at = stage.now() - HOUR;
    stage.post(4, OTHER, created_at)?;
    assert_eq!(stage.last()?.posts, [0_u8; 0]);
    Ok(())
}

/// A post of another author trends, and the reader was ranked with it.
fn trends(stage: &mut Stage) -> Result<()> {
    let now = stage.now();
    stage.post(6, OTHER, now)?;
    stage.event(AUTHOR, 6, Action::Share)?;
    stage.advance_to(now + 12_000)?;
    stage.read(READER)?;
    stage.advance_ms(1_000)?;
    assert_eq!(stage.last()?.posts, [6, 4]);
    Ok(())
}

#[test]
fn an_author_of_what_trends_who_is_gone_leaves_everybody_s_feed_at_once() -> Result<()> {
    let mut stage = stage()?;
    trends(&mut stage)?;
    stage.user(OTHER, false)?;
    assert_eq!(stage.last()?.posts, [4]);
    Ok(())
}

#[test]
fn a_user_who_is_gone_and_has_nothing_that_trends_ranks_nobody_who_does_not_know_them() -> Result<()>
{
    let mut stage = stage()?;
    trends(&mut stage)?;
    let grid = stage.next_grid();
    stage.advance_to(grid + 20_000)?;
    count(&mut stage)?;
    assert!(!ranks(&mut stage, |stage| stage.user(STRANGER, false))?);
    Ok(())
}

fn restart(stage: &mut Stage) -> Result<()> {
    stage.driver.kill(0);
    stage.driver.restart(0)?;
    stage.driver.settle()?;
    stage.advance_ms(11_000)
}

/// Has a line end of which this process never heard.
fn end_unknown_line(stage: &mut Stage) -> Result<()> {
    let lines = stage.driver.input::<Vec<u8>, Vec<u8>>("posts-live", Bytes, Bytes);
    lines.send_raw(Some(&[77; 16]), None, stage.driver.now())
}

#[test]
fn the_end_of_a_line_that_was_never_here_ranks_once_who_was_ranked_before_the_start() -> Result<()>
{
    let mut stage = stage()?;
    count(&mut stage)?;
    restart(&mut stage)?;
    let before = stage.times(READER)?;
    end_unknown_line(&mut stage)?;
    stage.driver.settle()?;
    stage.advance_ms(11_000)?;
    assert_eq!(stage.times(READER)?, before + 1);
    Ok(())
}
