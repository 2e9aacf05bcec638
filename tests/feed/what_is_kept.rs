//! What stores keep, and when a row is deleted: nothing that a feed shows would tell of a row that stays for ever.

use millstream::{Bytes, Result};
use schemas::{PostLine, Wire};
use worlds::history::{Action, BehaviourEvent, Payload};

use crate::stage::{AUTHOR, DAY, HOUR, OTHER, READER, Stage};

/// Shares a post, by an event with an id.
fn share(stage: &mut Stage, id: u8) -> Result<()> {
    let (event, time) = (Some([id; 16]), stage.now());
    let event = BehaviourEvent { event, user: OTHER, post: [4; 16], action: Action::Share, time };
    stage.log(Payload::Event(event))
}

/// How often a post is shared, by its last line.
fn shares(stage: &Stage) -> Result<u32> {
    let output = stage.driver.output::<Vec<u8>, Vec<u8>>("posts-live", Bytes, Bytes);
    let last = output.rows()?.pop().and_then(|row| row.value).unwrap();
    Ok(PostLine::decode(&last).unwrap().shares)
}

#[test]
fn an_event_id_is_known_as_long_as_it_may_be_repeated_and_then_forgotten() -> Result<()> {
    let mut stage = Stage::open()?;
    let began = stage.now();
    stage.post(4, AUTHOR, began)?;
    share(&mut stage, 1)?;
    let mut kept = Vec::new();
    for (hours, id) in [(20, 2), (23, 1), (26, 2), (50, 3), (74, 4)] {
        stage.advance_to(began + hours * HOUR)?;
        share(&mut stage, id)?;
        stage.advance_ms(6_000)?;
        kept.push((id, stage.kept("event-ids")?, shares(&stage)?));
    }
    // They are looked at after 25, 49 and 73 hours, and go by the time of the records that came until then.
    assert_eq!(kept, [(2, 2, 2), (1, 2, 2), (2, 2, 2), (3, 2, 3), (4, 2, 4)]);
    Ok(())
}

#[test]
fn who_follows_nobody_any_more_leaves_no_row_of_it() -> Result<()> {
    let mut stage = Stage::open()?;
    stage.follow(READER, AUTHOR)?;
    assert_eq!((stage.kept("follows")?, stage.kept("audience")?), (1, 1));
    stage.unfollow(READER, AUTHOR)?;
    assert_eq!((stage.kept("follows")?, stage.kept("audience")?), (0, 0));
    Ok(())
}

#[test]
fn what_was_seen_is_kept_for_25_hours_and_not_at_all_if_it_was_longer_ago() -> Result<()> {
    let mut stage = Stage::open()?;
    let now = stage.now();
    // Nobody who is not active is ranked, which would forget it.
    stage.like(OTHER, 3, now - 8 * DAY)?;
    let seen = [(4, 26 * HOUR), (5, 49 * HOUR / 2), (6, 47 * HOUR / 2)];
    let kept = seen.map(|(post, ago)| {
        stage.like(READER, post, now - ago)?;
        stage.kept("seen")
    });
    assert_eq!(kept, [Ok(0), Ok(1), Ok(2)]);
    stage.advance_ms(HOUR)?;
    assert_eq!(stage.kept("seen")?, 1);
    Ok(())
}

#[test]
fn a_post_that_never_comes_leaves_no_row_when_what_was_done_to_it_is_dropped() -> Result<()> {
    let stores = ["posts", "acts", "trending-points"];
    let mut stage = Stage::open()?;
    stage.event(OTHER, 9, Action::Share)?;
    assert_eq!(stores.map(|store| stage.kept(store)), [Ok(1), Ok(1), Ok(1)]);
    stage.advance_ms(7 * DAY + HOUR)?;
    assert_eq!(stores.map(|store| stage.kept(store)), [Ok(0), Ok(0), Ok(0)]);
    Ok(())
}

#[test]
fn points_are_forgotten_when_no_list_reaches_them() -> Result<()> {
    let mut stage = Stage::open()?;
    let now = stage.now();
    stage.post(4, AUTHOR, now)?;
    stage.event(OTHER, 4, Action::Share)?;
    stage.advance_ms(7 * DAY + 2 * HOUR)?;
    assert_eq!(stage.kept("trending-points")?, 1);
    stage.advance_ms(DAY)?;
    assert_eq!((stage.kept("trending-points")?, stage.kept("acts")?), (0, 1));
    Ok(())
}

#[test]
fn a_like_taken_back_leaves_no_points() -> Result<()> {
    let mut stage = Stage::open()?;
    let now = stage.now();
    stage.post(4, AUTHOR, now)?;
    stage.like(OTHER, 4, now)?;
    let liked = stage.kept("trending-points")?;
    stage.unlike(OTHER, 4)?;
    assert_eq!((liked, stage.kept("trending-points")?), (1, 0));
    Ok(())
}
