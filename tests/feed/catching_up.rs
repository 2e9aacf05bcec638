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
fn what_waited_for_a_process_costs_a_reader_few_rankings_and_ends_in_the_same_feed() -> Result<()> {
    let (mut live, mut late) = (stage()?, stage()?);
    let before = live.times(READER)?;
    write(&mut live)?;
    late.kill();
    write(&mut late)?;
    late.restart()?;
    late.advance_ms(1_000)?;
    live.advance_ms(1_000)?;
    let times = [&live, &late].map(|stage| stage.times(READER).map(|times| times - before));
    let [live_times, late_times] = times;
    let (live_times, late_times) = (live_times?, late_times?);
    assert!(live_times >= usize::from(POSTS), "live it was ranked {live_times} times");
    assert!(late_times <= 3, "catching up it was ranked {late_times} times");
    assert_eq!(late.last()?.posts, live.last()?.posts);
    let grid = live.next_grid();
    live.advance_to(grid + 1)?;
    late.advance_to(grid + 1)?;
    assert_eq!(late.last()?, live.last()?);
    Ok(())
}
