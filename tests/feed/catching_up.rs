//! A process that finds much waiting ranks a reader at first sight and when it has caught up, and ends with the same feeds.

use millstream::Result;

use crate::stage::{AUTHOR, HOUR, OTHER, READER, Stage};

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
    let before = live.times(READER)?;
    write(&mut live)?;
    late.kill();
    write(&mut late)?;
    late.restart(usize::from(POSTS) + 1)?;
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
