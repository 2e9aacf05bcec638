//! A row of `likes` or `comments`: something that one user did to one post.
//!
//! The row's last image is kept by primary key, since a delete may carry made-up values. A change is
//! told to posts as minus the old image and plus the new one. A row that was never live here is told as
//! "spoken": from then on the database decides about its user, post and kind.

use schemas::{Delta, PostId, RowKind, ToPost, ToUser, UserId};

use super::row::{Life, newer};
use super::{Effect, Routed};

/// The columns that matter, as of the last trusted image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActImage {
    /// The post it is on.
    pub post: PostId,
    /// Whose it is.
    pub user: UserId,
    /// When the row was created, ms UTC.
    pub at_ms: i64,
}

/// What is kept of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Act {
    /// Its newest change.
    pub life: Life,
    /// Its last image; none while only deletes without one came.
    pub image: Option<ActImage>,
}

impl Act {
    /// Takes a change of the row: what it is `next`, with the best image the change carries.
    pub fn change(
        held: &mut Option<Self>,
        next: Life,
        image: Option<ActImage>,
        kind: RowKind,
        out: &mut Vec<Routed>,
    ) -> Effect {
        if !newer(next, held.map(|held| held.life)) {
            return Effect::Stale;
        }
        let before = held.and_then(|held| held.image);
        let was_live = held.is_some_and(|held| held.life.live);
        let after = image.or(before);
        *held = Some(Self { life: next, image: after });
        if let Some(old) = before.filter(|_| was_live) {
            out.push(told(old, kind, Some(Delta::Minus)));
        }
        let Some(new) = after else { return Effect::Unknown };
        if next.live {
            out.push(told(new, kind, Some(Delta::Plus)));
            out.push(Routed::ToUser(new.user, ToUser::Seen { post: new.post, at_ms: new.at_ms }));
            out.push(Routed::ToUser(new.user, ToUser::Active { at_ms: new.at_ms }));
        } else if before != Some(new) {
            out.push(told(new, kind, None));
        }
        Effect::Applied
    }
}

fn told(image: ActImage, kind: RowKind, delta: Option<Delta>) -> Routed {
    let ActImage { post, user, at_ms } = image;
    Routed::ToPost(post, ToPost::Row { user, kind, at_ms, delta })
}

#[cfg(test)]
mod tests {
    use schemas::Mark;

    use super::*;

    const LIKE: RowKind = RowKind::Like;

    fn image(post: u8) -> ActImage {
        ActImage { post: PostId([post; 16]), user: UserId([9; 16]), at_ms: 1_000 }
    }

    fn life(lsn: u64, live: bool) -> Life {
        Life { mark: Mark { epoch: 0, lsn }, live }
    }

    /// What is told to posts: each post with its delta.
    fn deltas(out: &[Routed]) -> Vec<(u8, Option<Delta>)> {
        let to_post = |told: &Routed| match told {
            Routed::ToPost(post, ToPost::Row { delta, .. }) => Some((post.0[0], *delta)),
            _ => None,
        };
        out.iter().filter_map(to_post).collect()
    }

    #[test]
    fn a_new_row_counts_and_tells_its_user() {
        let (mut held, mut out) = (None, Vec::new());
        let effect = Act::change(&mut held, life(1, true), Some(image(7)), LIKE, &mut out);
        let user = UserId([9; 16]);
        let told = vec![
            told(image(7), LIKE, Some(Delta::Plus)),
            Routed::ToUser(user, ToUser::Seen { post: PostId([7; 16]), at_ms: 1_000 }),
            Routed::ToUser(user, ToUser::Active { at_ms: 1_000 }),
        ];
        assert_eq!((effect, out), (Effect::Applied, told));
    }

    #[test]
    fn a_delete_without_columns_takes_back_the_image_that_was_kept() {
        let (mut held, mut out) = (None, Vec::new());
        Act::change(&mut held, life(1, true), Some(image(7)), LIKE, &mut out);
        out.clear();
        Act::change(&mut held, life(2, false), None, LIKE, &mut out);
        assert_eq!(deltas(&out), [(7, Some(Delta::Minus))]);
    }

    #[test]
    fn a_replayed_row_says_nothing() {
        let (mut held, mut out) = (None, Vec::new());
        Act::change(&mut held, life(5, true), Some(image(7)), LIKE, &mut out);
        out.clear();
        let effect = Act::change(&mut held, life(5, true), Some(image(7)), LIKE, &mut out);
        assert_eq!((effect, out), (Effect::Stale, vec![]));
    }

    #[test]
    fn a_row_that_moves_to_another_post_is_a_minus_and_a_plus() {
        let (mut held, mut out) = (None, Vec::new());
        Act::change(&mut held, life(1, true), Some(image(7)), LIKE, &mut out);
        out.clear();
        Act::change(&mut held, life(2, true), Some(image(8)), LIKE, &mut out);
        assert_eq!(deltas(&out), [(7, Some(Delta::Minus)), (8, Some(Delta::Plus))]);
    }

    #[test]
    fn a_row_first_met_deleted_has_spoken() {
        let (mut held, mut out) = (None, Vec::new());
        Act::change(&mut held, life(1, false), Some(image(7)), LIKE, &mut out);
        assert_eq!(deltas(&out), [(7, None)]);
    }

    #[test]
    fn a_delete_of_an_unknown_row_without_columns_has_no_effect() {
        let (mut held, mut out) = (None, Vec::new());
        let effect = Act::change(&mut held, life(1, false), None, LIKE, &mut out);
        assert_eq!((effect, out), (Effect::Unknown, vec![]));
    }
}
