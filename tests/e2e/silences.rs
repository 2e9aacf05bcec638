//! What a reader does not want to see is gone from all four tiers: Redis, a worker's state, ClickHouse, PostgreSQL.

use serde_json::{Value, json};

use crate::world::World;
use crate::{AUTHOR, POST, READER};

const TIERS: [&str; 4] = ["redis", "state", "clickhouse", "postgres"];

/// Authors and their posts: the same digits at the end.
fn author(number: u8) -> String {
    format!("{}{number:02x}", &AUTHOR[..34])
}

fn post(number: u8) -> String {
    format!("{}{number:02x}", &POST[..34])
}

/// The posts that a tier shows the reader, by number; none if it does not answer.
fn shown(world: &World, tier: &str) -> Option<Vec<u8>> {
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

/// Waits until every tier shows these and no others.
fn all_show(world: &World, after: &str, expected: &[u8]) {
    for tier in TIERS {
        let mut last = None;
        let found = tests::poll_until(crate::world::LONG, || {
            last = shown(world, tier);
            (last.as_deref() == Some(expected)).then_some(())
        });
        found.unwrap_or_else(|_| panic!("{tier} after {after}: {last:?}, not {expected:?}"));
    }
}

fn say(world: &World, action: &str, number: u8) {
    let event = json!({"post_id": post(number), "action": action, "event_time": world.now_ms()});
    world.post_event(READER, &event);
}

#[test]
fn what_a_reader_hides_mutes_or_blocks_and_what_is_deleted_is_gone_from_all_four_tiers() {
    let world = World::whole();
    world.sql(&format!("INSERT INTO users (id, username) VALUES ('{READER}', 'reader')"));
    for number in 1..=7 {
        let (author, post) = (author(number), post(number));
        world.sql(&format!(
            "INSERT INTO users (id, username) VALUES ('{author}', 'author-{number}');
             INSERT INTO posts (id, user_id, content) VALUES ('{post}', '{author}', 'post {number}');
             INSERT INTO follows (follower_id, followee_id) VALUES ('{READER}', '{author}')"
        ));
    }
    all_show(&world, "all were written", &[1, 2, 3, 4, 5, 6, 7]);
    say(&world, "hide", 1);
    all_show(&world, "hide", &[2, 3, 4, 5, 6, 7]);
    say(&world, "report", 2);
    all_show(&world, "report", &[3, 4, 5, 6, 7]);
    say(&world, "less_like_this", 3);
    all_show(&world, "less_like_this", &[4, 5, 6, 7]);
    let (muted, blocking) = (author(4), author(5));
    world.sql(&format!("INSERT INTO mutes (muter_id, muted_id) VALUES ('{READER}', '{muted}')"));
    all_show(&world, "a mute", &[5, 6, 7]);
    world.sql(&format!(
        "INSERT INTO blocks (blocker_id, blocked_id) VALUES ('{blocking}', '{READER}')"
    ));
    all_show(&world, "a block by the other", &[6, 7]);
    world.sql(&format!("DELETE FROM posts WHERE id = '{}'", post(6)));
    all_show(&world, "a deletion", &[7]);
    why_each_is_not_shown(&world);
    [1, 2, 3].iter().for_each(|number| say(&world, "undo", *number));
    world.sql("DELETE FROM mutes");
    world.sql("DELETE FROM blocks");
    all_show(&world, "all was taken back", &[1, 2, 3, 4, 5, 7]);
}

fn why_each_is_not_shown(world: &World) {
    let stage = |number| {
        let path = format!("/api/v1/feed/explain/{}", post(number));
        let (status, why) = world.get(&path, Some(&world.token(READER)));
        assert_eq!(status, 200, "{why}");
        why["dropped"]["stage"].as_str().unwrap().to_owned()
    };
    let stages: Vec<_> = (1..=6).map(stage).collect();
    assert_eq!(stages, ["hidden", "hidden", "less_like_this", "muted", "blocked", "deleted"]);
}
