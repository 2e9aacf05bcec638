//! Rankings of worlds made for one rule each.

use schemas::{FeedBody, PostId, PostLine, Rule, Sources, UserId};

use super::removal::Removed;
use super::still_shown::still_shown;
use super::validity::next_grid_time;
use super::weights::{DAY_MS, HOUR_MS};
use super::{AffinityDay, Ranker, ReaderState, Weights, World};
use crate::live::{GoneUsers, PostsByAuthor};

/// Noon of a day.
const NOON: i64 = 20_000 * DAY_MS + 12 * HOUR_MS;
const TODAY: i32 = 20_000;
const READER: UserId = UserId([200; 16]);

fn user(id: u8) -> UserId {
    UserId([id; 16])
}

/// A post's id, from its author and a number.
fn id(author: u8, n: u16) -> PostId {
    let mut id = [0; 16];
    id[0] = author;
    id[14..].copy_from_slice(&n.to_be_bytes());
    PostId(id)
}

/// Posts of an author, by number, with their age in ms.
fn write(posts: &mut PostsByAuthor, author: u8, ages: impl IntoIterator<Item = (u16, i64)>) {
    for (n, age) in ages {
        let (author_id, created_at_ms) = (user(author), NOON - age);
        let line = PostLine { author: author_id, created_at_ms, ..PostLine::default() };
        posts.put(id(author, n), line);
    }
}

fn reader(follows: &[u8], affinity: &[(u8, u32)]) -> ReaderState {
    let day = |(author, count): &(u8, u32)| AffinityDay {
        author: user(*author),
        day: TODAY,
        count: *count,
    };
    ReaderState {
        id: READER,
        follows: follows.iter().map(|id| user(*id)).collect(),
        affinity: affinity.iter().map(day).collect(),
        seen: Vec::new(),
        ..ReaderState::default()
    }
}

fn rank(reader: &ReaderState, posts: &PostsByAuthor) -> FeedBody {
    let (gone, weights) = (GoneUsers::default(), Weights::v1());
    Ranker::default().rank(
        reader,
        &World { posts, gone: &gone, words: None, trending: &[], weights: &weights },
        NOON,
    )
}

fn ids(body: &FeedBody) -> Vec<PostId> {
    body.items.iter().map(|item| item.post).collect()
}

#[test]
fn a_followee_s_post_is_a_candidate_until_it_is_72_h_old() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, 72 * HOUR_MS), (2, 72 * HOUR_MS + 1)]);
    assert_eq!(ids(&rank(&reader(&[1], &[]), &posts)), [id(1, 1)]);
}

#[test]
fn a_post_by_an_author_with_affinity_is_a_candidate_until_it_is_7_d_old() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, 7 * DAY_MS), (2, 7 * DAY_MS + 1)]);
    assert_eq!(ids(&rank(&reader(&[], &[(1, 1)]), &posts)), [id(1, 1)]);
}

#[test]
fn a_post_of_both_sources_stands_once_and_names_both() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, HOUR_MS), (2, 73 * HOUR_MS)]);
    let body = rank(&reader(&[1], &[(1, 1)]), &posts);
    let sources: Vec<_> = body.items.iter().map(|item| (item.post, item.sources)).collect();
    let both = Sources::FOLLOW.with(Sources::AFFINITY);
    assert_eq!(sources, [(id(1, 1), both), (id(1, 2), Sources::AFFINITY)]);
}

#[test]
fn the_twenty_first_post_of_an_author_is_left_to_the_follow() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, (1..=25).map(|n| (n, i64::from(n) * HOUR_MS)));
    let only_affinity = rank(&reader(&[], &[(1, 1)]), &posts);
    let both = rank(&reader(&[1], &[(1, 1)]), &posts);
    assert_eq!((only_affinity.items.len(), both.items.len()), (20, 25));
    let last = both.items.iter().find(|item| item.post == id(1, 21));
    assert_eq!(last.map(|item| item.sources), Some(Sources::FOLLOW));
}

#[test]
fn what_is_removed_uses_up_no_cap() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, (1..=25).map(|n| (n, i64::from(n) * HOUR_MS)));
    let mut state = reader(&[], &[(1, 1)]);
    state.seen = (1..=5).map(|n| (id(1, n), NOON)).collect();
    let found = rank(&state, &posts);
    let expected: Vec<_> = (6..=25).map(|n| id(1, n)).collect();
    assert_eq!(ids(&found), expected);
}

#[test]
fn a_reader_without_followee_and_affinity_starts_cold_and_empty() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, 0)]);
    let mut old = reader(&[], &[(1, 1)]);
    old.affinity.iter_mut().for_each(|day| day.day = TODAY - 90);
    let cold = [reader(&[], &[]), old].map(|state| rank(&state, &posts));
    assert_eq!(cold.map(|body| (body.cold_start, body.items.len())), [(true, 0), (true, 0)]);
}

