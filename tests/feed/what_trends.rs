//! What trends: lists as time goes on, after a start, and when interactions are taken back.

use millstream::{Bytes, Result};
use schemas::{Trending, TrendingWindow, Wire};
use topologies::feed::{FeedSettings, feed};
use worlds::history::Action;

use crate::stage::{AUTHOR, HOUR, OTHER, READER, Stage};

/// A post, just created, that somebody liked some seconds ago.
fn stage() -> Result<Stage> {
    let mut stage = Stage::open()?;
    let now = stage.now();
    stage.post(4, AUTHOR, now)?;
    stage.like(OTHER, 4, now)?;
    stage.advance_ms(5_000)?;
    Ok(stage)
}

fn list_of(trending: &Trending, window: TrendingWindow, at: i64) -> Vec<(u8, u32)> {
    let list = trending.list(window, at);
    let posts = list.into_iter().flat_map(|list| trending.posts_of(list));
    posts.map(|(post, score)| (post.post.0[0], score)).collect()
}

/// The list of a window as it was last published, with scores.
fn list(stage: &Stage, window: TrendingWindow) -> Result<Vec<(u8, u32)>> {
    let output = stage.driver.output::<Vec<u8>, Vec<u8>>("trending", Bytes, Bytes);
    let last = output.rows()?.pop().and_then(|row| row.value).unwrap();
    Ok(list_of(&Trending::decode(&last).unwrap(), window, stage.now()))
}

#[test]
fn a_post_leaves_the_lists_one_after_the_other_while_nothing_else_happens() -> Result<()> {
    let mut stage = stage()?;
    let mut lists = Vec::new();
    for hours in [0, 2, 20, 4] {
        (0..hours).try_for_each(|_| stage.advance_ms(HOUR))?;
        stage.advance_ms(2_000)?;
        lists.push(TrendingWindow::ALL.map(|window| list(&stage, window).map(|list| list.len())));
    }
    let expected = [[1, 1, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1]];
    assert_eq!(lists, expected.map(|lengths| lengths.map(Ok)));
    Ok(())
}

#[test]
fn after_a_start_the_lists_have_what_trended_before() -> Result<()> {
    let mut stage = stage()?;
    stage.driver.kill(0);
    stage.driver.restart(0)?;
    stage.driver.settle()?;
    let now = stage.now();
    stage.post(5, AUTHOR, now)?;
    stage.like(READER, 5, now)?;
    stage.advance_ms(5_000)?;
    assert_eq!(list(&stage, TrendingWindow::Day)?, [(5, 1), (4, 1)]);
    Ok(())
}

#[test]
fn a_like_taken_back_leaves_the_lists() -> Result<()> {
    let mut stage = stage()?;
    stage.unlike(OTHER, 4)?;
    stage.advance_ms(5_000)?;
    let left = TrendingWindow::ALL.map(|window| list(&stage, window));
    assert_eq!(left, [Ok(vec![]), Ok(vec![]), Ok(vec![])]);
    Ok(())
}

#[test]
fn a_process_tells_what_trends_as_it_was_published() -> Result<()> {
    let mut stage = stage()?;
    stage.event(READER, 4, Action::Share)?;
    stage.advance_ms(5_000)?;
    let trending = feed(&FeedSettings::default())?.trending(&stage.driver.query(0)?).unwrap();
    let told = list_of(&trending, TrendingWindow::Day, stage.now());
    assert_eq!((told, list(&stage, TrendingWindow::Day)?), (vec![(4, 4)], vec![(4, 4)]));
    Ok(())
}
