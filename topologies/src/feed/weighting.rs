//! By which weight set a reader is ranked, and what another would have made of it.
//!
//! The shadow set is ranked from the same state at the same time, and nobody is served it: only how much of the top both share is
//! counted. Which rankings are compared is said by reader and version, so that it is the same everywhere.

use schemas::{FeedBody, UserId};

use super::FeedSettings;
use super::counters::{SHADOW_IN_PLACE, SHADOW_RANKINGS, SHADOW_SHARED};
use super::fan_out::place_of;
use super::reader::ReaderContext;
use crate::ranking::{Policies, Ranker, ReaderState, Weights, World};

/// So many of the first are compared.
const TOP: usize = 10;

/// The set of `user`: of the version in force, or of the settings if none was put.
pub(super) fn of_user<'w>(
    policies: &'w Policies,
    settings: &'w FeedSettings,
    user: &UserId,
) -> &'w Weights {
    match policies.current().version {
        0 => &settings.weights,
        _ => policies.of(user),
    }
}

/// Ranks by the shadow set what was published as `body`, if that is to be compared, and counts what both share.
pub(super) fn compare_with_shadow(
    (ranker, state): (&mut Ranker, &ReaderState),
    (world, body, version): (&World<'_>, &FeedBody, u64),
    policies: &Policies,
    cx: &mut ReaderContext<'_>,
) {
    let Some(shadow) = policies.current().shadow else { return };
    let drawn = place_of(&state.id, i64::MAX) ^ version.cast_signed();
    if drawn.rem_euclid(i64::from(shadow.one_in.max(1))) != 0 {
        return;
    }
    let world = World { weights: policies.of_set(shadow.set), ..*world };
    let other = ranker.rank(state, &world, body.as_of_ms);
    let (shared, in_place) = compared(body, &other);
    cx.count(SHADOW_RANKINGS, 1);
    cx.count(SHADOW_SHARED, shared);
    cx.count(SHADOW_IN_PLACE, in_place);
}

/// How many of the first posts both have, and how many of them at the same place.
fn compared(body: &FeedBody, other: &FeedBody) -> (u64, u64) {
    let top = |of: &FeedBody| of.items.iter().take(TOP).map(|item| item.post).collect::<Vec<_>>();
    let (body, other) = (top(body), top(other));
    let shared = body.iter().filter(|post| other.contains(post)).count();
    let in_place = body.iter().zip(&other).filter(|(one, another)| one == another).count();
    (shared as u64, in_place as u64)
}

#[cfg(test)]
mod tests {
    use schemas::{FeedItem, PostId};

    use super::*;

    #[test]
    fn what_both_share_is_counted_and_what_stands_where_it_stood() {
        let body = |ids: &[u8]| FeedBody {
            items: ids
                .iter()
                .map(|id| FeedItem { post: PostId([*id; 16]), ..FeedItem::default() })
                .collect(),
            ..FeedBody::default()
        };
        let beyond = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        assert_eq!(compared(&body(&[1, 2, 3]), &body(&[1, 3, 4])), (2, 1));
        assert_eq!(compared(&body(&beyond), &body(&[11])), (0, 0));
    }
}