#[test]
fn a_reader_who_is_gone_has_an_empty_feed() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, 0)]);
    let (gone, weights) = (GoneUsers::from_iter([READER]), Weights::v1());
    let world = World { posts: &posts, gone: &gone, words: None, trending: &[], weights: &weights };
    let body = Ranker::default().rank(&reader(&[1], &[]), &world, NOON);
    assert_eq!((body.items.len(), body.cold_start), (0, false));
}

#[test]
fn a_hundred_items_are_kept_and_a_post_from_the_future_ranks_as_new() {
    let mut posts = PostsByAuthor::default();
    for author in 1..=30 {
        write(&mut posts, author, (0..10).map(|n| (n, i64::from(n) * HOUR_MS)));
    }
    write(&mut posts, 31, [(1, -5 * HOUR_MS)]);
    let follows: Vec<_> = (1..=31).collect();
    let body = rank(&reader(&follows, &[]), &posts);
    assert_eq!((body.items.len(), ids(&body)[0]), (100, id(31, 1)));
    assert_eq!(body.items[0].rule, Rule::None);
}

#[test]
fn of_equal_contents_the_best_one_stays() {
    let mut posts = PostsByAuthor::default();
    for (author, likes) in [(1, 0), (2, 5)] {
        let author_id = user(author);
        let (created_at_ms, content_hash) = (NOON, 77);
        let line = PostLine {
            author: author_id,
            created_at_ms,
            likes,
            content_hash,
            ..PostLine::default()
        };
        posts.put(id(author, 1), line);
    }
    assert_eq!(ids(&rank(&reader(&[1, 2], &[]), &posts)), [id(2, 1)]);
}

#[test]
fn a_feed_holds_until_its_first_seen_post_comes_back() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, HOUR_MS), (2, HOUR_MS)]);
    let mut state = reader(&[1], &[]);
    state.seen = vec![(id(1, 1), NOON - DAY_MS + 5)];
    assert_eq!(rank(&state, &posts).valid_until_ms, NOON + 5);
}

#[test]
fn a_feed_holds_until_its_first_item_is_too_old() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, HOUR_MS), (2, 72 * HOUR_MS - 9)]);
    assert_eq!(rank(&reader(&[1], &[]), &posts).valid_until_ms, NOON + 10);
}

#[test]
fn a_feed_of_the_last_affinity_day_holds_until_midnight() {
    let (posts, weights) = (PostsByAuthor::default(), Weights::v1());
    let mut state = reader(&[], &[(1, 1)]);
    state.affinity[0].day = TODAY - 89;
    let last_minute = i64::from(TODAY + 1) * DAY_MS - 1;
    let world = World {
        posts: &posts,
        gone: &GoneUsers::default(),
        words: None,
        trending: &[],
        weights: &weights,
    };
    let body = Ranker::default().rank(&state, &world, last_minute);
    assert_eq!(body.valid_until_ms, last_minute + 1);
}

/// Posts of an author with so many likes each.
fn liked(
    posts: &mut PostsByAuthor,
    author: u8,
    likes: u32,
    ages: impl Iterator<Item = (u16, i64)>,
) {
    for (n, age) in ages {
        let (author_id, created_at_ms) = (user(author), NOON - age);
        let line = PostLine { author: author_id, created_at_ms, likes, ..PostLine::default() };
        posts.put(id(author, n), line);
    }
}

#[test]
fn the_follow_proposes_the_newest_five_hundred_however_good_the_next_one_is() {
    let mut posts = PostsByAuthor::default();
    for author in 1..=25 {
        write(&mut posts, author, (0..20).map(|n| (n, i64::from(n))));
    }
    liked(&mut posts, 26, 1_000, [(1, HOUR_MS)].into_iter());
    let follows: Vec<_> = (1..=26).collect();
    let full = rank(&reader(&follows, &[]), &posts);
    assert!(!ids(&full).contains(&id(26, 1)));
    posts.remove(&id(3, 7));
    assert_eq!(ids(&rank(&reader(&follows, &[]), &posts))[0], id(26, 1));
}

#[test]
fn affinity_proposes_two_hundred_and_stops_within_an_author() {
    let mut posts = PostsByAuthor::default();
    for author in 1..=10 {
        write(&mut posts, author, (0..19).map(|n| (n, HOUR_MS)));
    }
    liked(&mut posts, 11, 1_000, (0..20).map(|n| (n, i64::from(n) * HOUR_MS)));
    let affinity: Vec<_> = (1..=10).map(|author| (author, 2)).chain([(11, 1)]).collect();
    let body = rank(&reader(&[], &affinity), &posts);
    let mut of_last: Vec<_> = ids(&body).into_iter().filter(|post| post.0[0] == 11).collect();
    of_last.sort();
    assert_eq!(of_last, (0..10).map(|n| id(11, n)).collect::<Vec<_>>());
}

