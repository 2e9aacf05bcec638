//! Topic `cdc.users` once more: how a user is seen, for suggestions.

use schemas::{Change, ProfileRow, ToPerson, UserId};

/// What a change of a user's row means to them as a person; none if it names no row.
pub fn change(change: &Change<ProfileRow>, epoch: u32) -> Option<(UserId, ToPerson)> {
    let profile = change.image().map(|row| row.profile.clone());
    let (mark, live) = (change.mark(epoch), change.live().is_some());
    Some((change.key?, ToPerson::Row { mark, live, profile }))
}
