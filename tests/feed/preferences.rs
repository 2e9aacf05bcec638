//! What a reader chooses: posts of followees alone, how much each term counts, and words that they do not want to read.

use millstream::{Bytes, Result};
use schemas::{FeedBody, Preferences, Wire, Words};
use topologies::feed::FeedSettings;
use topologies::feed::counters::RERANKS;

use crate::stage::{AUTHOR, DAY, HOUR, OTHER, READER, Stage};
use worlds::history::Action;

fn choose(stage: &mut Stage, chosen: &Preferences) -> Result<()> {
    let topic = stage.driver.input::<Vec<u8>, Vec<u8>>("preferences", Bytes, Bytes);
    let chosen = Preferences { at_ms: stage.now(), ..chosen.clone() };
    topic.send_raw(Some(&READER), Some(&chosen.to_bytes()), stage.driver.now())?;
    stage.driver.settle()?;
    stage.advance_ms(1_000)
}

fn mute(stage: &mut Stage, words: &[&str]) -> Result<()> {
    let muted_words = words.iter().map(|word| (*word).to_owned()).collect();
    choose(stage, &Preferences { muted_words, ..Preferences::default() })
}

fn posts(stage: &Stage) -> Result<Vec<u8>> {
    let mut posts = stage.last()?.posts;
    posts.sort_unstable();
    Ok(posts)
}

/// The reader follows one author; another one's post trends, and the reader liked one of it.
fn stage(settings: &FeedSettings) -> Result<Stage> {
    let mut stage = Stage::of(settings)?;
    stage.user(READER, true)?;
    stage.follow(READER, AUTHOR)?;
    for (id, text) in [(10, "About cats and dogs"), (11, "A category of its own"), (12, "CATS!")] {
        stage.text((id, Some(text)), AUTHOR, stage.now() - HOUR)?;
    }
    for id in [20, 21] {
        stage.text((id, Some("nothing of the kind")), OTHER, stage.now() - 2 * HOUR)?;
    }
    stage.like(READER, 20, stage.now())?;
    stage.event([9; 16], 21, Action::Share)?;
    stage.miss(READER)?;
    stage.advance_ms(70_000)?;
    Ok(stage)
}

#[test]
fn a_muted_word_keeps_posts_away_that_have_it_and_none_that_have_it_inside_of_another() -> Result<()>
{
    let mut stage = stage(&FeedSettings::default())?;
    stage.miss(READER)?;
    stage.advance_ms(15_000)?;
    assert_eq!(posts(&stage)?, [10, 11, 12, 21]);
    mute(&mut stage, &["cats"])?;
    assert_eq!(posts(&stage)?, [11, 21]);
    stage.text((13, Some("three Cats, newly")), AUTHOR, stage.now())?;
    let at = stage.now();
    stage.text((14, Some("a dog, newly")), AUTHOR, at)?;
    stage.advance_ms(1_000)?;
    assert_eq!(posts(&stage)?, [11, 14, 21], "posts that come later too");
    stage.text((14, Some("a dog among cats")), AUTHOR, at)?;
    stage.advance_ms(1_000)?;
    assert_eq!(posts(&stage)?, [11, 21], "and what becomes of one");
    mute(&mut stage, &[])?;
    assert_eq!(posts(&stage)?, [10, 11, 12, 13, 14, 21]);
    Ok(())
}

/// Tells what words a post has, in whatever way it came to be told after the post.
fn tell_words(stage: &mut Stage, post: u8, text: &str) -> Result<()> {
    let topic = stage.driver.input::<Vec<u8>, Vec<u8>>("post-words", Bytes, Bytes);
    let words = Words::of(text).to_bytes();
    topic.send_raw(Some(&[post; 16]), Some(&words), stage.driver.now())?;
    stage.driver.settle()?;
    stage.advance_ms(1_000)
}

#[test]
fn words_that_come_after_their_post_take_it_from_who_mutes_them_as_soon() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    mute(&mut stage, &["cats"])?;
    assert_eq!(posts(&stage)?, [11, 21]);
    stage.follow([62; 16], AUTHOR)?;
    stage.advance_ms(1_000)?;
    let before = stage.driver.counted_as(RERANKS);
    tell_words(&mut stage, 11, "no less of cats")?;
    assert_eq!(posts(&stage)?, [21], "of whom they follow");
    let rankings = stage.driver.counted_as(RERANKS).unwrap() - before.unwrap();
    assert_eq!(rankings, 1, "who mutes nothing is not ranked for it");
    tell_words(&mut stage, 21, "cats again")?;
    assert_eq!(posts(&stage)?, [0; 0], "of what trends");
    Ok(())
}

#[test]
fn who_wants_followees_alone_is_shown_neither_what_trends_nor_whom_they_like() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    let alone = Preferences { following_only: true, ..Preferences::default() };
    choose(&mut stage, &alone)?;
    assert_eq!(posts(&stage)?, [10, 11, 12]);
    stage.follow(READER, OTHER)?;
    stage.advance_ms(1_000)?;
    assert_eq!(posts(&stage)?, [10, 11, 12, 21]);
    Ok(())
}

#[test]
fn terms_count_as_much_as_the_reader_says_and_the_body_says_so() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    stage.miss(READER)?;
    stage.advance_ms(1_000)?;
    assert_eq!(stage.last()?.posts[0], 21, "whom they like comes first");
    let scales = [100, 0, 0];
    choose(&mut stage, &Preferences { scales, ..Preferences::default() })?;
    assert_ne!(stage.last()?.posts[0], 21, "the newest comes first");
    let output = stage.driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
    let last = output.rows()?.into_iter().next_back().unwrap().value.unwrap();
    assert_eq!(FeedBody::decode(&last).unwrap().facts.map(|facts| facts.scales), Some(scales));
    Ok(())
}

#[test]
fn the_choice_that_was_made_last_counts_in_whatever_order_they_come() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    mute(&mut stage, &["cats"])?;
    let topic = stage.driver.input::<Vec<u8>, Vec<u8>>("preferences", Bytes, Bytes);
    let old = Preferences { at_ms: stage.now() - DAY, ..Preferences::default() };
    topic.send_raw(Some(&READER), Some(&old.to_bytes()), stage.driver.now())?;
    stage.driver.settle()?;
    stage.advance_ms(1_000)?;
    assert_eq!(posts(&stage)?, [11, 21]);
    Ok(())
}

#[test]
fn words_are_forgotten_with_the_line_and_not_kept_where_none_can_be_muted() -> Result<()> {
    let mut stage = stage(&FeedSettings::default())?;
    assert_eq!(stage.kept("word-rows")?, 5);
    stage.advance_ms(8 * DAY)?;
    assert_eq!(stage.kept("word-rows")?, 0);
    let none = FeedSettings { mutes_words: false, ..FeedSettings::default() };
    assert_eq!(self::stage(&none)?.kept("word-rows")?, 0);
    Ok(())
}
