//! When a reader is ranked, and what is published: each row of the contract's table, and each reason of `valid_until`.

use millstream::broker::murmur2;
use millstream::testing::{Driver, Row};
use millstream::{Bytes, Result};
use schemas::{Trending, TrendingWindow, Wire};
use topologies::feed::{FeedSettings, feed};
use topologies::trending::points::Formula;

use crate::stage::{AUTHOR, DAY, HOUR, OTHER, Published, READER, Stage};
use worlds::history::Action;

/// A reader who follows an author of one post, an hour old, and was ranked.
fn stage() -> Result<Stage> {
    let mut stage = Stage::open()?;
    let created_at = stage.now() - HOUR;
    stage.post(4, AUTHOR, created_at)?;
    stage.follow(READER, AUTHOR)?;
    stage.advance_ms(1_000)?;
    Ok(stage)
}

/// The same, who reads just now.
fn online() -> Result<Stage> {
    let mut stage = stage()?;
    stage.read(READER)?;
    stage.advance_ms(1_000)?;
    Ok(stage)
}

#[test]
fn an_own_follow_is_ranked_at_once() -> Result<()> {
    let mut stage = stage()?;
    let now = stage.now();
    stage.post(5, OTHER, now)?;
    stage.follow(READER, OTHER)?;
    assert_eq!(stage.last()?.posts, [5, 4]);
    Ok(())
}

#[test]
fn an_own_view_takes_the_post_away_at_once() -> Result<()> {
    let mut stage = stage()?;
    stage.event(READER, 4, Action::View)?;
    assert_eq!(stage.last()?.posts, [0_u8; 0]);
    Ok(())
}

#[test]
fn an_own_interaction_is_ranked_at_once() -> Result<()> {
    let mut stage = stage()?;
    let now = stage.now();
    stage.post(5, AUTHOR, now)?;
    stage.advance_ms(1_000)?;
    let before = stage.times(READER)?;
    stage.like(READER, 5, now)?;
    assert_eq!((stage.times(READER)?, stage.last()?.posts), (before + 1, vec![4]));
    Ok(())
}

#[test]
fn urgent_changes_are_ranked_every_quarter_second_at_most() -> Result<()> {
    let mut stage = stage()?;
    let before = stage.times(READER)?;
    for id in 5..9 {
        let now = stage.now();
        stage.post(id, AUTHOR, now)?;
        stage.advance_ms(50)?;
    }
    stage.advance_ms(250)?;
    let published = stage.published(READER)?.split_off(before);
    let gaps: Vec<_> = published.windows(2).map(|pair| as_of(&pair[1]) - as_of(&pair[0])).collect();
    assert!(gaps.iter().all(|gap| *gap >= 250), "{gaps:?}");
    assert_eq!(stage.last()?.posts.len(), 5);
    Ok(())
}

fn as_of(published: &Option<Published>) -> i64 {
    published.as_ref().unwrap().as_of
}

#[test]
fn a_post_that_comes_goes_or_returns_touches_its_author_s_followers_at_once() -> Result<()> {
    let mut stage = stage()?;
    let now = stage.now();
    stage.post(5, AUTHOR, now)?;
    assert_eq!(stage.last()?.posts, [5, 4]);
    stage.advance_ms(1_000)?;
    stage.delete_post(5)?;
    assert_eq!(stage.last()?.posts, [4]);
    stage.advance_ms(1_000)?;
    stage.post(5, AUTHOR, now)?;
    assert_eq!(stage.last()?.posts, [5, 4]);
    Ok(())
}

#[test]
fn a_user_who_is_gone_takes_their_posts_out_at_once_and_brings_them_back() -> Result<()> {
    let mut stage = stage()?;
    stage.user(AUTHOR, true)?;
    stage.user(AUTHOR, false)?;
    assert_eq!(stage.last()?.posts, [0_u8; 0]);
    stage.advance_ms(1_000)?;
    stage.user(AUTHOR, true)?;
    assert_eq!(stage.last()?.posts, [4]);
    Ok(())
}

#[test]
fn a_trending_post_that_goes_leaves_every_active_reader_s_feed_at_once() -> Result<()> {
    let mut stage = stage()?;
    let now = stage.now();
    stage.post(6, OTHER, now)?;
    stage.event(AUTHOR, 6, Action::Share)?;
    stage.advance_to(now + 12_000)?;
    stage.read(READER)?;
    stage.advance_ms(1_000)?;
    assert_eq!(stage.last()?.posts, [6, 4]);
    stage.delete_post(6)?;
    assert_eq!(stage.last()?.posts, [4]);
    Ok(())
}

