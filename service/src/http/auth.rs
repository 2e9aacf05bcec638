//! Who calls: a signed token, checked by one key and one algorithm that the configuration fixed.
//!
//! Every fault answers the same 401, so that nobody learns which check failed. A token names its subject, which
//! is a user, and its roles; it never names its algorithm's truth, its key's place or anybody else's feed.

use std::sync::Arc;

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use uuid::Uuid;

use crate::config::{Algorithm, Auth};

/// Longer tokens are not looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: Uuid,
    /// May write events for others.
    pub ingest: bool,
}

/// The caller could not be told. Deliberately without a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    roles: Vec<String>,
}

/// Checks tokens.
#[derive(Clone)]
pub struct Verifier {
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
}

impl Verifier {
    /// A verifier by the public key in `pem`; else what is wrong with it.
    pub fn new(auth: &Auth, pem: &[u8]) -> Result<Self, String> {
        let (algorithm, key) = match auth.algorithm {
            Algorithm::EdDsa => (jsonwebtoken::Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)),
            Algorithm::Rs256 => (jsonwebtoken::Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
        };
        let key = key.map_err(|e| format!("{}: {e}", auth.key_file.display()))?;
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[&auth.issuer]);
        validation.set_audience(&[&auth.audience]);
        validation.validate_nbf = true;
        validation.leeway = auth.leeway_s;
        Ok(Self { key: Arc::new(key), validation: Arc::new(validation) })
    }

    /// The caller that an `Authorization` header names.
    pub fn caller(&self, authorization: Option<&str>) -> Result<Caller, Unauthenticated> {
        let (scheme, token) =
            authorization.and_then(|value| value.split_once(' ')).ok_or(Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.len() > TOKEN_BYTES_MAX {
            return Err(Unauthenticated);
        }
        let header = decode_header(token).map_err(|_| Unauthenticated)?;
        // What a token calls critical must be understood, and nothing of that is.
        if header.crit.is_some() || header.zip.is_some() || header.enc.is_some() {
            return Err(Unauthenticated);
        }
        let claims = decode::<Claims>(token, &self.key, &self.validation);
        let claims = claims.map_err(|_| Unauthenticated)?.claims;
        let user = Uuid::try_parse(&claims.sub).map_err(|_| Unauthenticated)?;
        Ok(Caller { user, ingest: claims.roles.iter().any(|role| role == "ingest") })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;
    use crate::token::KeyPair;

    const SUB: &str = "00000000-0000-4000-8000-000000000001";

    fn auth() -> Auth {
        Auth {
            algorithm: Algorithm::EdDsa,
            key_file: "key".into(),
            signing_key_file: "key".into(),
            issuer: "us".to_owned(),
            audience: "feed".to_owned(),
            leeway_s: 30,
        }
    }

    fn good() -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({"sub": SUB, "iss": "us", "aud": "feed", "exp": now + 60, "nbf": now, "roles": ["ingest"]})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    struct World {
        pair: KeyPair,
        verifier: Verifier,
    }

    impl World {
        fn new() -> Self {
            let pair = KeyPair::generate().unwrap();
            let verifier = Verifier::new(&auth(), pair.public_pem().as_bytes()).unwrap();
            Self { pair, verifier }
        }

        fn sign(&self, claims: &Value) -> String {
            let key = EncodingKey::from_ed_pem(self.pair.private_pem().as_bytes()).unwrap();
            encode(&Header::new(jsonwebtoken::Algorithm::EdDSA), claims, &key).unwrap()
        }

        fn caller(&self, token: &str) -> Result<Caller, Unauthenticated> {
            self.verifier.caller(Some(&format!("Bearer {token}")))
        }
    }

    #[test]
    fn a_good_token_names_the_caller_and_the_role() {
        let world = World::new();
        let caller = Caller { user: SUB.parse().unwrap(), ingest: true };
        assert_eq!(world.caller(&world.sign(&good())), Ok(caller.clone()));
        let plain = world.caller(&world.sign(&without("roles")));
        assert_eq!(plain, Ok(Caller { ingest: false, ..caller }));
    }

    #[test]
    fn every_claim_is_required_and_checked() {
        let world = World::new();
        let now = jsonwebtoken::get_current_timestamp();
        let claims = [
            without("exp"),
            without("nbf"),
            without("iss"),
            without("aud"),
            without("sub"),
            with("exp", json!(now - 31)),
            with("exp", json!("soon")),
            with("exp", json!(-1)),
            with("exp", Value::Null),
            with("nbf", json!(now + 40)),
            with("nbf", json!("soon")),
            with("iss", json!("us/")),
            with("aud", json!("Feed")),
            with("aud", json!([])),
            with("sub", json!("me")),
            with("sub", json!(7)),
            with("roles", json!("ingest")),
        ];
        for claims in claims {
            assert_eq!(world.caller(&world.sign(&claims)), Err(Unauthenticated), "{claims}");
        }
    }

    #[test]
    fn clocks_may_differ_by_the_leeway() {
        let world = World::new();
        let now = jsonwebtoken::get_current_timestamp();
        assert!(world.caller(&world.sign(&with("exp", json!(now - 20)))).is_ok());
        assert!(world.caller(&world.sign(&with("nbf", json!(now + 20)))).is_ok());
    }

    #[test]
    fn another_key_another_algorithm_or_a_changed_token_is_nobody() {
        let world = World::new();
        let token = world.sign(&good());
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let secret = EncodingKey::from_secret(world.pair.public_pem().as_bytes());
        let confused = encode(&Header::default(), &good(), &secret).unwrap();
        let none = "eyJhbGciOiJub25lIn0";
        let tokens = [
            World::new().sign(&good()),
            confused,
            format!("{none}.{payload}."),
            format!("{none}.{payload}.{signature}"),
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{payload}x.{signature}"),
            format!("{token}."),
            format!("{token} x"),
            String::new(),
            "x".repeat(9000),
        ];
        for token in tokens {
            assert_eq!(world.caller(&token), Err(Unauthenticated), "{token}");
        }
        assert_eq!(world.verifier.caller(None), Err(Unauthenticated));
        assert_eq!(world.verifier.caller(Some(&format!("Basic {token}"))), Err(Unauthenticated));
    }

    #[test]
    fn a_token_that_calls_something_critical_is_refused() {
        let world = World::new();
        let key = EncodingKey::from_ed_pem(world.pair.private_pem().as_bytes()).unwrap();
        let mut header = Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.crit = Some(vec!["b64".to_owned()]);
        let token = encode(&header, &good(), &key).unwrap();
        assert_eq!(world.caller(&token), Err(Unauthenticated));
    }
}
