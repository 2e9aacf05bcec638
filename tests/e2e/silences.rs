//! What a reader does not want to see is gone from all four tiers: Redis, a worker's state, ClickHouse, PostgreSQL.

use serde_json::json;

use crate::tiers::{self, post};
use crate::world::World;
use crate::{AUTHOR, READER};

const TIERS: [&str; 4] = ["redis", "state", "clickhouse", "postgres"];

/// Authors have the digits of their posts at the end.
fn author(number: u8) -> String {
    format!("{}{number:02x}", &AUTHOR[..34])
}

fn all_show(world: &World, after: &str, expected: &[u8]) {
    tiers::all_show(world, &TIERS, after, expected);
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
