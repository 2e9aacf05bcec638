//! Whom the page of the demonstration shows: a few readers with their tokens, and the names that rows bring.

use uuid::Uuid;

use super::world::World;
use crate::config::Auth;
use crate::http::cast::{Cast, Reader};
use crate::pour::{Act, Deed, Row};
use crate::token;

/// Among so many a person may choose.
const READERS: usize = 8;
/// Longer than a demonstration runs; the key goes with it.
const TOKEN_SECONDS: u64 = 90 * 86_400;

/// Those whose feeds may be looked at.
pub fn readers(world: &World, auth: &Auth) -> Result<Vec<Reader>, String> {
    let reader = |id: schemas::UserId| {
        let user_id = Uuid::from_bytes(id.0);
        Ok(Reader {
            user_id,
            username: world.username(id).unwrap_or("somebody").to_owned(),
            favourite: world.favourite(id).unwrap_or("life"),
            token: token::sign(auth, user_id, &[], TOKEN_SECONDS)?,
        })
    };
    world.people(READERS).map(reader).collect()
}

/// Tells the names in what happened.
pub fn names(cast: &Cast, acts: &[Act]) {
    for act in acts {
        let (Deed::Insert(row) | Deed::Update(_, row)) = &act.deed else { continue };
        match row {
            Row::User { id, username, .. } => cast.name(id.0, username),
            Row::Post { id, content, .. } => cast.name(id.0, content),
            Row::Follow { .. } | Row::Comment { .. } | Row::Like { .. } => {}
        }
    }
}
