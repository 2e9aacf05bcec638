//! What a stranger sends to the service, and what its operator writes, made of bytes that nobody meant.

use std::panic::AssertUnwindSafe;
use std::path::Path;

use bolero::check;
use form_urlencoded::Serializer;
use futures_util::FutureExt;
use jsonwebtoken::get_current_timestamp;
use schemas::{UserId, Wire};
use serde_json::Value;
use warp::http::Method;

use super::cursor::{Cursor, Cursors};
use super::parameter::Given;
use super::routes::{Match, ROUTES, find};
use crate::config::{Algorithm, Config, File};
use crate::identity::tests::{World, keys_of_set};
use crate::secrets::Secrets;
use crate::stores::question::Next;

/// Nobody has signed what comes whole; of what is signed here every claim must be as it is asked for.
#[test]
fn a_token_is_believed_only_if_it_says_what_it_must() {
    // It keeps nothing that a panic could leave half done.
    let world = AssertUnwindSafe(World::new(Algorithm::EdDsa));
    check!(name = "token").with_iterations(0).for_each(|input: &[u8]| {
        let world: &World = &world;
        let caller = |token: &str| world.caller(token).now_or_never().unwrap();
        let Ok(text) = str::from_utf8(input) else { return };
        let Some((header, claims)) = text.split_once('\0') else {
            assert!(caller(text).is_err());
            let _ = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256]
                .map(|algorithm| keys_of_set(input, algorithm));
            return;
        };
        let Ok(caller) = caller(&world.pair.sign_parts(header, claims)) else { return };
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (header, claims) = (json(header), json(claims));
        assert_eq!((&header["alg"], &header["crit"]), (&"EdDSA".into(), &Value::Null));
        assert_eq!(claims["sub"].as_str().map(str::to_lowercase), Some(caller.user.to_string()));
        assert_eq!(claims["iss"], "us");
        let audience = &claims["aud"];
        let is_ours = |of: &Value| of == "feed";
        assert!(is_ours(audience) || audience.as_array().unwrap().iter().any(is_ours));
        let [exp, nbf, iat] = ["exp", "nbf", "iat"].map(|name| claims[name].as_u64().unwrap());
        let now = get_current_timestamp();
        assert!(exp + 31 > now && nbf <= now + 31 && iat <= now + 31);
    });
}

#[test]
fn a_cursor_that_was_tampered_with_is_refused() {
    let cursors = Cursors::new(Secrets::of("a secret").ok().as_ref()).unwrap();
    check!(name = "cursor").with_iterations(0).for_each(|input: &[u8]| {
        if let Ok(text) = str::from_utf8(input) {
            assert!(cursors.read(text, UserId([7; 16]), 0).is_err());
        }
        let Ok(cursor) = Cursor::decode(input) else { return };
        assert_eq!(cursor.to_bytes(), input);
        let (user, issued_ms) = (cursor.user, cursor.issued_ms);
        let text = cursors.write(&cursor);
        assert_eq!(cursors.read(&text, user, issued_ms), Ok(cursor));
        // Somewhere, as the input has it: everywhere, over many inputs.
        let at = input.iter().map(|byte| usize::from(*byte)).sum::<usize>() % text.len();
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        let tampered = [&text[..at], other, &text[at + 1..]].concat();
        assert!(cursors.read(&tampered, user, issued_ms).is_err(), "{at} of {text}");
    });
}

fn read(text: &str, environment: &str) -> Result<Config, String> {
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let file = File { path: Path::new("mill.toml"), text };
    Config::read(Some(file), variables, |_| Vec::new())
}

/// What is printed of a configuration, without where it came from.
fn settings(shown: &str) -> Vec<&str> {
    shown.lines().filter_map(|line| line.rsplit_once("  # ")).map(|(setting, _)| setting).collect()
}

#[test]
fn a_configuration_holds_as_it_is_printed_or_each_fault_is_a_line() {
    check!(name = "config").with_iterations(0).for_each(|input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else { return };
        let (file, environment) = text.split_once('\0').unwrap_or((text, ""));
        match read(file, environment) {
            Ok(config) if config.shown().contains("(secret)") => {}
            Ok(config) => {
                let again = read(config.shown(), "").unwrap();
                assert_eq!(settings(again.shown()), settings(config.shown()));
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                let is_fault = |line: &str| line.contains(": ");
                assert!(faults.lines().all(is_fault), "{faults}");
            }
        }
    });
}

#[test]
fn a_query_means_what_it_means_however_it_is_written() {
    check!(name = "query").with_iterations(0).for_each(|input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else { return };
        for route in &ROUTES {
            match Given::read(text, route.parameters) {
                Ok(given) => {
                    let pairs = form_urlencoded::parse(text.as_bytes());
                    let plain = Serializer::new(String::new()).extend_pairs(pairs).finish();
                    assert_eq!(Given::read(&plain, route.parameters), Ok(given));
                }
                Err(faults) => assert!(!faults.is_empty()),
            }
        }
        if let Match::Route(route, segment) = find(&ROUTES, (&Method::GET, text)) {
            let _ = route.segment.map(|of| of.takes(segment));
        }
        if let Some(next) = Next::read(text) {
            assert_eq!(Next::read(&next.text()), Some(next));
        }
    });
}
