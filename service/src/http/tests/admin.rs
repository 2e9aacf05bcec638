//! The routes of operators: who is let in, what they change, and what follows from it.

use std::sync::Arc;

use http_body_util::Full;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use uuid::Uuid;
use warp::http::{Method, Request, StatusCode};
use warp::hyper::body::Bytes;

use super::world::{ME, NOW, World, answer, held};
use crate::dead_letters::tests::{cluster, likes};
use crate::flags::{Flag, FlagValue, FollowedFlags, SetFlags, Setting};
use crate::health::{KAFKA, Seen};
use crate::http::admin::routes::ROUTES;
use crate::http::admin::{Admin, admin};
use crate::http::body::Bounds;
use crate::http::feed_page::FeedPage;
use crate::identity::{Role, Verifier};
use crate::read::Source;
use crate::replay::{self, Instances};
use crate::secrets::Secrets;
use crate::stores::announcement::{Announcement, Shown, Signer};
use crate::stores::directory::Directory;
use crate::token;

const AUDIENCE: &str = "operators";
const WHY: &str = "to try it";

fn operators(world: &World) -> Arc<Admin> {
    operators_who_hear(world, Arc::default())
}

fn operators_who_hear(world: &World, directory: Arc<Directory>) -> Arc<Admin> {
    let broker = Arc::new(world.broker.clone());
    let live = replay::Live::new("feedmill");
    let own = Some(("feedmill", directory));
    let instances = Instances::new(broker.clone(), live.clone(), own, Signer::of(None));
    Arc::new(Admin {
        verifier: Verifier::new(&world.auth.for_audience(AUDIENCE)).unwrap(),
        secrets: Secrets::of("sesame\nolder sesame").ok(),
        broker,
        live,
        flags: FollowedFlags::default(),
        feeds: None,
        reads: Arc::clone(&world.api.reads),
        health: Arc::default(),
        instances,
        clock: world.clock.clone(),
        metrics: Arc::clone(&world.metrics),
        body: Bounds { bytes_max: 64 * 1024, wait: std::time::Duration::from_secs(30) }.into(),
    })
}

fn token(world: &World, role: Role) -> String {
    let auth = world.auth.for_audience(AUDIENCE);
    format!("Bearer {}", token::sign(&auth, ME, &[role.name().to_owned()], 60).unwrap())
}

async fn asked(
    of: &Arc<Admin>,
    (method, path): (&Method, &str),
    body: &Value,
    authorization: Option<&str>,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    let request = match authorization {
        Some(shown) => request.header("authorization", shown),
        None => request,
    };
    let request = request.body(Full::from(Bytes::from(body.to_string()))).unwrap();
    answer(TowerToHyperService::new(warp::service(admin(of))), request).await
}

async fn put(of: &Arc<Admin>, body: Value) -> (StatusCode, Value) {
    asked(of, (&Method::PUT, "/admin/flags"), &body, Some("Bearer sesame")).await
}

async fn get(of: &Arc<Admin>, path: &str) -> (StatusCode, Value) {
    asked(of, (&Method::GET, path), &Value::Null, Some("Bearer older sesame")).await
}

async fn post(of: &Arc<Admin>, path: &str, body: Value) -> (StatusCode, Value) {
    asked(of, (&Method::POST, path), &body, Some("Bearer sesame")).await
}

