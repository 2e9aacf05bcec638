//! `GET /openapi.json`: the document, the routes and their answers are equal.

use http_body_util::Full;
use serde_json::{Value, json};
use warp::http::{Request, StatusCode};

use super::world::{ME, World, held};
use crate::http::routes::ROUTES;

async fn document(world: &World) -> Value {
    let request = Request::get("/openapi.json").body(Full::default()).unwrap();
    let (status, document) = world.ask(request).await;
    assert_eq!(status, StatusCode::OK);
    document
}

/// A value with what it refers to in its place.
fn resolved<'d>(document: &'d Value, of: &'d Value) -> &'d Value {
    match of["$ref"].as_str() {
        Some(place) => {
            document.pointer(&place[1..]).unwrap_or_else(|| panic!("{place} is nowhere"))
        }
        None => of,
    }
}

/// The fields that a schema of an object has, those of what it is composed of too.
fn fields<'d>(document: &'d Value, schema: &'d Value) -> Vec<&'d str> {
    let schema = resolved(document, schema);
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let parts = schema["allOf"].as_array().into_iter().flatten();
    own.chain(parts.flat_map(|part| fields(document, part))).collect()
}

#[tokio::test]
async fn the_document_has_every_route_with_its_parameters_and_nothing_else() {
    let document = document(&World::new()).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), ROUTES.len());
    for route in &ROUTES {
        let operation = &paths[route.path][route.method.as_str().to_lowercase()];
        let named = operation["parameters"].as_array().into_iter().flatten();
        let named: Vec<_> = named.map(|of| of["name"].as_str().unwrap()).collect();
        let expected = route.segment.iter().chain(route.parameters).map(|of| of.name());
        let expected: Vec<_> = expected.collect();
        assert_eq!((operation["operationId"].as_str(), named), (Some(route.name), expected));
        let status = route.answer.0.to_string();
        let answer = &operation["responses"][status]["content"][route.media]["schema"];
        assert!(!fields(&document, answer).is_empty(), "{}", route.path);
    }
}

#[tokio::test]
async fn every_parameter_that_the_document_has_is_read_and_a_wrong_one_is_named() {
    let world = World::new();
    world.hold(ME, held(7));
    for route in &ROUTES {
        for of in route.parameters {
            let request = Request::builder()
                .method(&route.method)
                .uri(format!("{}?{}=!", route.path, of.name()))
                .header("authorization", world.token(ME, &[]))
                .body(Full::default());
            let (status, refused) = world.ask(request.unwrap()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{}", route.path);
            let mut faults = refused["error"]["fields"].as_array().unwrap().iter();
            assert!(faults.any(|fault| fault["field"] == of.name()), "{refused}");
        }
    }
}

#[tokio::test]
async fn what_a_feed_answers_is_what_the_document_says() {
    let world = World::new();
    world.hold(ME, held(7));
    let document = document(&world).await;
    let (_, feed) = world.feed("?explain=1").await;
    let schemas = &document["components"]["schemas"];
    for (schema, answer) in [
        ("Feed", &feed),
        ("FeedItem", &feed["items"][0]),
        ("FeedCounts", &feed["items"][0]["counts"]),
        ("Ctx", &feed["items"][0]["ctx"]),
        ("Explain", &feed["items"][0]["explain"]),
        ("Terms", &feed["items"][0]["explain"]["terms"]),
    ] {
        let mut told = fields(&document, &schemas[schema]);
        let mut found: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        told.sort_unstable();
        found.sort_unstable();
        assert!(!told.is_empty());
        assert_eq!(told, found, "{schema}");
    }
}

#[tokio::test]
async fn an_event_is_described_by_the_schema_that_producers_have() {
    let document = document(&World::new()).await;
    let event = &document["components"]["schemas"]["Event"];
    assert_eq!(event["required"], json!(["event_time", "post_id", "action"]));
    assert_eq!(event["properties"]["action"]["enum"][6], "dwell");
    assert_eq!(event["properties"]["ctx"]["properties"]["position"]["type"], "integer");
    assert_eq!(event["properties"]["post_id"]["format"], "uuid");
    let refused = &document["components"]["schemas"]["Refusal"];
    assert_eq!(fields(&document, refused), ["error", "request_id"]);
}
