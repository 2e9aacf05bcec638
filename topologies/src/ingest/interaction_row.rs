//! A row of `likes` or `comments`: something that one user did to one post.
//!
//! The row's last image is kept by primary key, since a delete may carry made-up values. A change is
//! sent to posts as minus the old image and plus the new one. A row that was never live here is sent
//! without either: from then on the database decides about its user, post and kind.

use schemas::{Delta, PostId, RowKind, ToPost, ToUser, UserId};
use serde::Serialize;

use super::row::{RowVersion, is_newer};
use super::{Effect, Routed};

/// The columns that matter, as of the last trusted image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InteractionImage {
    /// The post it is on.
    pub post: PostId,
    /// Whose it is.
    pub user: UserId,
    /// When the row was created, ms UTC.
    pub at_ms: i64,
}

/// What is kept of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InteractionRow {
    /// Its newest change.
    pub version: RowVersion,
    /// Its last image; none while only deletes without one came.
    pub image: Option<InteractionImage>,
}

impl InteractionRow {
    /// Takes a change of the row: what it is `next`, with the best image the change carries.
    pub fn change(
        stored: &mut Option<Self>,
        next: RowVersion,
        image: Option<InteractionImage>,
        kind: RowKind,
        out: &mut Vec<Routed>,
    ) -> Effect {
        if !is_newer(next, stored.map(|stored| stored.version)) {
            return Effect::Stale;
        }
        let before = stored.and_then(|stored| stored.image);
        let was_live = stored.is_some_and(|stored| stored.version.live);
        let after = image.or(before);
        *stored = Some(Self { version: next, image: after });
        if let Some(old) = before.filter(|_| was_live) {
            out.push(to_post(old, kind, Some(Delta::Minus)));
        }
        let Some(new) = after else { return Effect::Unknown };
        if next.live {
            out.push(to_post(new, kind, Some(Delta::Plus)));
            out.push(Routed::ToUser(new.user, ToUser::Seen { post: new.post, at_ms: new.at_ms }));
            out.push(Routed::ToUser(new.user, ToUser::Active { at_ms: new.at_ms }));
        } else if before != Some(new) {
            out.push(to_post(new, kind, None));
        }
        Effect::Applied
    }
}

fn to_post(image: InteractionImage, kind: RowKind, delta: Option<Delta>) -> Routed {
    let InteractionImage { post, user, at_ms } = image;
    Routed::ToPost(post, ToPost::Row { user, kind, at_ms, delta })
}

#[cfg(test)]
mod tests {
    use schemas::Mark;

    use super::*;

    const LIKE: RowKind = RowKind::Like;

    fn image(post: u8) -> InteractionImage {
        InteractionImage { post: PostId([post; 16]), user: UserId([9; 16]), at_ms: 1_000 }
    }

    fn version(lsn: u64, live: bool) -> RowVersion {
        RowVersion { mark: Mark { epoch: 0, lsn }, live }
    }

    /// What is sent to posts: each post with its delta.
    fn deltas(out: &[Routed]) -> Vec<(u8, Option<Delta>)> {
        let delta_of = |routed: &Routed| match routed {
            Routed::ToPost(post, ToPost::Row { delta, .. }) => Some((post.0[0], *delta)),
            _ => None,
        };
        out.iter().filter_map(delta_of).collect()
    }

    #[test]
    fn a_new_row_counts_and_marks_its_user_active() {
        let (mut stored, mut out) = (None, Vec::new());
        let effect =
            InteractionRow::change(&mut stored, version(1, true), Some(image(7)), LIKE, &mut out);
        let user = UserId([9; 16]);
        let expected = vec![
            to_post(image(7), LIKE, Some(Delta::Plus)),
            Routed::ToUser(user, ToUser::Seen { post: PostId([7; 16]), at_ms: 1_000 }),
            Routed::ToUser(user, ToUser::Active { at_ms: 1_000 }),
        ];
        assert_eq!((effect, out), (Effect::Applied, expected));
    }

    #[test]
    fn a_delete_without_columns_takes_back_the_image_that_was_kept() {
        let (mut stored, mut out) = (None, Vec::new());
        InteractionRow::change(&mut stored, version(1, true), Some(image(7)), LIKE, &mut out);
        out.clear();
        InteractionRow::change(&mut stored, version(2, false), None, LIKE, &mut out);
        assert_eq!(deltas(&out), [(7, Some(Delta::Minus))]);
    }

    #[test]
    fn a_replayed_row_emits_nothing() {
        let (mut stored, mut out) = (None, Vec::new());
        InteractionRow::change(&mut stored, version(5, true), Some(image(7)), LIKE, &mut out);
        out.clear();
        let effect =
            InteractionRow::change(&mut stored, version(5, true), Some(image(7)), LIKE, &mut out);
        assert_eq!((effect, out), (Effect::Stale, vec![]));
    }

    #[test]
    fn a_row_that_moves_to_another_post_is_a_minus_and_a_plus() {
        let (mut stored, mut out) = (None, Vec::new());
        InteractionRow::change(&mut stored, version(1, true), Some(image(7)), LIKE, &mut out);
        out.clear();
        InteractionRow::change(&mut stored, version(2, true), Some(image(8)), LIKE, &mut out);
        assert_eq!(deltas(&out), [(7, Some(Delta::Minus)), (8, Some(Delta::Plus))]);
    }

    #[test]
    fn a_row_first_seen_deleted_makes_the_database_decide() {
        let (mut stored, mut out) = (None, Vec::new());
        InteractionRow::change(&mut stored, version(1, false), Some(image(7)), LIKE, &mut out);
        assert_eq!(deltas(&out), [(7, None)]);
    }

    #[test]
    fn a_delete_of_an_unknown_row_without_columns_has_no_effect() {
        let (mut stored, mut out) = (None, Vec::new());
        let effect = InteractionRow::change(&mut stored, version(1, false), None, LIKE, &mut out);
        assert_eq!((effect, out), (Effect::Unknown, vec![]));
    }
}
