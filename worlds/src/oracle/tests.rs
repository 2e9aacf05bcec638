//! The referee itself, on worlds small enough to work out by hand.

use super::{Expected, Oracle};
use crate::history::{
    Action, BehaviourEvent, FollowRow, Id, Image, Input, LikeOrComment, Payload, PostRow, RowChange,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Noon of a day.
const NOON: i64 = 20_000 * DAY + 12 * HOUR;

const READER: Id = [1; 16];
const AUTHOR: Id = [2; 16];
const OTHER: Id = [3; 16];

fn input(payload: Payload) -> Input {
    Input { arrived: NOON, payload }
}

fn post(lsn: u64, post: u8, user: Id, image: impl Fn(PostRow) -> Image<PostRow>) -> Input {
    let (id, content) = ([post; 16], Some(format!("post {post}")));
    let row = PostRow { id, user, content, created_at: NOON - i64::from(post) * HOUR };
    input(Payload::Post(RowChange { lsn, key: vec![id], image: image(row) }))
}

fn follow(lsn: u64, followee: Id) -> Input {
    let row = FollowRow { follower: READER, followee, created_at: NOON };
    let image = Image::Live(row);
    input(Payload::Follow(RowChange { lsn, key: vec![READER, followee], image }))
}

fn like(
    lsn: u64,
    post: u8,
    days_ago: i64,
    image: impl Fn(LikeOrComment) -> Image<LikeOrComment>,
) -> Input {
    let (id, post) = ([100 + post; 16], [post; 16]);
    let row = LikeOrComment { id, post, user: READER, created_at: NOON - days_ago * DAY };
    input(Payload::Like(RowChange { lsn, key: vec![id], image: image(row) }))
}

fn event(user: Id, id: u8, post: u8, action: Action, days_ago: i64) -> Input {
    let time = NOON - days_ago * DAY;
    input(Payload::Event(BehaviourEvent {
        event: Some([id; 16]),
        user,
        post: [post; 16],
        action,
        time,
    }))
}

fn ranked(history: &[Input]) -> Expected {
    Oracle::of(history).ranked(READER, NOON)
}

/// Each item's post and affinity.
fn affinities(history: &[Input]) -> Vec<(u8, u32)> {
    ranked(history).items.iter().map(|item| (item.post[0], item.affinity)).collect()
}

fn posts(history: &[Input]) -> Vec<u8> {
    ranked(history).items.iter().map(|item| item.post[0]).collect()
}

#[test]
fn a_reader_without_followees_and_affinity_starts_cold_with_nothing() {
    let history = [post(1, 1, AUTHOR, Image::Live)];
    assert_eq!(ranked(&history), Expected { cold_start: true, items: vec![] });
}

#[test]
fn the_score_of_a_followee_s_post_is_worked_out_term_by_term() {
    let history = [
        post(1, 24, AUTHOR, Image::Live),
        follow(2, AUTHOR),
        event(OTHER, 1, 24, Action::Share, 0),
        event(OTHER, 2, 24, Action::View, 0),
        event(OTHER, 3, 24, Action::View, 0),
    ];
    let expected = ranked(&history);
    let item = &expected.items[0];
    let score = 0.30 * 0.090_717_953_289_412 + 0.40 * 2.5_f64.ln();
    assert!((item.score - score).abs() < 1e-12, "{}", item.score);
    assert_eq!((item.shares, item.exposures, item.sources, item.rule), (1, 2, 3, 0));
}

#[test]
fn the_database_decides_about_a_like_once_it_has_a_row() {
    let base = [post(1, 1, AUTHOR, Image::Live), post(2, 2, AUTHOR, Image::Live)];
    let by_event = [&base[..], &[event(READER, 1, 1, Action::Like, 2)]].concat();
    let by_both = [&by_event[..], &[like(3, 1, 3, Image::Live)]].concat();
    let taken_back = [&by_both[..], &[like(4, 1, 3, |_| Image::DeletedByKey)]].concat();
    assert_eq!(affinities(&by_event), [(1, 1), (2, 1)]);
    assert_eq!(affinities(&by_both), [(1, 1), (2, 1)]);
    assert_eq!(affinities(&taken_back), []);
}

#[test]
fn an_interaction_counts_on_its_day_and_for_89_more() {
    let world = |days_ago| {
        vec![post(1, 1, AUTHOR, Image::Live), event(READER, 1, 1, Action::Share, days_ago)]
    };
    assert_eq!(affinities(&world(89)), [(1, 1)]);
    assert_eq!(affinities(&world(90)), []);
}

#[test]
fn a_view_hides_a_post_for_less_than_a_day_and_an_impression_does_not() {
    let world = |action, days_ago| {
        vec![
            post(1, 1, AUTHOR, Image::Live),
            follow(2, AUTHOR),
            event(READER, 1, 1, action, days_ago),
        ]
    };
    assert_eq!(posts(&world(Action::View, 0)), [0; 0]);
    assert_eq!(posts(&world(Action::View, 1)), [1]);
    assert_eq!(posts(&world(Action::Impression, 0)), [1]);
}

#[test]
fn one_event_id_counts_once_for_each_of_two_users() {
    let history = [
        post(1, 1, AUTHOR, Image::Live),
        follow(2, AUTHOR),
        event(OTHER, 9, 1, Action::Share, 0),
        event(OTHER, 9, 1, Action::Share, 0),
        event(AUTHOR, 9, 1, Action::Share, 0),
    ];
    assert_eq!(ranked(&history).items[0].shares, 2);
}

#[test]
fn a_deleted_post_is_nowhere_but_what_was_done_to_it_counts_for_its_author() {
    let history = [
        post(1, 1, AUTHOR, Image::Live),
        post(2, 2, AUTHOR, Image::Live),
        post(3, 1, AUTHOR, |_| Image::DeletedByKey),
        event(READER, 1, 1, Action::Share, 2),
    ];
    assert_eq!(affinities(&history), [(2, 1)]);
}

#[test]
fn an_undeleted_post_is_back_and_an_older_change_means_nothing() {
    let history = [
        follow(1, AUTHOR),
        post(5, 1, AUTHOR, Image::Live),
        post(6, 1, AUTHOR, Image::SoftDeleted),
        post(7, 1, AUTHOR, Image::Live),
        post(6, 1, AUTHOR, Image::Deleted),
    ];
    assert_eq!(posts(&history), [1]);
}

#[test]
fn two_authors_stand_apart_as_long_as_they_last() {
    let history = [
        follow(1, AUTHOR),
        follow(2, OTHER),
        post(3, 1, AUTHOR, Image::Live),
        post(4, 2, AUTHOR, Image::Live),
        post(5, 3, OTHER, Image::Live),
    ];
    let items = ranked(&history).items;
    let placed: Vec<_> = items.iter().map(|item| (item.post[0], item.rule)).collect();
    assert_eq!(placed, [(1, 0), (3, 1), (2, 3)]);
}

#[test]
fn what_was_done_to_a_post_nobody_knew_for_seven_days_is_dropped() {
    let late = |input: Input, days| Input { arrived: NOON + days * DAY, ..input };
    let share = event(READER, 1, 1, Action::Share, 0);
    let world = |days| vec![share.clone(), late(post(1, 1, AUTHOR, Image::Live), days)];
    let shares = |days| {
        let items = Oracle::of(&world(days)).ranked(READER, NOON + DAY).items;
        items.iter().map(|item| item.shares).collect::<Vec<_>>()
    };
    assert_eq!((shares(6), shares(7)), (vec![1], vec![]));
}