#[test]
fn counts_show_within_two_seconds_to_who_is_online() -> Result<()> {
    let mut stage = online()?;
    let before = stage.times(READER)?;
    let now = stage.now();
    stage.like(OTHER, 4, now)?;
    assert_eq!(stage.times(READER)?, before);
    stage.advance_to(now + 2_100)?;
    assert_eq!(stage.times(READER)?, before + 1);
    Ok(())
}

#[test]
fn a_change_of_counts_that_hardly_moves_a_score_is_broadcast_five_seconds_after_the_last_one()
-> Result<()> {
    let mut settings = FeedSettings::default();
    settings.line_policy.score_max = f64::INFINITY;
    let mut stage = Stage::of(&settings)?;
    let now = stage.now();
    stage.post(4, AUTHOR, now)?;
    let lines = |stage: &Stage| -> Result<usize> {
        let output = stage.driver.output::<Vec<u8>, Vec<u8>>("posts-live", Bytes, Bytes);
        Ok(output.rows()?.len())
    };
    let mut sent = Vec::new();
    stage.event(OTHER, 4, Action::Impression)?;
    stage.advance_ms(4_000)?;
    stage.event(OTHER, 4, Action::Impression)?;
    for wait in [4_900, 200, 60_000] {
        stage.advance_ms(wait)?;
        sent.push(lines(&stage)?);
    }
    assert_eq!(sent, [1, 2, 2]);
    Ok(())
}

#[test]
fn counts_show_to_who_is_not_online_at_the_next_read() -> Result<()> {
    let mut stage = stage()?;
    let (before, now) = (stage.times(READER)?, stage.now());
    stage.like(OTHER, 4, now)?;
    stage.advance_to(now + 30_000)?;
    assert_eq!(stage.times(READER)?, before);
    stage.read(READER)?;
    assert_eq!(stage.times(READER)?, before + 1);
    Ok(())
}

#[test]
fn counts_show_to_who_is_not_online_at_the_next_grid_time() -> Result<()> {
    let mut stage = stage()?;
    let (before, now, grid) = (stage.times(READER)?, stage.now(), stage.next_grid());
    stage.like(OTHER, 4, now)?;
    stage.advance_to(grid)?;
    assert_eq!((stage.times(READER)?, stage.last()?.as_of), (before + 1, grid));
    Ok(())
}

#[test]
fn another_trending_list_shows_to_who_is_online_within_ten_seconds() -> Result<()> {
    let mut stage = online()?;
    let now = stage.now();
    stage.post(6, OTHER, now)?;
    stage.event(AUTHOR, 6, Action::Share)?;
    stage.advance_to(now + 12_000)?;
    assert_eq!(stage.last()?.posts, [6, 4]);
    Ok(())
}

#[test]
fn another_trending_list_shows_to_who_is_not_online_at_the_next_read() -> Result<()> {
    let mut stage = stage()?;
    let (before, now) = (stage.times(READER)?, stage.now());
    stage.post(6, OTHER, now)?;
    stage.event(AUTHOR, 6, Action::Share)?;
    stage.advance_to(now + 12_000)?;
    assert_eq!(stage.times(READER)?, before);
    stage.read(READER)?;
    assert_eq!(stage.last()?.posts, [6, 4]);
    Ok(())
}

#[test]
fn a_body_equal_to_the_published_one_is_not_published_again() -> Result<()> {
    let mut stage = online()?;
    let before = stage.times(READER)?;
    // A post too old for any source touches the reader, and changes nothing.
    let now = stage.now();
    stage.post(7, AUTHOR, now - 6 * DAY)?;
    stage.advance_ms(5_000)?;
    assert_eq!(stage.times(READER)?, before);
    Ok(())
}

#[test]
fn a_read_that_missed_publishes_an_equal_body_and_one_that_hit_does_not() -> Result<()> {
    let mut stage = stage()?;
    let before = stage.times(READER)?;
    stage.read(READER)?;
    assert_eq!(stage.times(READER)?, before);
    stage.miss(READER)?;
    assert_eq!(stage.times(READER)?, before + 1);
    Ok(())
}

