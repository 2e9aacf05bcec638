//! What a token says, read strictly: times are whole seconds, nothing comes twice, and what is needed is there.

use jsonwebtoken::get_current_timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{Caller, Roles};

/// The claims that are looked at. The signature, `exp`, `nbf`, `iss` and `aud` are checked by the library too; here it is their
/// form, which it takes more than one of.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    /// One text: an issuer that were a list would be several.
    iss: String,
    #[serde(default)]
    roles: Vec<String>,
}

impl Claims {
    /// Who calls by it, if it holds.
    pub(super) fn caller(&self, issuer: &str, leeway_s: u64) -> Option<Caller> {
        let now = get_current_timestamp();
        // One that was issued later than it is used was not issued by a clock like ours.
        let is_in_order = self.iat <= now.saturating_add(leeway_s) && self.nbf <= self.exp;
        // A user has one name: other spellings of a UUID would be counted as others.
        let user = Uuid::try_parse(&self.sub).ok()?;
        let is_plain = self.sub.len() == 36;
        let roles = Roles::named(self.roles.iter().map(String::as_str));
        (is_in_order && is_plain && self.iss == issuer).then_some(Caller { user, roles })
    }
}
