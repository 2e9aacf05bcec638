//! One issuer: its keys, where they come from, and what its tokens must say.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{DecodingKey, Header, Validation, decode};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::Caller;
use super::claims::Claims;
use super::fetch::Fetch;
use super::jwks;
use super::keys::{Key, KeySet};
use crate::config::{Algorithm, IssuerSettings, KeyPlace};
use crate::followed_files;

/// Between two fetches at least, also for a key that nobody knows: who makes names up must not make us ask.
const FETCH_PAUSE: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Issuer {
    name: String,
    algorithm: Algorithm,
    leeway_s: u64,
    validation: Validation,
    keys: RwLock<Arc<KeySet>>,
    place: Place,
}

enum Place {
    File(PathBuf),
    /// With the time of the last fetch.
    Url(Fetch, Mutex<Option<Instant>>),
}

impl Issuer {
    pub(super) fn new(of: &IssuerSettings, leeway_s: u64) -> Result<Self, String> {
        let mut validation = Validation::new(of.algorithm.in_tokens());
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[&of.issuer]);
        validation.set_audience(&[&of.audience]);
        validation.validate_nbf = true;
        validation.leeway = leeway_s;
        let (place, keys) = match &of.keys {
            KeyPlace::File(path) => (Place::File(path.clone()), in_file(path, of.algorithm)?),
            KeyPlace::Url(url) => {
                (Place::Url(Fetch::new(url)?, Mutex::default()), KeySet::default())
            }
        };
        Ok(Self {
            name: of.issuer.clone(),
            algorithm: of.algorithm,
            leeway_s,
            validation,
            keys: RwLock::new(Arc::new(keys)),
            place,
        })
    }

    /// Who calls, if this issuer has signed the token and it holds.
    pub(super) fn caller(&self, token: &str, header: &Header) -> Option<Caller> {
        if header.alg != self.algorithm.in_tokens() {
            return None;
        }
        let keys = self.keys();
        let candidates = keys.candidates(header.kid.as_deref(), Instant::now());
        let checked = candidates
            .into_iter()
            .find_map(|Key { key, .. }| decode::<Claims>(token, key, &self.validation).ok());
        checked?.claims.caller(&self.name, self.leeway_s)
    }

    pub(super) fn knows(&self, kid: &str) -> bool {
        self.keys().knows(kid, Instant::now())
    }

    /// Fetches the keys if that was not done lately and is not being done; tells whether there are others.
    pub(super) async fn look_for_news(&self) -> bool {
        let Place::Url(fetch, last) = &self.place else { return false };
        // Who comes while somebody asks is not to wait: a flood of made-up names would.
        let Ok(mut last) = last.try_lock() else { return false };
        if last.is_some_and(|at| at.elapsed() < FETCH_PAUSE) {
            return false;
        }
        let fetched = fetch.keys(self.algorithm).await;
        *last = Some(Instant::now());
        match fetched {
            Ok(keys) => {
                self.put(keys);
                true
            }
            Err(words) => {
                tracing::warn!(issuer = %self.name, %words, "its keys stay as they were");
                false
            }
        }
    }

    /// Keeps the keys as they are where they come from, for ever.
    pub(super) async fn follow(&self) {
        match &self.place {
            Place::File(path) => {
                let take = || in_file(path, self.algorithm).map(|keys| self.put(keys));
                followed_files::follow(vec![path.clone()], take).await;
            }
            Place::Url(fetch, _) => loop {
                self.look_for_news().await;
                sleep(fetch.life().max(FETCH_PAUSE)).await;
            },
        }
    }

    fn put(&self, keys: KeySet) {
        let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(held.followed_by(keys, Instant::now()));
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The keys of a file: one or several in PEM, or a JWKS. While one follows upon another both stand in it.
fn in_file(path: &PathBuf, algorithm: Algorithm) -> Result<KeySet, String> {
    let of = |words: String| format!("{}: {words}", path.display());
    let bytes = fs::read(path).map_err(|e| of(e.to_string()))?;
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(KeySet::new(jwks::read(&bytes, algorithm).map_err(of)?, None));
    }
    let text = String::from_utf8(bytes).map_err(|_| of("is no text".to_owned()))?;
    let blocks = text.split_inclusive("-----END PUBLIC KEY-----");
    let blocks = blocks.filter(|block| block.contains("-----BEGIN"));
    let keys = blocks.map(|block| {
        let pem = block.trim().as_bytes();
        let key = match algorithm {
            Algorithm::EdDsa => DecodingKey::from_ed_pem(pem),
            Algorithm::Es256 => DecodingKey::from_ec_pem(pem),
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(pem),
        };
        key.map(|key| Key { id: None, key }).map_err(|e| of(e.to_string()))
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    match keys.is_empty() {
        true => Err(of("there is no public key in it".to_owned())),
        false => Ok(KeySet::new(keys, None)),
    }
}