#[test]
fn every_grid_time_publishes_as_of_itself_even_an_equal_body() -> Result<()> {
    let mut stage = stage()?;
    let (before, grid) = (stage.times(READER)?, stage.next_grid());
    stage.advance_to(grid + 600_000)?;
    let published = stage.published(READER)?.split_off(before);
    let times: Vec<_> = published.iter().map(as_of).collect();
    assert_eq!(times, [grid, grid + 600_000]);
    Ok(())
}

#[test]
fn a_late_clock_ranks_as_of_the_last_grid_time_that_passed() -> Result<()> {
    let mut stage = stage()?;
    let (before, grid) = (stage.times(READER)?, stage.next_grid());
    stage.advance_ms(grid + 1_800_000 + 7_000 - stage.now())?;
    let published = stage.published(READER)?.split_off(before);
    assert_eq!(published.iter().map(as_of).collect::<Vec<_>>(), [grid + 1_800_000]);
    Ok(())
}

#[test]
fn a_feed_holds_until_the_next_grid_time_if_nothing_ends_before() -> Result<()> {
    let stage = stage()?;
    assert_eq!(stage.last()?.valid_until, stage.next_grid());
    Ok(())
}

#[test]
fn a_post_leaves_the_moment_it_is_older_than_72_hours() -> Result<()> {
    let mut stage = stage()?;
    let leaves = stage.now() + 60_000;
    stage.post(5, AUTHOR, leaves - 72 * HOUR - 1)?;
    assert_eq!((stage.last()?.posts, stage.last()?.valid_until), (vec![4, 5], leaves));
    stage.advance_to(leaves)?;
    assert_eq!((stage.last()?.posts, stage.last()?.as_of), (vec![4], leaves));
    Ok(())
}

#[test]
fn a_late_clock_ranks_as_of_the_moment_at_which_a_post_left() -> Result<()> {
    let mut stage = stage()?;
    let leaves = stage.now() + 60_000;
    stage.post(5, AUTHOR, leaves - 72 * HOUR - 1)?;
    stage.advance_ms(leaves + 7_000 - stage.now())?;
    assert_eq!((stage.last()?.posts, stage.last()?.as_of), (vec![4], leaves));
    Ok(())
}

#[test]
fn a_post_of_an_author_with_affinity_leaves_when_it_is_older_than_seven_days() -> Result<()> {
    let mut stage = Stage::open()?;
    let (now, leaves) = (stage.now(), stage.now() + 60_000);
    stage.post(4, AUTHOR, now - 30 * DAY)?;
    stage.post(5, AUTHOR, leaves - 7 * DAY - 1)?;
    stage.like(READER, 4, now - 2 * DAY)?;
    stage.advance_ms(1_000)?;
    assert_eq!((stage.last()?.posts, stage.last()?.valid_until), (vec![5], leaves));
    stage.advance_to(leaves)?;
    assert_eq!((stage.last()?.posts, stage.last()?.as_of), (vec![], leaves));
    Ok(())
}

#[test]
fn the_next_author_s_post_comes_the_moment_age_frees_the_quota_of_affinity() -> Result<()> {
    let mut settings = FeedSettings::default();
    settings.weights.limits.affinity_posts_max = 1;
    let mut stage = Stage::of(&settings)?;
    let (now, frees) = (stage.now(), stage.now() + 60_000);
    for (old, author, likes) in [(10, AUTHOR, 2), (20, OTHER, 1)] {
        for id in old..old + likes {
            stage.post(id, author, now - 30 * DAY)?;
            stage.like(READER, id, now - 2 * DAY)?;
        }
    }
    stage.post(4, AUTHOR, frees - 7 * DAY - 1)?;
    stage.post(5, OTHER, now - DAY)?;
    stage.advance_ms(1_000)?;
    assert_eq!((stage.last()?.posts, stage.last()?.valid_until), (vec![4], frees));
    stage.advance_to(frees)?;
    assert_eq!((stage.last()?.posts, stage.last()?.as_of), (vec![5], frees));
    Ok(())
}

#[test]
fn a_seen_post_returns_the_moment_it_was_seen_a_day_ago() -> Result<()> {
    let mut stage = stage()?;
    let returns = stage.now() + DAY;
    stage.event(READER, 4, Action::View)?;
    stage.advance_to(returns - 1_000)?;
    assert_eq!((stage.last()?.posts, stage.last()?.valid_until), (vec![], returns));
    stage.advance_to(returns)?;
    assert_eq!((stage.last()?.posts, stage.last()?.as_of), (vec![4], returns));
    Ok(())
}

