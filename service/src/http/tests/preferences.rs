//! What a reader chooses gets to Kafka, all of it or none.

use http_body_util::Full;
use schemas::{Preferences, Wire};
use serde_json::{Value, json};
use warp::http::{Request, StatusCode};

use super::world::{ME, NOW, World, user};

async fn put(world: &World, body: &str) -> (StatusCode, Value) {
    let request = Request::put("/api/v1/feed/preferences")
        .header("authorization", world.token(ME, &[]))
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .body(Full::from(body.to_owned()));
    world.ask(request.unwrap()).await
}

#[tokio::test]
async fn what_is_chosen_is_answered_as_it_is_kept_and_stands_under_the_caller_in_kafka() {
    let world = World::new();
    let (status, answer) =
        put(&world, r#"{"following_only": true, "muted_words": ["Spoiler"]}"#).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let weights = json!({"freshness": 1.0, "engagement": 1.0, "affinity": 1.0});
    let expected = json!({"following_only": true, "weights": weights, "muted_words": ["spoiler"]});
    assert_eq!(answer, expected);
    let records = world.records("preferences");
    let kept = Preferences::decode(&records[0].1).unwrap();
    assert_eq!(records[0].0, user(ME).0);
    let muted_words = vec!["spoiler".to_owned()];
    let chosen = Preferences { following_only: true, muted_words, ..Preferences::default() };
    assert_eq!(kept, Preferences { at_ms: NOW, ..chosen });
}

#[tokio::test]
async fn a_faulty_choice_names_its_fields_and_changes_nothing() {
    let world = World::new();
    let bodies = [
        (r#"{"weights": {"affinity": 9}}"#, "weights.affinity"),
        (r#"{"muted_words": ["two words"]}"#, "muted_words[0]"),
        (r#"{"colour": 1}"#, "body"),
        ("[true]", "body"),
        (r#"{"following_only": "yes"}"#, "body"),
    ];
    for (body, field) in bodies {
        let (status, answer) = put(&world, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
        assert!(answer.to_string().contains(&format!("\"field\":\"{field}\"")), "{body}: {answer}");
    }
    assert_eq!(world.records("preferences"), []);
}
