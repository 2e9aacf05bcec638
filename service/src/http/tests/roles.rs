//! Who may do what: every route, and what of it takes a role, by every role.

use http_body_util::Full;
use serde_json::json;
use warp::http::{Method, Request};
use warp::hyper::body::Bytes;

use super::world::{ME, NOW, OTHER, World, held};
use crate::http::routes::ROUTES;
use crate::identity::Role;

const POST: &str = "d0000000-0000-4000-8000-000000000001";

async fn status(
    world: &World,
    (method, path): (&Method, &str),
    body: &str,
    token: Option<String>,
) -> u16 {
    let request =
        Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = match token {
        Some(token) => request.header("authorization", token),
        None => request,
    };
    let request = request.body(Full::from(Bytes::from(body.to_owned())));
    world.ask(request.unwrap()).await.0.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_is_anybodys_and_every_role_may_do_what_a_reader_may() {
    let world = World::new();
    world.hold(ME, held(1));
    for route in &ROUTES {
        // What is followed live has no end.
        if route.name == "stream" {
            continue;
        }
        let path = route.path.replace("{post_id}", POST);
        let asked = (&route.method, &*path);
        assert_eq!(status(&world, asked, "{}", None).await, 401, "{}", route.name);
        for role in Role::ALL {
            let token = Some(world.token(ME, &[role.name()]));
            let found = status(&world, asked, "{}", token).await;
            assert!(![401, 403].contains(&found), "{} {role:?}: {found}", route.name);
        }
    }
}

#[tokio::test]
async fn what_is_of_another_takes_the_role_for_it() {
    let world = World::new();
    world.hold(OTHER, held(1));
    let (feed, why) =
        (format!("/api/v1/feed?user={OTHER}"), format!("/api/v1/feed/explain/{POST}?user={OTHER}"));
    let event = json!({"user_id": OTHER, "post_id": POST, "action": "like", "event_time": NOW});
    let events = json!({"events": [event]}).to_string();
    let rows = [
        (Method::GET, &*feed, "", [403, 403, 200, 403]),
        (Method::GET, &*why, "", [403, 403, 503, 403]),
        (Method::POST, "/api/v1/events", &*events, [403, 202, 403, 403]),
    ];
    for (method, path, body, expected) in rows {
        for (role, expected) in Role::ALL.into_iter().zip(expected) {
            let token = Some(world.token(ME, &[role.name()]));
            let found = status(&world, (&method, path), body, token).await;
            assert_eq!(found, expected, "{method} {path} {role:?}");
        }
    }
}
