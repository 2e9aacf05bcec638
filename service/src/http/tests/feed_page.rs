//! The page: only where it was asked for, by a policy that lets nothing else in, and a cast only for this machine.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use uuid::Uuid;
use warp::http::{Request, StatusCode};
use warp::hyper::body::Bytes;
use warp::reply::Response;

use super::world::World;
use crate::http::cast::{Cast, Reader};
use crate::http::feed_page::FeedPage;
use crate::http::public;

const FILES: [(&str, &str); 5] = [
    ("/page/looks.css", "text/css; charset=utf-8"),
    ("/page", "text/html; charset=utf-8"),
    ("/page/feed.css", "text/css; charset=utf-8"),
    ("/page/feed.js", "text/javascript; charset=utf-8"),
    ("/page/feed.svg", "image/svg+xml"),
];

async fn ask(world: &World, path: &str, header: (&str, &str)) -> Response {
    let request = Request::get(path).header(header.0, header.1).body(Full::<Bytes>::default());
    TowerToHyperService::new(warp::service(public(&world.api)))
        .call(request.unwrap())
        .await
        .unwrap()
}

fn said(answer: &Response, name: &str) -> String {
    answer.headers()[name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_of_the_page_is_there_unless_it_was_asked_for() {
    let world = World::new();
    for path in ["/", "/page", "/page/feed.js", "/page/readers.json", "/page/names.json"] {
        let (status, refused) = world.ask(Request::get(path).body(Full::default()).unwrap()).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (StatusCode::NOT_FOUND, &json!("not_found"))
        );
    }
}

#[tokio::test]
async fn each_file_is_served_by_a_policy_that_lets_nothing_else_in_and_not_again_where_it_is_held()
{
    let world = World::with_page(FeedPage::default());
    for (path, media) in FILES {
        let answer = ask(&world, path, ("accept", "*/*")).await;
        assert_eq!((answer.status(), &*said(&answer, "content-type")), (StatusCode::OK, media));
        let policy = said(&answer, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
            "{policy}"
        );
        let others = ["x-content-type-options", "referrer-policy", "cache-control"];
        let expected = ["nosniff", "no-referrer", "no-cache"];
        assert_eq!(others.map(|name| said(&answer, name)), expected);
        let tag = said(&answer, "etag");
        assert!(!answer.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
        for held in [tag.clone(), format!("\"x\", W/{tag}")] {
            let again = ask(&world, path, ("if-none-match", &held)).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path} {held}");
            assert!(again.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
        }
    }
    for (path, to) in [("/", "page"), ("/page/", "../page")] {
        let moved = ask(&world, path, ("accept", "*/*")).await;
        let told = (moved.status(), &*said(&moved, "location"));
        assert_eq!(told, (StatusCode::TEMPORARY_REDIRECT, to), "{path}");
    }
    let post = Request::post("/page").body(Full::default()).unwrap();
    assert_eq!(world.ask(post).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(&world, "/page/x", ("accept", "*/*")).await.status(), StatusCode::NOT_FOUND);
}

/// A browser would not run it: the policy forbids what stands in the page itself.
#[tokio::test]
async fn the_page_has_nothing_inline_and_no_address_of_elsewhere() {
    let world = World::with_page(FeedPage::default());
    for (path, _) in FILES {
        let answer = ask(&world, path, ("accept", "*/*")).await;
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for word in ["http:", "https:", "style=", "<style", "onclick=", "innerHTML", "eval("] {
            assert!(!text.contains(word), "{path}: {word}");
        }
    }
}

async fn told(world: &World, path: &str, host: &str) -> Value {
    let answer = ask(world, path, ("host", host)).await;
    assert_eq!(
        (answer.status(), &*said(&answer, "cache-control")),
        (StatusCode::OK, "private, no-store")
    );
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn readers_and_names_are_told_of_a_cast_and_only_to_who_names_this_machine() {
    let cast = Arc::new(Cast::default());
    let (user_id, username) = (Uuid::from_bytes([1; 16]), "mira.frost".to_owned());
    let reader = Reader { user_id, username, favourite: "birds", token: "a.b.c".to_owned() };
    cast.read_by(vec![reader.clone()]);
    cast.name([2; 16], "A heron.");
    let world = World::with_page(FeedPage::with(cast));
    let post = Uuid::from_bytes([2; 16]).to_string();
    let names = format!("/page/names.json?of={post}");
    let readers = told(&world, "/page/readers.json", "localhost:8080").await;
    assert_eq!(readers, json!({"readers": [reader]}));
    let said = told(&world, &names, "127.0.0.1").await;
    assert_eq!(said["names"][&post], "A heron.");
    for host in ["feed.example", "10.0.0.1:8080"] {
        assert_eq!(told(&world, "/page/readers.json", host).await, json!({"readers": []}));
        assert_eq!(told(&world, &names, host).await, json!({"names": {}}));
    }
    let real = World::with_page(FeedPage::default());
    assert_eq!(told(&real, "/page/readers.json", "localhost").await, json!({"readers": []}));
}
