//! What a tier shows the reader, where posts are told apart by the digits at the end of their ids.

use serde_json::Value;

use crate::world::World;
use crate::{POST, READER};

/// The id of a post.
pub fn post(number: u8) -> String {
    format!("{}{number:02x}", &POST[..34])
}

/// The posts that a tier shows the reader, by number; none if it does not answer.
pub fn shown(world: &World, tier: &str) -> Option<Vec<u8>> {
    if tier == "state" {
        world.flush_redis();
    }
    let algo = match tier {
        "clickhouse" => "ch",
        "postgres" => "timeline",
        _ => "ranked",
    };
    let path = format!("/api/v1/feed?algo={algo}&limit=100");
    let (status, answer) = world.get(&path, Some(&world.token(READER)));
    let answer = (status == 200 && answer["source"] == tier).then_some(answer)?;
    let posts = answer["items"].as_array()?.iter();
    let number = |item: &Value| u8::from_str_radix(&item["post_id"].as_str()?[34..], 16).ok();
    let mut posts: Vec<_> = posts.filter_map(number).collect();
    posts.sort_unstable();
    Some(posts)
}

/// Waits until each of these tiers shows these posts and no others.
pub fn all_show(world: &World, tiers: &[&str], after: &str, expected: &[u8]) {
    for tier in tiers {
        let mut last = None;
        let found = tests::poll_until(crate::world::LONG, || {
            last = shown(world, tier);
            (last.as_deref() == Some(expected)).then_some(())
        });
        found.unwrap_or_else(|_| panic!("{tier} after {after}: {last:?}, not {expected:?}"));
    }
}
