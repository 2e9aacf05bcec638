//! `POST /api/v1/events`.

use http_body_util::Full;
use millstream::broker::partition_of;
use schemas::{Event, Payload};
use serde_json::json;
use warp::http::{Request, StatusCode};

use super::world::{ME, NOW, OTHER, PARTITIONS, World};

const POST: &str = "00000000-0000-4000-8000-000000000009";

fn batch(events: &[serde_json::Value]) -> String {
    json!({ "events": events }).to_string()
}

#[tokio::test]
async fn events_are_in_the_log_under_their_user_when_the_answer_comes() {
    let world = World::new();
    let like = json!({"post_id": POST, "action": "like", "event_time": NOW});
    let view = json!({"user_id": ME.to_string(), "post_id": POST, "action": "view", "event_time": NOW,
        "dwell_ms": 1200, "ctx": {"position": 3, "source": "redis"}});
    let (status, answer) = world.post(&batch(&[like.clone(), view, like]), &[]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(answer, json!({"received": 3, "accepted": 2, "duplicates": 1}));
    let key = ME.to_string().into_bytes();
    let records = world.records_in("events", partition_of(&key, PARTITIONS));
    let actions: Vec<_> = records
        .iter()
        .map(|(key, value)| {
            (key.clone(), Event::decode(&Payload::json(value)).unwrap().action.name())
        })
        .collect();
    assert_eq!(actions, [(key.clone(), "like"), (key.clone(), "view")]);
}

#[tokio::test]
async fn one_bad_event_refuses_the_batch_and_every_fault_has_its_place() {
    let world = World::new();
    let events = [
        json!({"post_id": POST, "action": "like", "event_time": NOW}),
        json!({"post_id": "x", "action": "stare", "event_time": NOW}),
        json!({"post_id": POST, "action": "view", "event_time": NOW + 600_001}),
        json!({"post_id": POST, "action": "dwell", "event_time": NOW, "dwell_ms": 3_600_001}),
    ];
    let (status, answer) = world.post(&batch(&events), &[]).await;
    let fields = answer["error"]["fields"].as_array().unwrap();
    let named: Vec<_> = fields
        .iter()
        .map(|fault| (fault["index"].as_u64().unwrap(), fault["field"].as_str().unwrap()))
        .collect();
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(named, [(1, "post_id"), (1, "action"), (2, "event_time"), (3, "dwell_ms")]);
    assert_eq!(world.records("events"), []);
}

#[tokio::test]
async fn nobody_writes_for_another_but_who_may_ingest() {
    let world = World::new();
    let theirs = batch(&[
        json!({"user_id": OTHER.to_string(), "post_id": POST, "action": "like", "event_time": NOW}),
    ]);
    let (status, answer) = world.post(&theirs, &[]).await;
    assert_eq!(
        (status, &answer["error"]["fields"][0]["field"]),
        (StatusCode::FORBIDDEN, &json!("user_id"))
    );
    assert_eq!(world.records("events"), []);
    let (status, _) = world.post(&theirs, &["ingest"]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(world.records("events")[0].0, OTHER.to_string().into_bytes());
}

#[tokio::test]
async fn what_is_no_batch_is_refused_with_the_reason() {
    let world = World::new();
    let event = json!({"post_id": POST, "action": "like", "event_time": NOW});
    let bodies = [
        (String::new(), StatusCode::BAD_REQUEST, "the request is not valid"),
        ("[]".to_owned(), StatusCode::BAD_REQUEST, "the request is not valid"),
        (r#"{"events":[]}"#.to_owned(), StatusCode::BAD_REQUEST, "the request is not valid"),
        (
            r#"{"events":[],"more":1}"#.to_owned(),
            StatusCode::BAD_REQUEST,
            "the request is not valid",
        ),
        (
            batch(&vec![event; 101]),
            StatusCode::PAYLOAD_TOO_LARGE,
            "a batch has at most 100 events, found 101",
        ),
        (
            "x".repeat(64 * 1024 + 1),
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 65536 bytes",
        ),
    ];
    for (body, status, message) in bodies {
        let (got, answer) = world.post(&body, &[]).await;
        assert_eq!((got, answer["error"]["message"].as_str()), (status, Some(message)));
    }
}

#[tokio::test]
async fn a_body_needs_its_type_and_not_its_length() {
    let world = World::new();
    let post = || Request::post("/api/v1/events").header("authorization", world.token(ME, &[]));
    let sized = post().header("content-length", 2).body(Full::from("{}")).unwrap();
    assert_eq!(world.ask(sized).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let unsized_ = post().header("content-type", "application/json").body(Full::from("{}"));
    assert_eq!(world.ask(unsized_.unwrap()).await.0, StatusCode::BAD_REQUEST);
}
