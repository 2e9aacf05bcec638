//! Keys and tokens for trying things: an Ed25519 pair in two PEM files, and tokens signed with it.
//!
//! A pair is made once, when first needed; the private file is its owner's alone and never overwritten.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::config::{Algorithm, Auth};

/// A key pair, as PEM.
pub struct KeyPair {
    private: String,
    public: String,
}

impl KeyPair {
    /// A new pair.
    pub fn generate() -> Result<Self, String> {
        let weak = |_| "no key could be generated".to_owned();
        let pair = Ed25519KeyPair::generate().map_err(weak)?;
        let private = pair.to_pkcs8v1().map_err(weak)?;
        let public = pair.public_key().as_der().map_err(weak)?;
        Ok(Self {
            private: pem("PRIVATE KEY", private.as_ref()),
            public: pem("PUBLIC KEY", public.as_ref()),
        })
    }

    /// The private key.
    pub fn private_pem(&self) -> &str {
        &self.private
    }

    /// The public key.
    pub fn public_pem(&self) -> &str {
        &self.public
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: String = text
        .as_bytes()
        .chunks(64)
        .flat_map(|line| line.iter().copied().map(char::from).chain(['\n']))
        .collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

/// Whether [`ensure_keys`] would make the pair of files: there is neither, and keys are looked for in files. Keys for RS256 are
/// never made here.
pub fn makes_keys(auth: &Auth) -> bool {
    let is_there = auth.signing_key_file.exists() || auth.key_file.exists();
    !is_there && auth.algorithm == Algorithm::EdDsa && auth.jwks_url.is_none()
}

/// Makes the pair of files if there is neither; else leaves them as they are.
pub fn ensure_keys(auth: &Auth) -> Result<(), String> {
    if !makes_keys(auth) {
        return Ok(());
    }
    let pair = KeyPair::generate()?;
    if create(&auth.signing_key_file, pair.private_pem(), 0o600)? {
        create(&auth.key_file, pair.public_pem(), 0o644)?;
        let (key, signs) = (auth.key_file.display(), auth.signing_key_file.display());
        tracing::warn!(%key, %signs, "there was no key by which tokens are verified: a pair was made, to try things");
    }
    Ok(())
}

/// Answers whether it did: another process may have been a little earlier.
fn create(path: &Path, text: &str, mode: u32) -> Result<bool, String> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())
    };
    match write() {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: String,
    iss: &'a str,
    aud: &'a str,
    nbf: u64,
    iat: u64,
    exp: u64,
    roles: &'a [String],
}

/// The private key, and the algorithm that it signs by.
pub fn signing_key(auth: &Auth) -> Result<(jsonwebtoken::Algorithm, EncodingKey), String> {
    let path = &auth.signing_key_file;
    let pem = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (algorithm, key) = match auth.algorithm {
        Algorithm::EdDsa => (jsonwebtoken::Algorithm::EdDSA, EncodingKey::from_ed_pem(&pem)),
        Algorithm::Es256 => (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_pem(&pem)),
        Algorithm::Rs256 => (jsonwebtoken::Algorithm::RS256, EncodingKey::from_rsa_pem(&pem)),
    };
    let key = key.map_err(|e| format!("{}: {e}", path.display()))?;
    Ok((algorithm, key))
}

/// Signs a token for `user` that holds for `seconds`.
pub fn sign(auth: &Auth, user: Uuid, roles: &[String], seconds: u64) -> Result<String, String> {
    let (algorithm, key) = signing_key(auth)?;
    let now = get_current_timestamp();
    let claims = Claims {
        sub: user.hyphenated().to_string(),
        iss: &auth.issuer,
        aud: &auth.audience,
        nbf: now,
        iat: now,
        exp: now.saturating_add(seconds),
        roles,
    };
    encode(&Header::new(algorithm), &claims, &key).map_err(|e| format!("token: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Caller, Roles, Verifier};

    #[tokio::test]
    async fn a_token_of_the_local_key_is_accepted_and_the_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let auth = Auth {
            algorithm: Algorithm::EdDsa,
            key_file: folder.path().join("keys/token.pub.pem"),
            signing_key_file: folder.path().join("keys/token.pem"),
            issuer: "us".to_owned(),
            audience: "feed".to_owned(),
            jwks_url: None,
            others: Vec::new(),
            leeway_s: 0,
        };
        ensure_keys(&auth).unwrap();
        let public = fs::read(&auth.key_file).unwrap();
        ensure_keys(&auth).unwrap();
        assert_eq!(fs::read(&auth.key_file).unwrap(), public);
        let elsewhere = Auth {
            jwks_url: Some("https://login.example.com/jwks.json".to_owned()),
            signing_key_file: folder.path().join("none"),
            key_file: folder.path().join("none"),
            ..auth.clone()
        };
        assert!(!makes_keys(&elsewhere), "keys are published");
        let user = Uuid::from_bytes([7; 16]);
        let token = sign(&auth, user, &["ingest".to_owned()], 60).unwrap();
        let verifier = Verifier::new(&auth).unwrap();
        let caller = verifier.caller(Some(&format!("Bearer {token}"))).await;
        let roles = Roles::named(["ingest"].into_iter());
        assert_eq!(caller, Ok(Caller { user, roles }));
    }
}
