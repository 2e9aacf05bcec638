//! What is no token of ours, however it was made, and how keys follow upon each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Jwa, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use warp::Filter;

use super::{Caller, Role, Roles, Unauthenticated, Verifier};
use crate::config::Algorithm;
use crate::edge::tests::{config, until};

const SUB: &str = "00000000-0000-4000-8000-000000000001";

/// A key pair, as whoever signs has it.
pub struct Pair {
    algorithm: Algorithm,
    private: EncodingKey,
    public_pem: String,
    jwk: Value,
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

impl Pair {
    fn new(algorithm: Algorithm) -> Self {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match algorithm {
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let public = pair.public_key().as_der().unwrap();
                Self {
                    algorithm,
                    private: EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref()),
                    public_pem: pem(public.as_ref()),
                    jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref())}),
                }
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                let public = pair.public_key().as_der().unwrap();
                let point = pair.public_key().as_ref();
                let (x, y) = (base64(&point[1..33]), base64(&point[33..65]));
                Self {
                    algorithm,
                    private: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
                    public_pem: pem(public.as_ref()),
                    jwk: json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
                }
            }
            Algorithm::Rs256 => {
                let pair = RsaPair::generate(KeySize::Rsa2048).unwrap();
                let public =
                    AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key());
                let private = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) =
                    (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                let text = STANDARD.encode(private.as_ref());
                let private =
                    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
                Self {
                    algorithm,
                    private: EncodingKey::from_rsa_pem(private.as_bytes()).unwrap(),
                    public_pem: pem(public.unwrap().as_ref()),
                    jwk: json!({"kty": "RSA", "n": base64(n), "e": base64(e)}),
                }
            }
        }
    }

    fn header(&self) -> Header {
        Header::new(self.algorithm.in_tokens())
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header(), claims, &self.private).unwrap()
    }

    fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..self.header() };
        encode(&header, claims, &self.private).unwrap()
    }

    /// Signs whatever these parts are.
    pub fn sign_parts(&self, header: &str, payload: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = jsonwebtoken::crypto::sign(
            message.as_bytes(),
            &self.private,
            self.algorithm.in_tokens(),
        );
        format!("{message}.{}", signature.unwrap())
    }

    /// Its key as a set tells of it.
    fn published(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }
}