fn faulty(refused: &Value) -> Vec<&str> {
    let fields = refused["error"]["fields"].as_array().into_iter().flatten();
    fields.map(|fault| fault["field"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_takes_the_role_admin_in_a_token_for_operators_or_their_secret() {
    let world = World::new();
    let of = operators(&world);
    let users = world.token(ME, &["admin"]);
    for route in &ROUTES {
        let path = route.path.replace("{place}", "0@0");
        let route = (&route.method, &*path);
        let strangers =
            [None, Some(&*users), Some("Bearer guess"), Some("Basic sesame"), Some("Bearer ")];
        for shown in strangers {
            let (status, _) = asked(&of, route, &json!({}), shown).await;
            assert_eq!(status, 401, "{route:?} {shown:?}");
        }
        for role in Role::ALL {
            let (status, _) = asked(&of, route, &json!({}), Some(&token(&world, role))).await;
            assert_eq!(status == 403, role != Role::Admin, "{route:?} {role:?}: {status}");
            assert_ne!(status, 401, "{route:?} {role:?}");
        }
        for secret in ["Bearer sesame", "Bearer older sesame"] {
            let (status, _) = asked(&of, route, &json!({}), Some(secret)).await;
            assert!(![401, 403].contains(&status.as_u16()), "{route:?}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_flags_is_told_with_who_made_it_and_why() {
    let world = World::new();
    let of = operators(&world);
    let wanted = json!({"flags": {"ranked_percent": 10, "page": false}, "why": WHY, "version": 0});
    let route = (&Method::PUT, "/admin/flags");
    let (status, changed) = asked(&of, route, &wanted, Some(&token(&world, Role::Admin))).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["now"]["flags"]["ranked_percent"]["value"], 10);
    assert_eq!(changed["changes"].as_array().unwrap().len(), 2);
    let (status, refused) = put(&of, wanted).await;
    assert_eq!((status.as_u16(), faulty(&refused)), (409, vec!["version"]));
    let (_, again) = put(&of, json!({"flags": {"page": true}, "why": "enough"})).await;
    assert_eq!(
        (&again["changes"][0]["from"], &again["changes"][0]["to"]),
        (&json!(false), &json!(true))
    );
    let (_, told) = get(&of, "/admin/flags/changes?limit=2").await;
    let told = told["changes"].as_array().unwrap();
    let words: Vec<_> =
        told.iter().map(|of| (of["who"].as_str().unwrap(), of["why"].as_str().unwrap())).collect();
    let me = format!("user {ME}");
    assert_eq!(words, [("the admin secret", "enough"), (&*me, WHY)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_change_is_named_and_nothing_is_changed() {
    let world = World::new();
    let of = operators(&world);
    let flags =
        json!({"pages": true, "page": 1, "ranked_percent": 101, "arms": "off", "streams": false});
    let (status, refused) = put(&of, json!({"flags": flags, "version": -1, "by": "me"})).await;
    assert_eq!(status, 400, "{refused}");
    let expected =
        ["by", "flags.arms", "flags.page", "flags.pages", "flags.ranked_percent", "why", "version"];
    assert_eq!(faulty(&refused), expected);
    for body in [json!({}), json!({"flags": {}, "why": WHY}), json!({"flags": [], "why": WHY})] {
        let (status, refused) = put(&of, body).await;
        assert_eq!((status.as_u16(), faulty(&refused)[0]), (400, "flags"));
    }
    // With no tier left nobody would be answered.
    let tiers = ["redis", "state", "clickhouse", "postgres"].map(|of| format!("tier.{of}"));
    let off: serde_json::Map<_, _> = tiers.into_iter().map(|of| (of, json!(false))).collect();
    let (status, refused) = put(&of, json!({"flags": off, "why": WHY})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let (_, told) = get(&of, "/admin/flags/changes").await;
    assert_eq!(told["changes"], json!([]));
}

#[tokio::test]
async fn weight_sets_are_put_and_listed_and_each_fault_of_them_is_named() {
    let world = World::new();
    let of = operators(&world);
    let (status, none) = get(&of, "/admin/weights").await;
    assert_eq!((status, &none["in_force"]), (StatusCode::OK, &json!(0)), "{none}");
    let put = async |body: Value| {
        asked(&of, (&Method::PUT, "/admin/weights"), &body, Some("Bearer sesame")).await
    };
    let fresh = json!({"default": "fresh", "sets": {"fresh": {"id": 2, "freshness": 0.5}}});
    let (status, said) = put(fresh).await;
    assert_eq!((status, &said["version"]["version"]), (StatusCode::OK, &json!(1)), "{said}");
    let (_, known) = get(&of, "/admin/weights").await;
    assert_eq!((&known["in_force"], &known["versions"][0]["default"]), (&json!(1), &json!(2)));
    let (status, refused) = put(json!({"default": "old", "sets": {"a": {"id": "x"}}})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(faulty(&refused), ["sets.a.id", "default"], "{refused}");
}

#[tokio::test]
async fn whose_feed_is_meant_is_said_by_an_id_and_without_redis_there_is_none() {
    let world = World::new();
    let of = operators(&world);
    let path = |user: &str| format!("/debug/user/{user}/feed/cache");
    let (status, refused) = get(&of, &path("me")).await;
    assert_eq!((status, faulty(&refused)), (StatusCode::BAD_REQUEST, vec!["user_id"]));
    let (status, refused) = post(&of, "/admin/feed/invalidate", json!({"user": 1})).await;
    assert_eq!((status, faulty(&refused)), (StatusCode::BAD_REQUEST, vec!["user", "user_id"]));
    let (status, _) = post(&of, "/admin/feed/invalidate", json!({"user_id": ME})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&of, &path(&ME.to_string())).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn of_a_post_operators_are_told_what_state_knows() {
    let world = World::new();
    let of = operators(&world);
    let path = |post: &str| format!("/debug/post/{post}/metrics");
    let post = Uuid::from_bytes([0x12; 16]).to_string();
    assert_eq!(get(&of, &path(&post)).await.0, StatusCode::NOT_FOUND);
    world.hold(ME, held(1));
    let (status, known) = get(&of, &path(&post)).await;
    assert_eq!((status, &known["live"]), (StatusCode::OK, &json!(true)), "{known}");
    assert_eq!(known["author_id"], json!(Uuid::from_bytes([0x22; 16])));
    assert_eq!(known["age_ms"], json!(500));
    let counts = json!({"likes": 10, "comments": 5, "shares": 2, "exposures": 100});
    assert_eq!(known["counts"], counts);
    let (status, refused) = get(&of, &path("this")).await;
    assert_eq!((status, faulty(&refused)), (StatusCode::BAD_REQUEST, vec!["post_id"]));
    *world.state.0.lock().unwrap() = None;
    assert_eq!(get(&of, &path(&post)).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_state_of_the_system_names_components_and_who_runs_which_tasks() {
    let world = World::new();
    let directory = Arc::<Directory>::default();
    let of = operators_who_hear(&world, Arc::clone(&directory));
    let said = |at_ms| Announcement {
        url: "http://there:9464".to_owned(),
        at_ms,
        shows: [("reader".to_owned(), vec![Shown::default()])].into(),
    };
    directory.heard("one".to_owned(), Some(said(NOW)));
    directory.heard("gone".to_owned(), Some(said(NOW - 60_000)));
    let seen = Seen { up: true, fault: None, breaker: None, behind: None, at: NOW };
    of.health.note(KAFKA, seen);
    let (status, told) = get(&of, "/debug/system/state").await;
    assert_eq!((status, &told["application"]), (StatusCode::OK, &json!("feedmill")), "{told}");
    assert_eq!((&told["ready"], &told["components"]["kafka"]["up"]), (&json!(true), &json!(true)));
    let instances = told["instances"].as_object().unwrap();
    assert_eq!(instances.keys().collect::<Vec<_>>(), ["one"]);
    assert_eq!(instances["one"]["shows"]["reader"][0]["partition"], json!(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_shown_re_driven_and_dropped() {
    let world = World::new();
    let admin = Arc::into_inner(operators(&world)).unwrap();
    let of = Arc::new(Admin { broker: Arc::new(cluster(&likes(0..10))), ..admin });
    let (status, all) = get(&of, "/admin/dead-letters?limit=2&topic=cdc.likes").await;
    assert_eq!((status.as_u16(), &all["letters"]), (200, &json!(10)), "{all}");
    assert_eq!(all["newest"].as_array().unwrap().len(), 2);
    let (_, letter) = get(&of, "/admin/dead-letters/1@3").await;
    assert_eq!((&letter["place"], &letter["node"]), (&json!("1@3"), &json!("rows")));
    assert_eq!(get(&of, "/admin/dead-letters/1@99").await.0, 404);
    assert_eq!(get(&of, "/admin/dead-letters/here").await.0, 404);

    let two = json!({"places": ["1@3", "1@4"]});
    let dry = json!({"places": ["1@3", "1@4"], "dry_run": true});
    let (_, planned) = post(&of, "/admin/dead-letters/redrive", dry).await;
    assert_eq!((&planned["planned"], &planned["done"]), (&json!(2), &Value::Null));
    let (_, done) = post(&of, "/admin/dead-letters/redrive", two.clone()).await;
    assert_eq!((&done["done"], &done["left"]), (&json!(2), &json!(0)), "{done}");
    let (_, again) = post(&of, "/admin/dead-letters/redrive", two).await;
    assert_eq!((&again["done"], &again["absent"]), (&json!(0), &json!(["1@3", "1@4"])));
    let (_, dropped) = post(&of, "/admin/dead-letters/drop", json!({"all_letters": true})).await;
    assert_eq!(dropped["done"], 8);
    assert_eq!(get(&of, "/admin/dead-letters").await.1["letters"], 0);
    assert_eq!(get(&of, "/admin/dead-letters?all=1").await.1["letters"], 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_on_dead_letters_that_chooses_none_or_names_what_cannot_be_is_refused() {
    let world = World::new();
    let of = operators(&world);
    for (body, field) in [
        (json!({}), "all_letters"),
        (json!({"places": ["17"]}), "places[0]"),
        (json!({"reasons": ["tired"]}), "reasons[0]"),
        (json!({"all_letters": true, "rate": 0}), "rate"),
        (json!({"all_letters": true, "times_max": 0}), "times_max"),
        (json!({"all": true}), "body"),
    ] {
        let (status, refused) = post(&of, "/admin/dead-letters/redrive", body).await;
        assert_eq!((status.as_u16(), faulty(&refused)), (400, vec![field]));
    }
}

fn set(flag: Flag, value: FlagValue) -> SetFlags {
    let mut set = SetFlags::default();
    set.set(flag, Setting { value, version: 1, at_ms: 0, who: String::new(), why: String::new() });
    set
}

const OFF: FlagValue = FlagValue::Switch(false);

async fn public(world: &World, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path).header("authorization", world.token(ME, &[]));
    world.ask(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn a_tier_that_is_off_is_not_asked() {
    let world = World::flagged(set(Flag::Tier(Source::State), OFF), |_, _| {});
    world.hold(ME, held(1));
    let (status, refused) = world.feed("").await;
    assert_eq!((status.as_u16(), &refused["error"]["code"]), (503, &json!("unavailable")));
    let counted = world.metrics.text();
    assert!(counted.contains(r#"feedmill_tier_passed_total{reason="off",tier="state"}"#));
}

#[tokio::test]
async fn streams_and_the_page_are_not_there_while_they_are_off() {
    let world = World::flagged(set(Flag::Streams, OFF), |_, _| {});
    let (status, refused) = public(&world, "/api/v1/feed/stream").await;
    assert_eq!((status.as_u16(), &refused["error"]["code"]), (503, &json!("turned_off")));
    let mut world = World::flagged(set(Flag::Page, OFF), |_, _| {});
    Arc::get_mut(&mut world.api).unwrap().page = Some(FeedPage::default());
    assert_eq!(public(&world, "/page").await.0, 404);
}

#[tokio::test]
async fn whom_the_ranking_is_not_on_for_is_given_it_where_there_is_no_timeline_and_no_stream_of_it()
{
    let world = World::flagged(set(Flag::RankedPercent, FlagValue::Percent(0)), |_, _| {});
    world.hold(ME, held(1));
    let (status, feed) = world.feed("").await;
    assert_eq!(
        (status.as_u16(), &feed["algo"], &feed["source"]),
        (200, &json!("ranked"), &json!("state"))
    );
    assert_eq!(public(&world, "/api/v1/feed/stream").await.0, 503);
}