#[test]
fn an_affinity_day_expires_at_the_utc_midnight_after_its_ninetieth() -> Result<()> {
    let mut stage = Stage::open()?;
    let now = stage.now();
    let midnight = (now.div_euclid(DAY) + 1) * DAY;
    stage.post(4, AUTHOR, now - HOUR)?;
    stage.post(5, AUTHOR, now - 95 * DAY)?;
    stage.like(READER, 5, midnight - 90 * DAY)?;
    stage.event(READER, 9, Action::Impression)?;
    stage.advance_to(midnight - 1_000)?;
    assert_eq!((stage.last()?.posts, stage.last()?.valid_until), (vec![4], midnight));
    stage.advance_to(midnight)?;
    assert_eq!((stage.last()?.posts, stage.last()?.as_of), (vec![], midnight));
    Ok(())
}

#[test]
fn a_reader_who_did_nothing_for_seven_days_gets_a_null_and_an_act_brings_a_feed() -> Result<()> {
    let mut stage = stage()?;
    let lapses = stage.now() - 1_000 + 7 * DAY;
    stage.advance_to(lapses - 1_000)?;
    assert!(stage.published(READER)?.last().unwrap().is_some());
    stage.advance_to(lapses)?;
    assert_eq!(stage.published(READER)?.last(), Some(&None));
    stage.event(READER, 9, Action::Impression)?;
    assert_eq!(stage.last()?.posts, [0_u8; 0]);
    Ok(())
}

/// Stops the process, and starts one whose weights keep one post.
#[test]
fn a_reader_who_comes_back_to_read_is_ranked_at_once() -> Result<()> {
    let mut stage = stage()?;
    stage.advance_ms(8 * DAY)?;
    let created_at = stage.now() - HOUR;
    stage.post(5, AUTHOR, created_at)?;
    stage.read(READER)?;
    assert_eq!(stage.last()?.posts, [5]);
    Ok(())
}

fn change_weights(stage: &mut Stage) -> Result<()> {
    let now = stage.now();
    stage.post(5, AUTHOR, now)?;
    stage.advance_ms(1_000)?;
    assert_eq!(stage.last()?.posts, [5, 4]);
    let mut settings = FeedSettings::default();
    settings.weights.limits.kept_max = 1;
    stage.driver.kill(0);
    stage.driver.restart_with(0, feed(&settings)?.topology)?;
    stage.driver.settle()
}

#[test]
fn after_a_start_with_other_weights_who_is_online_is_ranked_within_ten_seconds() -> Result<()> {
    let mut stage = online()?;
    change_weights(&mut stage)?;
    stage.advance_ms(10_100)?;
    assert_eq!(stage.last()?.posts, [5]);
    Ok(())
}

#[test]
fn after_a_start_with_other_weights_who_is_not_online_is_ranked_at_the_next_read() -> Result<()> {
    let mut stage = stage()?;
    change_weights(&mut stage)?;
    stage.advance_ms(10_100)?;
    assert_eq!(stage.last()?.posts, [5, 4]);
    stage.read(READER)?;
    assert_eq!(stage.last()?.posts, [5]);
    Ok(())
}

#[test]
fn a_burst_is_in_the_list_within_five_seconds() -> Result<()> {
    let mut stage = stage()?;
    let began = stage.now();
    for liker in 40..60 {
        stage.event([liker; 16], 4, Action::Like)?;
    }
    stage.advance_to(began + 5_000)?;
    assert_eq!(trending(&stage.driver)?, [(4, 20)]);
    Ok(())
}

#[test]
fn the_posts_of_a_user_who_is_gone_leave_the_lists_within_five_seconds_and_come_back() -> Result<()>
{
    let mut stage = stage()?;
    stage.event(OTHER, 4, Action::Like)?;
    stage.advance_ms(5_000)?;
    stage.user(AUTHOR, true)?;
    for (live, expected) in [(false, vec![]), (true, vec![(4, 1)])] {
        stage.user(AUTHOR, live)?;
        let now = stage.now();
        stage.advance_to(now + 5_000)?;
        assert_eq!(trending(&stage.driver)?, expected, "live: {live}");
    }
    Ok(())
}

