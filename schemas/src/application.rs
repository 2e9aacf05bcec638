//! The names of applications, and what each calls the topics that it makes.
//!
//! The first application has the name that is configured, and its topics the names of the contract. One that is rebuilt beside it
//! is called after it, `<first>-replay-<number>`, and so are the topics that it makes of the inputs: `<first>-replay-1-feeds`.
//! Inputs are the same for all of them.

use std::borrow::Cow;

use crate::topic::{DERIVED, Topic};

const REPLAY: &str = "-replay-";

/// The application of this number: 0 is the first itself.
pub fn numbered(first: &str, number: u32) -> String {
    match number {
        0 => first.to_owned(),
        _ => format!("{first}{REPLAY}{number}"),
    }
}

/// The first application, after which `app` is called.
pub fn first(app: &str) -> &str {
    parts(app).0
}

/// The number of `app`; 0 if it is the first.
pub fn number(app: &str) -> u32 {
    parts(app).1
}

/// What `app` calls a topic of the contract.
pub fn topic(app: &str, of: &Topic) -> Cow<'static, str> {
    match number(app) > 0 && DERIVED.contains(of) {
        true => Cow::Owned(format!("{app}-{}", of.name)),
        false => Cow::Borrowed(of.name),
    }
}

/// The group by which a sink pushes what the live application of those called after `first` publishes. Under each epoch it is another,
/// which begins at the beginning: what was pushed before is older.
pub fn pushing_group(first: &str, sink: &str, epoch: u32) -> String {
    match epoch {
        0 => format!("{first}-{sink}"),
        _ => format!("{first}-{sink}-{epoch}"),
    }
}

/// What the contract calls a topic of whichever application.
pub fn declared(name: &str) -> &str {
    let Some(at) = name.rfind(REPLAY) else { return name };
    let after = name.get(at + REPLAY.len()..).unwrap_or_default();
    let rest = after.split_once('-').filter(|(number, _)| is_number(number)).map(|(_, rest)| rest);
    let is_derived = |rest: &&str| DERIVED.iter().any(|of| of.name == *rest);
    rest.filter(is_derived).unwrap_or(name)
}

fn parts(app: &str) -> (&str, u32) {
    let found =
        app.rsplit_once(REPLAY).filter(|(first, number)| !first.is_empty() && is_number(number));
    match found.and_then(|(first, number)| Some((first, number.parse().ok()?))) {
        Some(parts) => parts,
        None => (app, 0),
    }
}

/// Only what [`numbered`] writes is one.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() && c != '0')
        && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::{ALL, CDC_POSTS, FEEDS, HISTORY, TRENDING_PARTS};

    #[test]
    fn a_rebuilt_application_is_called_after_the_first_one() {
        let apps = [("feed", 0), ("feed-replay-1", 1), ("my-replay-feed", 0), ("a-replay-2", 2)];
        for (app, of) in apps {
            assert_eq!((number(app), numbered(first(app), of).as_str()), (of, app));
        }
        let others =
            ["feed-replay-0", "feed-replay-", "-replay-1", "feed-replay-01", "feed-replay-x"];
        assert_eq!(others.map(|app| (first(app), number(app))), others.map(|app| (app, 0)));
    }

    #[test]
    fn what_it_makes_is_called_after_it_and_inputs_are_not() {
        let named = |of| topic("feed-replay-7", of);
        assert_eq!(
            (named(&FEEDS), named(&CDC_POSTS)),
            ("feed-replay-7-feeds".into(), "cdc.posts".into())
        );
        assert!(ALL.iter().all(|of| topic("feed", of) == of.name), "the first has the contract's");
        let both = |of: &&Topic| HISTORY.contains(of) && DERIVED.contains(of);
        assert_eq!(ALL.iter().find(both), None);
    }

    #[test]
    fn the_contract_s_name_is_found_again() {
        for of in &DERIVED {
            assert_eq!(declared(&topic("a-replay-b-replay-12", of)), of.name);
        }
        assert_eq!(declared(&topic("feed-replay-1", &TRENDING_PARTS)), "trending-parts");
        for other in ["events", "feed-replay-1-tasks", "feed-replay-x-feeds", "x-feeds"] {
            assert_eq!(declared(other), other);
        }
    }
}
