//! What trends, from whoever has it.

use std::time::Duration;

use connectors::redis::Sink;
use schemas::{
    PostId, Trending, TrendingEntry, TrendingList, TrendingPost, TrendingWindow, UserId,
};
use serde_json::{Value, json};
use warp::http::StatusCode;

use super::world::{NOW, World};

/// Lists of the current hour and the next, in which the second post overtakes the first.
fn trending(as_of_ms: i64) -> Trending {
    let post = |id: u8, likes| TrendingPost {
        post: PostId([id; 16]),
        author: UserId([9; 16]),
        created_at_ms: NOW - 1,
        likes,
        comments: 0,
        shares: 0,
    };
    let window = TrendingWindow::Day;
    let list = |bucket, places: [u16; 2]| {
        let entries = places.map(|place| TrendingEntry { place, score: 7 }).to_vec();
        TrendingList { window, bucket, entries }
    };
    let hour = window.bucket_of(NOW);
    let lists = vec![list(hour, [0, 1]), list(hour + 1, [1, 0])];
    Trending { as_of_ms, posts: vec![post(1, 3), post(2, 4)], lists }
}

/// The posts of an answer by their first byte, then who answered, and whether nobody had anything.
fn shown(answer: &Value) -> (Vec<String>, Value, Value) {
    let items = answer["items"].as_array().unwrap().iter();
    let posts = items.map(|item| item["post_id"].as_str().unwrap()[..2].to_owned()).collect();
    (posts, answer["source"].clone(), answer["fallback"].clone())
}

async fn asked(world: &World, query: &str) -> Value {
    let (status, answer) = world.feed(&format!("/trending{query}")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

#[tokio::test]
async fn the_list_is_that_of_the_current_bucket_and_changes_with_the_clock() {
    let world = World::new();
    *world.state.1.lock().unwrap() = Some(trending(NOW));
    let answer = asked(&world, "").await;
    let posts = |ids: [&str; 2]| ids.map(str::to_owned).to_vec();
    assert_eq!(shown(&answer), (posts(["01", "02"]), json!("state"), json!(false)));
    let counts = json!({"likes": 3, "comments": 0, "shares": 0});
    assert_eq!((&answer["items"][0]["counts"], &answer["items"][0]["score"]), (&counts, &json!(7)));
    assert_eq!(shown(&asked(&world, "?window=24h&limit=1").await).0, ["01"]);
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(shown(&asked(&world, "").await).0, posts(["02", "01"]));
}

#[tokio::test]
async fn redis_answers_first_and_an_empty_list_is_a_fallback() {
    let (stack, world) = World::with_redis();
    let nothing = (vec![], Value::Null, json!(true));
    assert_eq!(shown(&asked(&world, "").await), nothing);
    Sink::open(stack.redis()).unwrap().trending(&trending(NOW)).await.unwrap();
    let answer = asked(&world, "").await;
    assert_eq!((&answer["source"], &answer["as_of"]), (&json!("redis"), &json!(NOW)));
    assert_eq!(shown(&asked(&world, "?window=1h").await), (vec![], json!("redis"), json!(true)));
}

#[tokio::test]
async fn a_query_that_cannot_be_meant_names_its_parameter() {
    let (status, answer) = World::new().feed("/trending?window=2h&limit=0").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let fields = answer["error"]["fields"].as_array().unwrap();
    let named: Vec<_> = fields.iter().map(|field| field["field"].as_str().unwrap()).collect();
    assert_eq!(named, ["limit", "window"], "{answer}");
}