fn good() -> Value {
    let now = get_current_timestamp();
    json!({"sub": SUB, "iss": "us", "aud": "feed", "exp": now + 7_200, "nbf": now, "iat": now, "roles": ["ingest"]})
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

pub struct World {
    pub pair: Pair,
    verifier: Verifier,
    files: TempDir,
}

impl World {
    pub fn new(algorithm: Algorithm) -> Self {
        let pair = Pair::new(algorithm);
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("key");
        std::fs::write(&path, &pair.public_pem).unwrap();
        let verifier = verifier(&[
            ("auth.algorithm", algorithm.name()),
            ("auth.key_file", path.to_str().unwrap()),
        ]);
        Self { pair, verifier: verifier.unwrap(), files }
    }

    pub async fn caller(&self, token: &str) -> Result<Caller, Unauthenticated> {
        bearer(&self.verifier, token).await
    }
}

fn verifier(settings: &[(&str, &str)]) -> Result<Verifier, String> {
    let of = [("auth.issuer", "us"), ("auth.audience", "feed")];
    Verifier::new(&config(&[&of, settings].concat()).auth)
}

async fn bearer(verifier: &Verifier, token: &str) -> Result<Caller, Unauthenticated> {
    verifier.caller(Some(&format!("Bearer {token}"))).await
}

/// Claims that are signed well and are not to be believed.
fn wrong_claims() -> Vec<Value> {
    let now = get_current_timestamp();
    let mut claims: Vec<_> = ["exp", "nbf", "iat", "iss", "aud", "sub"].map(without).to_vec();
    let odd = || {
        let numbers = [json!(-1), json!(1e308), json!(1.5), json!(u64::MAX)];
        let others =
            [Value::Null, json!("soon"), json!([]), json!({}), json!(true), json!(now.to_string())];
        numbers.into_iter().chain(others)
    };
    for (name, value) in ["nbf", "iat"].into_iter().flat_map(|name| odd().map(move |of| (name, of)))
    {
        claims.push(with(name, value));
    }
    // What never ends but is a whole number is a time.
    claims.extend(odd().filter(|of| *of != json!(u64::MAX)).map(|of| with("exp", of)));
    claims.extend([0, 1, now - 31, now - 3_600].map(|exp| with("exp", json!(exp))));
    claims.extend([now + 300, now + 3_600].map(|at| with("nbf", json!(at))));
    claims.extend([now + 300, now + 3_600].map(|at| with("iat", json!(at))));
    let issuers = [
        json!("us/"),
        json!("US"),
        json!(""),
        json!("us "),
        json!(["us"]),
        json!(["us", "them"]),
        json!(7),
        Value::Null,
        json!("https://us"),
        json!("them"),
    ];
    claims.extend(issuers.into_iter().map(|of| with("iss", of)));
    let audiences = [
        json!("Feed"),
        json!("feed "),
        json!(""),
        json!([]),
        json!(["feeds"]),
        json!("feedmill-admin"),
        json!(7),
        Value::Null,
        json!({"feed": 1}),
        json!([["feed"]]),
    ];
    claims.extend(audiences.into_iter().map(|of| with("aud", of)));
    let subjects = [
        json!("me"),
        json!(""),
        json!(7),
        Value::Null,
        json!([SUB]),
        json!(SUB.to_owned() + " "),
        json!(SUB.replace('-', "")),
        json!(format!("{{{SUB}}}")),
        json!(format!("urn:uuid:{SUB}")),
        json!(SUB.replace('0', "\u{ff10}")),
        json!("00000000-0000-4000-8000-00000000000\u{0456}"),
        json!("../../etc/passwd"),
        json!("' or 1=1 --"),
    ];
    claims.extend(subjects.into_iter().map(|of| with("sub", of)));
    claims.extend(
        [json!("ingest"), json!(7), json!([7]), json!({"ingest": true}), Value::Null]
            .map(|of| with("roles", of)),
    );
    claims
}

/// Headers that are signed well and are not to be taken.
fn wrong_headers(alg: &str) -> Vec<String> {
    let more = [
        r#""crit":["b64"],"b64":false"#,
        r#""crit":[]"#,
        r#""crit":["exp"]"#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""cty":"JWT""#,
        r#""typ":"JWE""#,
        r#""typ":"none""#,
        r#""typ":7"#,
        r#""kid":7"#,
        r#""kid":["a"]"#,
    ];
    let mut headers: Vec<_> =
        more.iter().map(|more| format!(r#"{{"alg":"{alg}",{more}}}"#)).collect();
    let algs = [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256",
        "PS512", "ES384", "ES512", "ES256K", "Ed448", "dir", "RSA-OAEP", "null",
    ];
    headers.extend(algs.iter().map(|alg| format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#)));
    headers
        .extend([alg.to_lowercase(), format!("{alg} ")].map(|alg| format!(r#"{{"alg":"{alg}"}}"#)));
    headers.push(format!(r#"{{"alg":"none","alg":"{alg}"}}"#));
    headers.push(format!(r#"{{"alg":["{alg}"]}}"#));
    headers.extend(["{}", "[]", "null", "", "{", r#"{"alg":null}"#, "\u{0}"].map(str::to_owned));
    headers
}

/// Tokens that somebody made of a good one, or of our public key.
fn forged(world: &World) -> Vec<String> {
    let (token, pair) = (world.pair.sign(&good()), &world.pair);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let other = URL_SAFE_NO_PAD
        .encode(with("sub", json!("00000000-0000-4000-8000-000000000002")).to_string());
    let mut forged = vec![
        World::new(pair.algorithm).pair.sign(&good()),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{none}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}x.{signature}"),
        format!("{header}.{other}.{signature}"),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{token} x"),
        format!("{token}="),
        format!(" {token}"),
        format!("{message}.{}", &signature[1..]),
        format!("{message}.{signature}AA"),
        format!("{message}.{}", "A".repeat(signature.len())),
        format!("{message}.{}", signature.replace('-', "+").replace('_', "/") + "=="),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "x".repeat(9_000),
        "\u{0}".to_owned(),
        format!("{message}.{}{signature}", "A".repeat(1 << 20)),
        pair.sign(&with("pad", json!("x".repeat(10_000)))),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{SUB}""#))),
        // A token within a token.
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(&token)),
    ];
    // Signed with our public key as if it were a secret: RFC 8725, 2.1.
    for (alg, secret) in [Jwa::HS256, Jwa::HS384, Jwa::HS512].into_iter().flat_map(|alg| {
        let trimmed = pair.public_pem.trim().to_owned();
        [pair.public_pem.clone(), trimmed, pair.jwk.to_string(), String::new()]
            .map(|secret| (alg, secret))
    }) {
        let key = EncodingKey::from_secret(secret.as_bytes());
        forged.push(encode(&Header::new(alg), &good(), &key).unwrap());
    }
    // What comes twice is read one way by us, and another way by others.
    let twice = good().to_string().replacen('{', &format!(r#"{{"sub":"{SUB}","#), 1);
    forged.push(pair.sign_parts(&format!(r#"{{"alg":"{}"}}"#, pair.algorithm.name()), &twice));
    forged
}

/// Every way that is known to us by which what is no token of ours could pass for one.
#[tokio::test]
async fn no_attack_on_a_token_passes() {
    let mut tried = 0;
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let world = World::new(algorithm);
        let name = algorithm.name();
        let claims = wrong_claims().into_iter().map(|claims| world.pair.sign(&claims));
        let header = |header: String| world.pair.sign_parts(&header, &good().to_string());
        let attacks: Vec<_> = claims
            .chain(wrong_headers(name).into_iter().map(header))
            .chain(forged(&world))
            .collect();
        assert!(attacks.len() >= 150, "{} of {name}", attacks.len());
        for token in attacks {
            let head: String = token.chars().take(400).collect();
            assert_eq!(world.caller(&token).await, Err(Unauthenticated), "{name}: {head}");
            tried += 1;
        }
        // What they were made of is good.
        assert!(world.caller(&world.pair.sign(&good())).await.is_ok(), "{name}");
    }
    assert!(tried >= 450, "{tried}");
}

#[tokio::test]
async fn places_of_keys_that_a_token_names_are_not_looked_at() {
    let world = World::new(Algorithm::EdDsa);
    let others = Pair::new(Algorithm::EdDsa);
    let places = [
        r#""jku":"http://127.0.0.1:1/keys""#.to_owned(),
        r#""x5u":"http://127.0.0.1:1/cert""#.to_owned(),
        format!(r#""jwk":{}"#, others.jwk),
        r#""kid":"../../../../dev/null""#.to_owned(),
        r#""kid":"http://127.0.0.1:1/""#.to_owned(),
        format!(r#""kid":"{}""#, "k".repeat(4_000)),
        r#""kid":"' union select 'key' --""#.to_owned(),
    ];
    for place in places {
        let header = format!(r#"{{"alg":"EdDSA",{place}}}"#);
        let of = |pair: &Pair| pair.sign_parts(&header, &good().to_string());
        assert_eq!(world.caller(&of(&others)).await, Err(Unauthenticated), "{place}");
        // They do no harm to a token that is good: a key of a PEM file has no name.
        assert!(world.caller(&of(&world.pair)).await.is_ok(), "{place}");
    }
}

#[tokio::test]
async fn no_other_scheme_and_no_header_is_nobody() {
    let world = World::new(Algorithm::EdDsa);
    let token = world.pair.sign(&good());
    let headers = [
        None,
        Some(token.clone()),
        Some(format!("Basic {token}")),
        Some("Bearer".to_owned()),
        Some(format!("Bearer  {token}")),
    ];
    for header in headers {
        assert_eq!(
            world.verifier.caller(header.as_deref()).await,
            Err(Unauthenticated),
            "{header:?}"
        );
    }
    assert!(world.verifier.caller(Some(&format!("bearer {token}"))).await.is_ok());
}

#[tokio::test]
async fn a_good_token_names_the_caller_and_what_they_may() {
    let world = World::new(Algorithm::EdDsa);
    let user: uuid::Uuid = SUB.parse().unwrap();
    let rows: [(Value, &[Role]); 5] = [
        (without("roles"), &[Role::Reader]),
        (with("roles", json!([])), &[Role::Reader]),
        (with("roles", json!(["ingest"])), &[Role::Reader, Role::Ingest]),
        (
            with("roles", json!(["support", "admin", "other"])),
            &[Role::Reader, Role::Support, Role::Admin],
        ),
        (with("roles", json!(["ADMIN", "root"])), &[Role::Reader]),
    ];
    for (claims, may) in rows {
        let caller = world.caller(&world.pair.sign(&claims)).await.unwrap();
        assert_eq!(caller.user, user);
        let found: Vec<_> = Role::ALL.into_iter().filter(|role| caller.roles.have(*role)).collect();
        assert_eq!(found, may, "{claims}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_an_audience_may_be_one_of_several() {
    let world = World::new(Algorithm::Es256);
    let now = get_current_timestamp();
    let claims = [
        with("exp", json!(now - 20)),
        with("nbf", json!(now + 20)),
        with("iat", json!(now + 20)),
        with("aud", json!(["other", "feed"])),
    ];
    for mut claims in claims {
        if claims["exp"].as_u64() < claims["nbf"].as_u64() {
            claims["nbf"] = json!(now - 60);
        }
        assert!(world.caller(&world.pair.sign(&claims)).await.is_ok(), "{claims}");
    }
}

#[tokio::test]
async fn each_of_several_issuers_signs_with_its_own_keys_for_itself() {
    let (ours, theirs) = (Pair::new(Algorithm::EdDsa), Pair::new(Algorithm::Es256));
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ours_file, theirs_file) = (
        file("ours", &ours.public_pem),
        file("theirs", &json!({"keys": [theirs.published("a")]}).to_string()),
    );
    let verifier = verifier(&[
        ("auth.key_file", &ours_file),
        ("auth.issuers.partner.issuer", "them"),
        ("auth.issuers.partner.algorithm", "ES256"),
        ("auth.issuers.partner.key_file", &theirs_file),
    ]);
    let verifier = verifier.unwrap();
    let of_them = with("iss", json!("them"));
    let rows = [
        (ours.sign(&good()), true),
        (theirs.sign_as("a", &of_them), true),
        (theirs.sign(&of_them), true),
        (theirs.sign_as("b", &of_them), false),
        // Nobody signs for another.
        (ours.sign(&of_them), false),
        (theirs.sign_as("a", &good()), false),
    ];
    for (row, (token, is_taken)) in rows.into_iter().enumerate() {
        assert_eq!(bearer(&verifier, &token).await.is_ok(), is_taken, "row {row}");
    }
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_changes_and_one_that_is_none_leaves_the_old_keys() {
    let (world, next) = (World::new(Algorithm::EdDsa), Pair::new(Algorithm::EdDsa));
    let following = tokio::spawn(world.verifier.clone().follow());
    let file = world.files.path().join("key");
    let (old, new) = (world.pair.sign(&good()), next.sign(&good()));
    assert!(world.caller(&new).await.is_err());
    // While one follows upon the other both stand in it.
    std::fs::write(&file, format!("{}{}", world.pair.public_pem, next.public_pem)).unwrap();
    until(async || world.caller(&new).await.ok()).await;
    assert!(world.caller(&old).await.is_ok());
    std::fs::write(&file, "no key").unwrap();
    std::fs::write(&file, &next.public_pem).unwrap();
    until(async || world.caller(&old).await.err()).await;
    assert!(world.caller(&new).await.is_ok());
    following.abort();
}

/// An issuer that publishes its keys.
struct Publisher {
    url: String,
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
}

impl Publisher {
    async fn start(keys: Value) -> Self {
        let keys = Arc::new(Mutex::new(keys));
        let asked = Arc::new(AtomicUsize::new(0));
        let of = (Arc::clone(&keys), Arc::clone(&asked));
        let routes = warp::path!("keys").and(warp::any().map(move || of.clone())).map(
            |(keys, asked): (Arc<Mutex<Value>>, Arc<AtomicUsize>)| {
                asked.fetch_add(1, Ordering::Relaxed);
                let body = keys.lock().unwrap().to_string();
                warp::reply::with_header(body, "cache-control", "public, max-age=120")
            },
        );
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", socket.local_addr().unwrap());
        tokio::spawn(warp::serve(routes).incoming(socket).run());
        Self { url, keys, asked }
    }

    fn publish(&self, keys: Value) {
        *self.keys.lock().unwrap() = keys;
    }
}

async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn keys_of_a_url_follow_upon_each_other_and_names_that_are_made_up_do_not_make_us_ask() {
    let (first, second) = (Pair::new(Algorithm::Rs256), Pair::new(Algorithm::Rs256));
    let publisher = Publisher::start(json!({"keys": [first.published("1")]})).await;
    let settings = [("auth.algorithm", "RS256"), ("auth.jwks_url", publisher.url.as_str())];
    let verifier = verifier(&settings).unwrap();
    let asked = || publisher.asked.load(Ordering::Relaxed);
    let takes = async |pair: &Pair, kid: &str| {
        bearer(&verifier, &pair.sign_as(kid, &with("exp", json!(get_current_timestamp() + 600))))
            .await
            .is_ok()
    };
    assert!(takes(&first, "1").await);
    for made_up in ["2", "3", "4"] {
        assert!(!takes(&first, made_up).await);
    }
    assert_eq!(asked(), 1);
    publisher.publish(json!({"keys": [second.published("2")]}));
    pass(31).await;
    assert!(takes(&second, "2").await);
    assert_eq!(asked(), 2);
    // Tokens of the old key are under way until its two minutes are over.
    assert!(takes(&first, "1").await);
    // Who publishes nonsense is not believed.
    publisher.publish(json!({"keys": "none"}));
    pass(31).await;
    assert!(!takes(&second, "5").await);
    assert!(takes(&second, "2").await);
    pass(90).await;
    assert!(!takes(&first, "1").await);
    assert!(takes(&second, "2").await);
}

/// How many keys of a set serve an algorithm.
pub fn keys_of_set(bytes: &[u8], algorithm: Algorithm) -> Result<usize, String> {
    super::jwks::read(bytes, algorithm).map(|keys| keys.len())
}

#[test]
fn a_set_of_keys_is_taken_for_what_serves() {
    let pair = Pair::new(Algorithm::Es256);
    let read = |keys: Value| {
        let bytes = json!({"keys": keys}).to_string();
        keys_of_set(bytes.as_bytes(), Algorithm::Es256).ok()
    };
    let mut to_encrypt = pair.published("b");
    to_encrypt["use"] = json!("enc");
    let short = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    let others = json!([pair.published("a"), to_encrypt, short, Pair::new(Algorithm::EdDsa).jwk, {"kty": "??"}, 7]);
    assert_eq!(read(others), Some(1));
    assert_eq!(read(json!([])), None);
    assert_eq!(read(json!(vec![pair.published("a"); 33])), None);
    for bytes in ["", "{}", "[]", "null", "{\"keys\":7}"] {
        assert!(keys_of_set(bytes.as_bytes(), Algorithm::Es256).is_err(), "{bytes}");
    }
}

#[test]
fn roles_are_what_they_are_called() {
    let none = Roles::named(std::iter::empty());
    assert!(none.have(Role::Reader) && !none.have(Role::Admin));
}
