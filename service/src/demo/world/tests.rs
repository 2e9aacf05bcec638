//! What the world promises.

use std::collections::BTreeSet;

use super::*;

const NOW: i64 = 1_790_000_000_000;

fn world() -> (World, Vec<Act>) {
    let mut world = World::new(7, 120);
    let acts = world.first(NOW);
    (world, acts)
}

fn count(acts: &[Act], of: impl Fn(&Deed) -> bool) -> usize {
    acts.iter().filter(|act| of(&act.deed)).count()
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let ((mut one, past), (mut other, again)) = (world(), world());
    assert_eq!(past, again);
    assert_eq!(one.next(NOW + 60_000), other.next(NOW + 60_000));
}

#[test]
fn acts_come_in_the_order_of_time_and_end_by_now() {
    let (mut world, mut acts) = world();
    acts.extend(world.next(NOW + 30_000));
    assert!(acts.is_sorted_by_key(|act| act.at));
    assert!(acts.last().is_some_and(|act| act.at <= NOW + 30_000));
}

#[test]
fn three_days_hold_users_posts_ties_and_everything_that_is_done_with_posts() {
    let (_, acts) = world();
    assert_eq!(count(&acts, |deed| matches!(deed, Deed::Insert(Row::User { .. }))), 120);
    let inserted = [
        count(&acts, |deed| matches!(deed, Deed::Insert(Row::Post { .. }))),
        count(&acts, |deed| matches!(deed, Deed::Insert(Row::Follow { .. }))),
        count(&acts, |deed| matches!(deed, Deed::Insert(Row::Like { .. }))),
        count(&acts, |deed| matches!(deed, Deed::Insert(Row::Comment { .. }))),
    ];
    let least = [300, 500, 500, 50];
    assert!(inserted.iter().zip(least).all(|(found, least)| *found >= least), "{inserted:?}");
    let rare = [
        count(&acts, |deed| matches!(deed, Deed::Delete(Row::Like { .. }))),
        count(&acts, |deed| matches!(deed, Deed::Delete(Row::Post { .. }))),
        count(&acts, |deed| matches!(deed, Deed::Update(..))),
    ];
    assert!(rare.iter().all(|found| *found > 0), "{rare:?}");
    assert!(acts.len() < 30_000, "{}", acts.len());
}

#[test]
fn nobody_likes_a_post_before_it_is_there_or_twice() {
    let (_, acts) = world();
    let (mut posts, mut liked) = (BTreeSet::new(), BTreeSet::new());
    for act in &acts {
        match &act.deed {
            Deed::Insert(Row::Post { id, .. }) => assert!(posts.insert(*id)),
            Deed::Insert(Row::Like { post, user, .. }) => {
                assert!(posts.contains(post) && liked.insert((*user, *post)));
            }
            Deed::Delete(Row::Like { post, user, .. }) => assert!(liked.remove(&(*user, *post))),
            Deed::Insert(_) | Deed::Update(..) | Deed::Delete(_) | Deed::Event(_) => {}
        }
    }
}

#[test]
fn the_reader_follows_and_likes_and_is_known_by_name() {
    let (world, acts) = world();
    let reader = world.reader().unwrap();
    assert_eq!(world.username(reader), Some("mira.frost"));
    let follows = |deed: &Deed| matches!(deed, Deed::Insert(Row::Follow { follower, .. }) if *follower == reader);
    let likes =
        |deed: &Deed| matches!(deed, Deed::Insert(Row::Like { user, .. }) if *user == reader);
    let found = [count(&acts, follows), count(&acts, likes)];
    assert!(found.iter().all(|found| *found >= 3), "{found:?}");
}

#[test]
fn a_minute_of_the_present_has_posts_and_likes() {
    let (mut world, _) = world();
    let acts = world.next(NOW + 60_000);
    let found = [
        count(&acts, |deed| matches!(deed, Deed::Insert(Row::Post { .. }))),
        count(&acts, |deed| matches!(deed, Deed::Insert(Row::Like { .. }))),
    ];
    assert!(found.iter().all(|found| *found >= 2), "{found:?}");
}