fn published_lists(driver: &Driver) -> Result<Vec<Row<Vec<u8>, Vec<u8>>>> {
    driver.output::<Vec<u8>, Vec<u8>>("trending", Bytes, Bytes).rows()
}

/// The list of an hour as it was last published, with scores.
fn trending(driver: &Driver) -> Result<Vec<(u8, u32)>> {
    let last = published_lists(driver)?.pop().and_then(|row| row.value).unwrap();
    let trending = Trending::decode(&last).unwrap();
    let list = trending.list(TrendingWindow::Hour, driver.now().0).cloned();
    let posts = list.iter().flat_map(|list| trending.posts_of(list));
    Ok(posts.map(|(post, score)| (post.post.0[0], score)).collect())
}

#[test]
fn lists_are_published_again_every_twenty_seconds_and_never_when_they_are_empty() -> Result<()> {
    let mut stage = stage()?;
    let published = |stage: &Stage| published_lists(&stage.driver).map(|lists| lists.len());
    let empty = published(&stage)?;
    stage.advance_to(stage.now() + 60_000)?;
    assert_eq!(published(&stage)?, empty);
    stage.event(OTHER, 4, Action::Like)?;
    stage.advance_ms(3_000)?;
    let listed = published(&stage)?;
    (0..60).try_for_each(|_| stage.advance_ms(1_000))?;
    assert_eq!(published(&stage)?, listed + 3);
    Ok(())
}

#[test]
fn by_people_one_person_counts_once_however_much_they_do() -> Result<()> {
    let trending_by = Formula::People { points_max: 1 };
    let mut stage = Stage::of(&FeedSettings { trending: trending_by, ..FeedSettings::default() })?;
    let now = stage.now();
    stage.post(4, AUTHOR, now)?;
    for _ in 0..5 {
        stage.event(OTHER, 4, Action::Share)?;
    }
    stage.event(READER, 4, Action::Like)?;
    stage.advance_ms(5_000)?;
    assert_eq!(trending(&stage.driver)?, [(4, 2)]);
    Ok(())
}

/// Likes, comments and shares of the listed posts, as they were last published.
fn listed_counts(driver: &Driver) -> Result<Vec<[u32; 3]>> {
    let last = published_lists(driver)?.pop().and_then(|row| row.value).unwrap();
    let trending = Trending::decode(&last).unwrap();
    Ok(trending.posts.iter().map(|post| [post.likes, post.comments, post.shares]).collect())
}

#[test]
fn counts_that_are_worth_no_points_are_in_the_list_within_five_seconds() -> Result<()> {
    let trending_by = Formula::People { points_max: 1 };
    let mut stage = Stage::of(&FeedSettings { trending: trending_by, ..FeedSettings::default() })?;
    let now = stage.now();
    stage.post(4, AUTHOR, now)?;
    stage.event(OTHER, 4, Action::Share)?;
    stage.advance_ms(5_000)?;
    stage.event(OTHER, 4, Action::Comment)?;
    stage.advance_ms(5_000)?;
    // Too long ago for any list, but it counts.
    stage.like(READER, 4, now - 30 * DAY)?;
    stage.advance_ms(5_000)?;
    assert_eq!(listed_counts(&stage.driver)?, [[1, 1, 1]]);
    Ok(())
}

#[test]
fn a_miss_is_answered_by_what_is_ranked_for_another_reason_before_it_is_due() -> Result<()> {
    // Such a reader is ranked for what trends a tenth of a second after everybody is touched.
    let early = |id: &[u8; 16]| (50..150).contains(&((murmur2(id) & 0x7fff_ffff) % 1_000));
    let reader = (16..=u8::MAX).map(|id| [id; 16]).find(early).unwrap();
    let mut stage = Stage::open()?;
    let began = stage.now();
    stage.post(4, AUTHOR, began - HOUR)?;
    stage.follow(reader, AUTHOR)?;
    stage.advance_ms(1_000)?;
    // Their own post trends: they are ranked for it, and their feed stays what it was.
    stage.post(5, reader, began)?;
    stage.event(AUTHOR, 5, Action::Share)?;
    for step in 0..60 {
        stage.event([100 + step; 16], 5, Action::Share)?;
        stage.miss(reader)?;
        let ranked = stage.times(reader)?;
        stage.miss(reader)?;
        (0..26 + step % 13).try_for_each(|_| stage.advance_ms(10))?;
        assert_eq!(stage.times(reader)?, ranked + 1, "{step}");
    }
    Ok(())
}