#[test]
fn a_full_quota_of_affinity_holds_until_its_oldest_post_is_too_old() {
    let mut posts = PostsByAuthor::default();
    for author in 1..=11 {
        write(&mut posts, author, (0..20).map(|n| (n, HOUR_MS)));
    }
    write(&mut posts, 10, [(19, 7 * DAY_MS - 4)]);
    let affinity: Vec<_> = (1..=11).map(|author| (author, 1)).collect();
    assert_eq!(rank(&reader(&[], &affinity), &posts).valid_until_ms, NOON + 5);
}

/// The feed half a second before the UTC midnight that ends today, with interactions on one day.
fn rank_before_midnight(day: i32) -> (FeedBody, i64) {
    let (posts, weights) = (PostsByAuthor::default(), Weights::v1());
    let mut state = reader(&[], &[(1, 1)]);
    state.affinity[0].day = day;
    let (midnight, gone) = (i64::from(TODAY + 1) * DAY_MS, GoneUsers::default());
    let world = World { posts: &posts, gone: &gone, words: None, trending: &[], weights: &weights };
    (Ranker::default().rank(&state, &world, midnight - 500), midnight)
}

#[test]
fn midnight_ends_a_feed_only_if_a_day_leaves_or_enters_the_window_then() {
    let grid = next_grid_time(&READER, i64::from(TODAY + 1) * DAY_MS - 500, &Weights::v1());
    let days = [TODAY - 90, TODAY - 89, TODAY - 88, TODAY, TODAY + 1, TODAY + 2];
    let ends = days.map(|day| {
        let (body, midnight) = rank_before_midnight(day);
        body.valid_until_ms == midnight
    });
    assert_eq!(ends, [false, true, false, false, true, false]);
    assert_eq!(rank_before_midnight(TODAY).0.valid_until_ms, grid);
}

#[test]
fn what_is_removed_is_told_with_its_reason() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, HOUR_MS), (2, HOUR_MS)]);
    write(&mut posts, 2, [(1, HOUR_MS)]);
    write(&mut posts, 200, [(1, HOUR_MS)]);
    let mut state = reader(&[1, 2, 200], &[]);
    state.seen = vec![(id(1, 2), NOON - 7)];
    let (gone, weights) = (GoneUsers::from_iter([user(2)]), Weights::v1());
    let world = World { posts: &posts, gone: &gone, words: None, trending: &[], weights: &weights };
    let mut ranker = Ranker::default();
    let body = ranker.rank(&state, &world, NOON);
    let expected = [
        (id(1, 2), Removed::Seen { at: NOON - 7 }),
        (id(2, 1), Removed::Gone),
        (id(200, 1), Removed::Own),
    ];
    assert_eq!((ids(&body), ranker.removed()), (vec![id(1, 1)], &expected[..]));
}

#[test]
fn what_trends_names_its_sources_and_leaves_the_rest_of_its_author_s_posts_as_they_are() {
    let mut posts = PostsByAuthor::default();
    write(&mut posts, 1, [(1, HOUR_MS), (2, 2 * HOUR_MS), (3, 80 * HOUR_MS)]);
    write(&mut posts, 2, [(1, 3 * HOUR_MS), (2, 100 * DAY_MS)]);
    write(&mut posts, 3, [(1, 4 * HOUR_MS)]);
    let trending = [id(3, 1), id(1, 2), id(2, 2), id(1, 3), id(9, 9)];
    let (gone, weights) = (GoneUsers::default(), Weights::v1());
    let world =
        World { posts: &posts, gone: &gone, words: None, trending: &trending, weights: &weights };
    let body = Ranker::default().rank(&reader(&[1, 2], &[]), &world, NOON);
    let mut found: Vec<_> = body.items.iter().map(|item| (item.post, item.sources)).collect();
    found.sort();
    let both = Sources::FOLLOW.with(Sources::TRENDING);
    let expected = [
        (id(1, 1), Sources::FOLLOW),
        (id(1, 2), both),
        (id(1, 3), Sources::TRENDING),
        (id(2, 1), Sources::FOLLOW),
        (id(2, 2), Sources::TRENDING),
        (id(3, 1), Sources::TRENDING),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_left_of_a_feed_is_in_its_order_without_what_was_seen_deleted_or_left_by_its_author() {
    let mut posts = PostsByAuthor::default();
    for author in 1..=4 {
        write(&mut posts, author, [(1, HOUR_MS)]);
    }
    let mut reader = reader(&[], &[(1, 2)]);
    reader.seen = vec![(id(2, 1), NOON - HOUR_MS)];
    let (gone, weights) = (GoneUsers::from_iter([user(3)]), Weights::v1());
    let world = World { posts: &posts, gone: &gone, words: None, trending: &[], weights: &weights };
    let asked = [id(4, 1), id(9, 1), id(3, 1), id(2, 1), id(1, 1)];
    let left = still_shown(&reader, &world, NOON, &asked);
    let found: Vec<_> = left.items.iter().map(|item| (item.post, item.affinity)).collect();
    assert_eq!(found, [(id(4, 1), 0), (id(1, 1), 2)]);
    assert_eq!(left.unlisted, [id(9, 1)]);
}
