//! Who callers are: the issuers whose tokens are taken.

use std::path::PathBuf;

use warp::http::Uri;

use super::values::ConfigValues;

/// The algorithm unless told.
const EDDSA: &str = "EdDSA";

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA with SHA-256.
    Rs256,
}

impl Algorithm {
    /// By their names; the first unless told.
    const ALL: [(&str, Self); 3] =
        [(EDDSA, Self::EdDsa), ("ES256", Self::Es256), ("RS256", Self::Rs256)];

    /// As RFC 7518 and RFC 8037 call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => EDDSA,
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// As the library calls it.
    pub const fn in_tokens(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }

    /// The one that the setting `name` has in words.
    fn read(from: &mut ConfigValues, (name, text): (&str, &str)) -> Self {
        from.chosen(name, text, &Self::ALL).unwrap_or(Self::EdDsa)
    }
}

/// Who callers are.
#[derive(Clone, Debug)]
pub struct Auth {
    /// The algorithm; a token does not choose it.
    pub algorithm: Algorithm,
    /// The public keys, PEM or JWKS, unless there is a URL.
    pub key_file: PathBuf,
    /// Where the issuer publishes its keys, if it does.
    pub jwks_url: Option<String>,
    /// The private key that `feedmill token` signs with, PEM.
    pub signing_key_file: PathBuf,
    /// Who issues tokens.
    pub issuer: String,
    /// Whom they are for.
    pub audience: String,
    /// Others who issue tokens.
    pub others: Vec<IssuerSettings>,
    /// How far clocks may differ.
    pub leeway_s: u64,
}

/// One who issues tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// Its name in tokens.
    pub issuer: String,
    /// Whom they are for.
    pub audience: String,
    /// The algorithm; a token does not choose it.
    pub algorithm: Algorithm,
    /// Where its keys are.
    pub keys: KeyPlace,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a file, PEM or JWKS.
    File(PathBuf),
    /// A JWKS at a URL.
    Url(String),
}

impl Auth {
    pub(super) fn read(from: &mut ConfigValues) -> Self {
        let [default, rest @ ..] = Algorithm::ALL;
        let algorithm = from.choice("auth.algorithm", default, &rest);
        let jwks_url = from.text("auth.jwks_url", "");
        let jwks_url = (!jwks_url.is_empty()).then_some(jwks_url);
        if let Some(words) = jwks_url.as_deref().and_then(wrong_url) {
            from.fault("auth.jwks_url", &words);
        }
        let issuer = from.text("auth.issuer", "feedmill");
        let audience = from.text("auth.audience", "feedmill");
        Self {
            algorithm,
            key_file: from.text("auth.key_file", "keys/token.pub.pem").into(),
            jwks_url,
            signing_key_file: from.text("auth.signing_key_file", "keys/token.pem").into(),
            others: others(from, (&issuer, &audience)),
            issuer,
            audience,
            leeway_s: from.within("auth.leeway_s", 30, 0..=300),
        }
    }

    /// The same issuers, for tokens of another audience.
    pub fn for_audience(&self, audience: &str) -> Self {
        let audience = audience.to_owned();
        let others = self.others.iter().cloned();
        let others = others.map(|of| IssuerSettings { audience: audience.clone(), ..of }).collect();
        Self { others, audience, ..self.clone() }
    }

    /// Everyone whose tokens are taken.
    pub fn issuers(&self) -> Vec<IssuerSettings> {
        let keys = match &self.jwks_url {
            Some(url) => KeyPlace::Url(url.clone()),
            None => KeyPlace::File(self.key_file.clone()),
        };
        let first = IssuerSettings {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            algorithm: self.algorithm,
            keys,
        };
        [first].into_iter().chain(self.others.iter().cloned()).collect()
    }
}

const OTHER: &[&str] = &["issuer", "audience", "algorithm", "key_file", "jwks_url"];

/// The tables `auth.issuers.<name>`.
fn others(from: &mut ConfigValues, (issuer, audience): (&str, &str)) -> Vec<IssuerSettings> {
    let mut others: Vec<IssuerSettings> = Vec::new();
    for (name, mut told) in from.tables("auth.issuers", OTHER) {
        let mut told = |of: &str| told.remove(of).filter(|text| !text.is_empty());
        let named = |of: &str| format!("auth.issuers.{name}.{of}");
        let text = told("algorithm").unwrap_or_else(|| EDDSA.to_owned());
        let algorithm = Algorithm::read(from, (&named("algorithm"), &text));
        let keys = match (told("key_file"), told("jwks_url")) {
            (Some(file), None) => KeyPlace::File(file.into()),
            (None, Some(url)) => {
                if let Some(words) = wrong_url(&url) {
                    from.fault(&named("jwks_url"), &words);
                }
                KeyPlace::Url(url)
            }
            (Some(_), Some(_)) => {
                from.fault(&named("jwks_url"), "is one place too many beside key_file");
                continue;
            }
            (None, None) => {
                from.fault(&named("key_file"), "is needed, or jwks_url");
                continue;
            }
        };
        let Some(other) = told("issuer") else {
            from.fault(&named("issuer"), "is needed");
            continue;
        };
        if other == issuer || others.iter().any(|of| of.issuer == other) {
            from.fault(&named("issuer"), &format!("is that of another one too, {other:?}"));
        }
        let audience = told("audience").unwrap_or_else(|| audience.to_owned());
        others.push(IssuerSettings { issuer: other, audience, algorithm, keys });
    }
    others
}

/// Why keys may not be fetched there: who stands between could give us others.
fn wrong_url(url: &str) -> Option<String> {
    let expected = "is a URL such as https://idp.example.com/jwks.json; http only of this machine";
    let parsed = url.parse::<Uri>().ok();
    let fits = parsed.is_some_and(|uri| match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) => !host.is_empty(),
        (Some("http"), Some(host)) => ["127.0.0.1", "localhost", "[::1]"].contains(&host),
        _ => false,
    });
    (!fits).then(|| format!("{expected}, found {url:?}"))
}
