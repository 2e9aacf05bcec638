//! What a reader chooses holds in Redis and in state, and is there again after its worker was killed.

use serde_json::{Value, json};

use crate::tiers::{self, post};
use crate::world::World;
use crate::{AUTHOR, READER};

fn both_show(world: &World, after: &str, expected: &[u8]) {
    tiers::all_show(world, &["redis", "state"], after, expected);
}

fn choose(world: &World, chosen: &Value) {
    let token = world.token(READER);
    let (status, kept) = world.send("PUT", "/api/v1/feed/preferences", &token, chosen);
    assert_eq!(status, 202, "{kept}");
}

#[test]
fn muted_words_and_followees_alone_hold_in_redis_and_in_state_and_after_a_kill() {
    let world = World::start();
    let stranger = format!("{}ff", &AUTHOR[..34]);
    world.sql(&format!(
        "INSERT INTO users (id, username) VALUES
           ('{READER}', 'reader'), ('{AUTHOR}', 'author'), ('{stranger}', 'stranger');
         INSERT INTO follows (follower_id, followee_id) VALUES ('{READER}', '{AUTHOR}')"
    ));
    let texts = ["Cats and dogs", "A category", "cafe\u{301}, closed", "by a stranger"];
    for (number, text) in (1..).zip(texts) {
        let author = if number == 4 { &stranger } else { AUTHOR };
        let post = post(number);
        world.sql(&format!(
            "INSERT INTO posts (id, user_id, content) VALUES ('{post}', '{author}', '{text}')"
        ));
    }
    // What trends is everybody's.
    let event = json!({"post_id": post(4), "action": "share", "event_time": world.now_ms()});
    world.post_event(&stranger, &event);
    both_show(&world, "all were written", &[1, 2, 3, 4]);
    choose(&world, &json!({"muted_words": ["CATS", "café"]}));
    both_show(&world, "two words are muted", &[2, 4]);
    world.sql(&format!("UPDATE posts SET content = 'Dogs alone' WHERE id = '{}'", post(1)));
    both_show(&world, "the word was taken out", &[1, 2, 4]);
    world.kill_worker(0);
    world.start_worker(0);
    both_show(&world, "its worker was killed", &[1, 2, 4]);
    choose(&world, &json!({"following_only": true}));
    both_show(&world, "followees alone", &[1, 2, 3]);
    let path = format!("/api/v1/feed/explain/{}", post(4));
    let (_, why) = world.get(&path, Some(&world.token(READER)));
    assert_eq!(why["dropped"]["stage"], "not_followed", "{why}");
    choose(&world, &json!({}));
    both_show(&world, "nothing is chosen", &[1, 2, 3, 4]);
}
