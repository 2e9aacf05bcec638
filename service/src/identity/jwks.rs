//! A set of keys as issuers publish it: JWKS (RFC 7517).
//!
//! A key that is for something else, of another kind or not to be read is passed over, and the others are taken; only a set
//! without any that serves is a fault.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Key;
use crate::config::Algorithm;

/// The longest set, and the most keys in it.
pub(super) const BYTES_MAX: usize = 64 << 10;
const KEYS_MAX: usize = 32;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The keys of a set that serve an algorithm.
pub(super) fn read(bytes: &[u8], algorithm: Algorithm) -> Result<Vec<Key>, String> {
    let set: Set = serde_json::from_slice(bytes).map_err(|e| format!("is no JWKS: {e}"))?;
    if set.keys.len() > KEYS_MAX {
        return Err(format!("has more than {KEYS_MAX} keys, found {}", set.keys.len()));
    }
    let keys: Vec<_> = set.keys.into_iter().filter_map(|key| serving(key, algorithm)).collect();
    if keys.is_empty() {
        return Err(format!("has no key for {}", algorithm.name()));
    }
    Ok(keys)
}

fn serving(key: Value, algorithm: Algorithm) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let common = &jwk.common;
    let is_to_sign = common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
    let names = common.key_algorithm.map(|of| of.to_string());
    let is_named = names.is_none_or(|name| name.eq_ignore_ascii_case(algorithm.name()));
    let is_kind = match (&jwk.algorithm, algorithm) {
        // Base64 of 2048 bits is 342 characters: what is shorter can be factored.
        (AlgorithmParameters::RSA(of), Algorithm::Rs256) => of.n.len() >= 342,
        (AlgorithmParameters::EllipticCurve(of), Algorithm::Es256) => {
            of.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(of), Algorithm::EdDsa) => {
            of.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    if !is_to_sign || !is_named || !is_kind {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id, key })
}
