//! A feed ranked from committed state when somebody asks is the one that is published.

use millstream::Result;
use schemas::{FeedBody, FeedVersion, PostId, UserId};
use topologies::feed::{FeedSettings, feed};
use topologies::ranking::removal::Removed;
use topologies::ranking::why::{Stage as Dropped, Verdict};
use worlds::history::{Action, Id};

use crate::stage::{AUTHOR, HOUR, OTHER, READER, Stage};

/// The feed of a user as of now, by a process that owns them.
fn ranked(stage: &Stage, user: Id) -> Result<(FeedVersion, FeedBody)> {
    let settings = FeedSettings::default();
    let (feed, query) = (feed(&settings)?, stage.driver.query(0)?);
    let ranked = feed.rank(&query, &settings, UserId(user), stage.now()).unwrap();
    let (published, body) = ranked.expect("the broadcasts are there");
    Ok((published.version, body))
}

/// What became of a post in it.
fn why(stage: &Stage, user: Id, post: u8) -> Result<Verdict> {
    let settings = FeedSettings::default();
    let (feed, query) = (feed(&settings)?, stage.driver.query(0)?);
    let asked = (UserId(user), PostId([post; 16]));
    let why = feed.why(&query, &settings, asked, stage.now()).unwrap();
    let (_, verdict) = why.expect("the broadcasts are there");
    Ok(verdict)
}

fn posts(body: &FeedBody) -> Vec<u8> {
    body.items.iter().map(|item| item.post.0[0]).collect()
}

/// A reader with a followee, an affinity and a post that was seen, who was just ranked.
fn stage() -> Result<Stage> {
    let mut stage = Stage::open()?;
    let now = stage.now();
    for (id, author) in [(4, AUTHOR), (5, AUTHOR), (6, OTHER), (7, OTHER)] {
        stage.post(id, author, now - HOUR * i64::from(id))?;
    }
    stage.follow(READER, AUTHOR)?;
    stage.event(READER, 6, Action::Share)?;
    stage.event(READER, 5, Action::View)?;
    let grid = stage.next_grid();
    stage.advance_to(grid)?;
    Ok(stage)
}

#[test]
fn it_has_the_posts_the_counts_and_the_version_of_what_was_published_last() -> Result<()> {
    let stage = stage()?;
    let (version, body) = ranked(&stage, READER)?;
    let last = stage.last()?;
    assert_eq!((posts(&body), body.as_of_ms), (vec![7, 4], stage.now()));
    assert_eq!((posts(&body), body.valid_until_ms), (last.posts, last.valid_until));
    let affinities: Vec<_> = body.items.iter().map(|item| item.affinity).collect();
    assert_eq!((affinities, body.cold_start), (vec![1, 0], false));
    assert_eq!(version.version, stage.times(READER)? as u64);
    Ok(())
}

#[test]
fn who_was_never_seen_gets_what_trends_and_who_is_gone_nothing() -> Result<()> {
    let mut stage = stage()?;
    let (version, body) = ranked(&stage, [9; 16])?;
    assert_eq!((version.version, body.cold_start), (0, true));
    assert!(posts(&body).contains(&6), "it was shared: {:?}", posts(&body));
    stage.user(READER, true)?;
    stage.user(READER, false)?;
    let (_, body) = ranked(&stage, READER)?;
    assert_eq!(posts(&body), [0_u8; 0]);
    Ok(())
}

#[test]
fn a_post_is_told_of_by_who_owns_the_reader_and_by_who_owns_the_post() -> Result<()> {
    let mut stage = stage()?;
    match why(&stage, READER, 7)? {
        Verdict::Placed(placed) => assert_eq!((placed.position, placed.item.affinity), (1, 1)),
        other => panic!("{other:?}"),
    }
    match why(&stage, READER, 5)? {
        Verdict::Dropped(dropped) => {
            assert!(matches!(dropped.stage, Dropped::Removed(Removed::Seen { .. })));
        }
        other => panic!("{other:?}"),
    }
    stage.delete_post(4)?;
    assert_eq!(why(&stage, READER, 4)?, Verdict::Unlisted);
    assert_eq!(why(&stage, READER, 9)?, Verdict::Unlisted);
    let (feed, query) = (feed(&FeedSettings::default())?, stage.driver.query(0)?);
    let known = |post: u8| {
        let post = feed.post(&query, PostId([post; 16])).unwrap()?;
        Some(post.version?.live)
    };
    assert_eq!([known(7), known(4), known(9)], [Some(true), Some(false), None]);
    Ok(())
}
