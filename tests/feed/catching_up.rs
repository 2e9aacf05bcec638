//! A process that finds much waiting ranks readers when it has caught up, who is online meanwhile too, and ends with the same feeds.

use millstream::{Bytes, Result};
use worlds::history::{Action, Id};

use crate::stage::{AUTHOR, HOUR, OTHER, READER, Stage};

/// Whom nobody follows.
const STRANGER: Id = [60; 16];

/// How many posts each of two authors writes.
const POSTS: u8 = 40;

/// A reader who follows two authors and was ranked.
fn stage() -> Result<Stage> {
    let mut stage = Stage::open()?;
    let created_at = stage.now() - HOUR;
    stage.post(100, AUTHOR, created_at)?;
    stage.follow(READER, AUTHOR)?;
    stage.follow(READER, OTHER)?;
    stage.advance_ms(1_000)?;
    Ok(stage)
}

/// The authors write, 300 ms between two posts: each of them would be ranked by itself.
fn write(stage: &mut Stage) -> Result<()> {
    for id in 0..POSTS {
        let author = if id % 2 == 0 { AUTHOR } else { OTHER };
        let now = stage.now();
        stage.post(id, author, now)?;
        stage.advance_ms(300)?;
    }
    Ok(())
}

#[test]
fn what_a_process_put_off_before_it_was_killed_is_made_good_by_the_next() -> Result<()> {
    for steps in (30..300).step_by(30) {
        let mut stage = stage()?;
        let grid = stage.next_grid();
        stage.kill();
        write(&mut stage)?;
        stage.work_off(steps)?;
        stage.kill();
        stage.restart(usize::from(POSTS) + 1)?;
        assert!(stage.now() < grid, "after {steps} steps it was only ranked by the clock");
    }
    Ok(())
}

#[test]
fn what_waited_for_a_process_costs_a_reader_one_publication_and_ends_in_the_same_feed() -> Result<()>
{
    let (mut live, mut late) = (stage()?, stage()?);
    let (before, grid) = (live.times(READER)?, late.next_grid());
    write(&mut live)?;
    late.kill();
    write(&mut late)?;
    late.restart(usize::from(POSTS) + 1)?;
    assert!(late.now() < grid, "it was only ranked by the clock");
    late.advance_ms(1_000)?;
    live.advance_to(late.now())?;
    let (live_times, late_times) = (live.times(READER)? - before, late.times(READER)? - before);
    assert!(live_times >= usize::from(POSTS), "live it was ranked {live_times} times");
    assert_eq!(late_times, 1, "catching up, only its end is published");
    assert_eq!(late.last()?.posts, live.last()?.posts);
    let grid = live.next_grid();
    live.advance_to(grid + 1)?;
    late.advance_to(grid + 1)?;
    assert_eq!(late.last()?, live.last()?);
    Ok(())
}

#[test]
fn who_first_comes_in_a_backlog_is_ranked_once_at_its_end() -> Result<()> {
    const NEW: Id = [61; 16];
    let mut stage = stage()?;
    stage.kill();
    stage.follow(NEW, AUTHOR)?;
    write(&mut stage)?;
    stage.follow(NEW, OTHER)?;
    write_as_stranger(&mut stage)?;
    stage.restart(usize::from(POSTS) + 1)?;
    stage.advance_ms(1_000)?;
    assert_eq!(stage.times(NEW)?, 1);
    assert_eq!(stage.published(NEW)?.pop().flatten().map(|last| last.posts.len()), Some(41));
    Ok(())
}

#[test]
fn all_whom_a_backlog_concerns_are_ranked_however_many_others_lie_between_them() -> Result<()> {
    const FIRST: Id = [1; 16];
    const LAST: Id = [250; 16];
    let mut stage = stage()?;
    let readers = [(FIRST, [70; 16]), (LAST, [71; 16]), (LAST, [72; 16])];
    for (author, reader) in readers {
        stage.follow(reader, author)?;
    }
    (100..150).try_for_each(|id| stage.follow([id; 16], [id + 50; 16]))?;
    stage.advance_ms(1_000)?;
    stage.kill();
    stage.post(1, FIRST, stage.now())?;
    stage.post(2, LAST, stage.now())?;
    write_as_stranger(&mut stage)?;
    stage.work_off(20)?;
    stage.driver.settle()?;
    stage.advance_ms(1_000)?;
    for (author, reader) in readers {
        let posts = stage.published(reader)?.pop().flatten().map(|last| last.posts);
        assert_eq!(posts, Some(vec![if author == FIRST { 1 } else { 2 }]), "{reader:?}");
    }
    Ok(())
}

/// A stranger writes: a backlog that has nobody ranked.
fn write_as_stranger(stage: &mut Stage) -> Result<()> {
    for id in 110..150 {
        let now = stage.now();
        stage.post(id, STRANGER, now)?;
        stage.advance_ms(300)?;
    }
    Ok(())
}

#[test]
fn a_trending_post_that_went_while_nobody_worked_leaves_every_feed_when_that_is_made_good()
-> Result<()> {
    let mut stage = stage()?;
    let (now, grid) = (stage.now(), stage.next_grid());
    stage.post(7, STRANGER, now)?;
    stage.event(AUTHOR, 7, Action::Share)?;
    stage.advance_to(grid + 1_000)?;
    assert_eq!(stage.last()?.posts, [7, 100]);
    stage.kill();
    stage.delete_post(7)?;
    write_as_stranger(&mut stage)?;
    stage.work_off(20)?;
    stage.driver.settle()?;
    stage.advance_ms(1_000)?;
    assert_eq!((stage.last()?.posts, stage.now() < grid + 600_000), (vec![100], true));
    Ok(())
}

#[test]
fn a_line_that_ended_unknown_while_a_process_lagged_has_everybody_ranked_once_it_does_not()
-> Result<()> {
    let mut stage = stage()?;
    stage.event(STRANGER, 100, Action::Impression)?;
    stage.advance_ms(7_000)?;
    let before = stage.times(READER)?;
    stage.kill();
    write_as_stranger(&mut stage)?;
    stage.work_off(120)?;
    let lines = stage.driver.input::<Vec<u8>, Vec<u8>>("posts-live", Bytes, Bytes);
    lines.send_raw(Some(&[77; 16]), None, stage.driver.now())?;
    stage.driver.settle()?;
    stage.advance_ms(11_000)?;
    assert_eq!(stage.times(READER)?, before + 1, "the counts that they were not shown");
    Ok(())
}

#[test]
fn who_is_online_is_ranked_every_ten_seconds_while_a_process_lags() -> Result<()> {
    let mut stage = stage()?;
    stage.read(READER)?;
    stage.kill();
    write(&mut stage)?;
    write_as_stranger(&mut stage)?;
    let before = stage.times(READER)?;
    stage.work_off(200)?;
    assert!(stage.driver.lag(0).is_lagging());
    let meanwhile = stage.published(READER)?.split_off(before);
    let times: Vec<_> = meanwhile.iter().flatten().map(|published| published.as_of).collect();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() >= 2 && gaps.iter().all(|gap| (10_000..11_000).contains(gap)), "{gaps:?}");
    Ok(())
}
