//! Who calls: a signed token, checked by the keys of its issuer and the one algorithm that the configuration fixed for it.
//!
//! Every fault answers the same 401, so that nobody learns which check failed. A token names its subject, which is a user, and its
//! roles; where its key lies, and by which algorithm it is checked, is never its to say. Where there are several issuers, each that may
//! have signed it is tried whole: nothing of a token is believed before its signature is.

mod claims;
mod fetch;
mod issuer;
mod jwks;
mod keys;
mod role;
#[cfg(test)]
pub mod tests;

use std::sync::Arc;

use jsonwebtoken::{Header, decode_header};
use uuid::Uuid;

use crate::config::Auth;
use issuer::Issuer;
pub use role::{Role, Roles};

/// Longer tokens are not looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: Uuid,
    /// What they may do beside reading what is theirs.
    pub roles: Roles,
}

/// The caller could not be told. Deliberately without a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated;

/// Checks tokens. Cheap to clone; all clones know the same keys.
#[derive(Clone)]
pub struct Verifier {
    issuers: Arc<[Issuer]>,
}

impl Verifier {
    /// One by the keys of every issuer: those in files are read, else what is wrong with them is said; those of URLs are fetched
    /// by [`Self::follow`].
    pub fn new(auth: &Auth) -> Result<Self, String> {
        let issuers = auth.issuers().into_iter().map(|of| Issuer::new(&of, auth.leeway_s));
        Ok(Self { issuers: issuers.collect::<Result<_, _>>()? })
    }

    /// Keeps the keys as their issuers have them, for ever.
    pub async fn follow(self) {
        let following = self.issuers.iter().map(Issuer::follow);
        futures_util::future::join_all(following).await;
    }

    /// The caller that an `Authorization` header names. A key that is not known is fetched if it may be: then this takes so long.
    pub async fn caller(&self, authorization: Option<&str>) -> Result<Caller, Unauthenticated> {
        let (scheme, token) =
            authorization.and_then(|value| value.split_once(' ')).ok_or(Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.len() > TOKEN_BYTES_MAX {
            return Err(Unauthenticated);
        }
        let header = decode_header(token).map_err(|_| Unauthenticated)?;
        if !is_plain(&header) {
            return Err(Unauthenticated);
        }
        if let Some(caller) = self.signed(token, &header) {
            return Ok(caller);
        }
        let Some(kid) = header.kid.as_deref() else { return Err(Unauthenticated) };
        let mut is_news = false;
        for issuer in self.issuers.iter().filter(|issuer| !issuer.knows(kid)) {
            is_news |= issuer.look_for_news().await;
        }
        let again = is_news.then(|| self.signed(token, &header)).flatten();
        again.ok_or(Unauthenticated)
    }

    fn signed(&self, token: &str, header: &Header) -> Option<Caller> {
        self.issuers.iter().find_map(|issuer| issuer.caller(token, header))
    }
}

/// Whether a token is of the one kind that is taken: what it calls critical must be understood, and nothing of that is.
fn is_plain(header: &Header) -> bool {
    let is_token =
        |typ: &String| typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt");
    header.crit.is_none()
        && header.zip.is_none()
        && header.enc.is_none()
        && header.cty.is_none()
        && header.typ.as_ref().is_none_or(is_token)
}
