//! Pages of feeds that change while they are read: nothing comes twice, nothing is left out, and nothing that may not be shown.
//!
//! `FEED_WALKS=10000` is the long form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use schemas::{FeedBody, FeedItem, FeedVersion, PostId, Sources, Trending, UserId};
use serde_json::Value;
use topologies::engagement::post::Post;
use uuid::Uuid;
use warp::http::{Request, StatusCode};

use super::world::{ME, NOW, OTHER, World};
use crate::read::{
    Guarded, Held, ItemKnown, Items, LocalState, PostKnown, RankedTier, Source, StateFault,
    StateFeeds,
};

const HOUR_MS: i64 = 3_600_000;

/// Random numbers by seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// Posts of which some were deleted, seen, or became so old that no ranking has them.
#[derive(Default)]
struct Moving {
    posts: BTreeMap<PostId, FeedItem>,
    deleted: BTreeSet<PostId>,
    seen: BTreeSet<PostId>,
    unlisted: BTreeSet<PostId>,
}

impl Moving {
    fn may_be_shown(&self, post: &PostId) -> bool {
        !self.deleted.contains(post) && !self.seen.contains(post)
    }
}

struct State(Arc<Mutex<Moving>>);

impl StateFeeds for State {
    fn feed(&self, _user: UserId, now_ms: i64) -> Result<Option<Held>, StateFault> {
        let moving = self.0.lock().unwrap();
        let listed = moving.posts.values().filter(|item| {
            moving.may_be_shown(&item.post) && !moving.unlisted.contains(&item.post)
        });
        let mut items: Vec<_> = listed.copied().collect();
        items.sort_by_key(|item| std::cmp::Reverse((item.likes, item.post)));
        items.truncate(100);
        let valid_until_ms = now_ms + 600_000;
        let body = FeedBody { as_of_ms: now_ms, valid_until_ms, items, ..FeedBody::default() };
        let body = FeedBody { weight_set: schemas::V1, ..body };
        let version = FeedVersion { feeds_epoch: 0, version: 7 };
        Ok(Some(Held { version, body, is_published: true }))
    }

    fn trending(&self) -> Result<Option<Trending>, StateFault> {
        Ok(None)
    }

    fn items(
        &self,
        _user: UserId,
        posts: &[PostId],
        _now_ms: i64,
    ) -> Result<Option<Items>, StateFault> {
        let moving = self.0.lock().unwrap();
        let mut items = Items::default();
        for post in posts.iter().filter(|post| !moving.seen.contains(post)) {
            if moving.deleted.contains(post) || moving.unlisted.contains(post) {
                items.unlisted.push(Uuid::from_bytes(post.0));
            } else {
                items.items.extend(moving.posts.get(post).map(ItemKnown::from));
            }
        }
        Ok(Some(items))
    }

    fn post(&self, post: PostId) -> Result<Option<PostKnown>, StateFault> {
        let moving = self.0.lock().unwrap();
        let item = moving.posts.get(&post).filter(|_| !moving.deleted.contains(&post));
        Ok(Some(item.map_or_else(|| PostKnown::of(&Post::default()), PostKnown::live)))
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

fn item(id: u64, random: &mut Random) -> FeedItem {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&id.to_be_bytes());
    FeedItem {
        post: PostId(bytes),
        author: UserId([random.below(40) as u8; 16]),
        created_at_ms: NOW - random.below(70) as i64 * HOUR_MS,
        likes: random.below(50) as u32,
        exposures: 60,
        sources: Sources::FOLLOW,
        ..FeedItem::default()
    }
}

/// What happens between two pages.
fn move_on(moving: &mut Moving, next: &mut u64, random: &mut Random) {
    let ids: Vec<_> = moving.posts.keys().copied().collect();
    for _ in 0..random.below(6) {
        let post = ids[random.below(ids.len())];
        match random.below(6) {
            0 => drop(moving.deleted.insert(post)),
            1 => drop(moving.seen.insert(post)),
            2 => drop(moving.unlisted.insert(post)),
            3 => {
                *next += 1;
                let fresh = FeedItem { created_at_ms: NOW, likes: 60, ..item(*next, random) };
                moving.posts.insert(fresh.post, fresh);
            }
            _ => {
                let likes = random.below(90) as u32;
                moving.posts.entry(post).and_modify(|item| item.likes = likes);
            }
        }
    }
}

fn world(moving: &Arc<Mutex<Moving>>) -> World {
    let state = Arc::new(State(Arc::clone(moving)));
    World::with(|tiers, guard| {
        let clock = Arc::new(millstream::ManualClock::at(millstream::Timestamp(NOW)));
        let tier: Box<dyn RankedTier> =
            Box::new(LocalState { feeds: state, clock, elsewhere: None });
        let guard = crate::read::Guard { wait: Duration::from_secs(30), ..guard(Source::State) };
        tiers.state = Some(Guarded::new(tier, guard));
    })
}

async fn page(world: &World, token: &str, query: &str) -> (StatusCode, Value) {
    let request = Request::get(format!("/api/v1/feed?{query}")).header("authorization", token);
    world.ask(request.body(Full::default()).unwrap()).await
}

fn posts(page: &Value) -> Vec<PostId> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["post_id"].as_str().unwrap().parse().unwrap()).collect()
}

/// Reads a feed to its end while it changes; how many items that were.
async fn walk(
    (world, token): (&World, &str),
    moving: &Mutex<Moving>,
    random: &mut Random,
) -> usize {
    let mut next = 1_000;
    {
        let mut moving = moving.lock().unwrap();
        *moving = Moving::default();
        let many = 1 + random.below(120);
        moving.posts =
            (0..many as u64).map(|id| item(id, random)).map(|of| (of.post, of)).collect();
    }
    let (_, whole) = page(world, token, "limit=100").await;
    let snapshot = posts(&whole);
    let limit = 1 + random.below(30);
    let (_, mut current) = page(world, token, &format!("limit={limit}")).await;
    let (mut walked, mut removed) = (posts(&current), BTreeSet::<PostId>::new());
    while let Some(cursor) = current["cursor"].as_str() {
        {
            let mut moving = moving.lock().unwrap();
            move_on(&mut moving, &mut next, random);
            removed.extend(moving.posts.keys().filter(|post| !moving.may_be_shown(post)).copied());
        }
        let limit = 1 + random.below(30);
        let (status, following) =
            page(world, token, &format!("limit={limit}&cursor={cursor}")).await;
        assert_eq!(status, StatusCode::OK, "{following}");
        let shown = posts(&following);
        assert!(shown.iter().all(|post| moving.lock().unwrap().may_be_shown(post)));
        assert!(following["cursor"].is_null() || shown.len() == limit, "a page is full");
        let places = following["items"].as_array().unwrap().iter();
        let places: Vec<_> = places.map(|of| of["ctx"]["position"].as_u64().unwrap()).collect();
        let from = walked.len() as u64 + 1;
        assert_eq!(places, (from..from + shown.len() as u64).collect::<Vec<_>>());
        walked.extend(shown);
        current = following;
    }
    assert_eq!(walked.iter().collect::<BTreeSet<_>>().len(), walked.len(), "nothing comes twice");
    let left: Vec<_> = snapshot.iter().filter(|post| walked.contains(post)).copied().collect();
    assert_eq!(left, walked, "in the order of the snapshot, and nothing else");
    let lacking = snapshot.iter().filter(|post| !walked.contains(post) && !removed.contains(post));
    assert_eq!(lacking.count(), 0, "nothing is left out");
    walked.len()
}

#[tokio::test]
async fn walks_over_feeds_that_change_repeat_nothing_and_leave_nothing_out() {
    let walks = std::env::var("FEED_WALKS").map_or(300, |walks| walks.parse().unwrap());
    let moving = Arc::new(Mutex::new(Moving::default()));
    let world = world(&moving);
    let (mut items, mut token) = (0, String::new());
    for seed in 0..walks {
        if seed % 500 == 0 {
            token = world.token(ME, &[]);
        }
        items += walk((&world, &token), &moving, &mut Random(seed)).await;
    }
    assert!(items as u64 > walks * 30, "{items}");
}

#[tokio::test]
async fn a_cursor_that_is_changed_foreign_or_old_is_refused_with_the_reason() {
    let moving = Arc::new(Mutex::new(Moving::default()));
    let world = world(&moving);
    let mut random = Random(7);
    moving.lock().unwrap().posts =
        (0..20).map(|id| item(id, &mut random)).map(|of| (of.post, of)).collect();
    let [mine, theirs] = [ME, OTHER].map(|of| world.token(of, &[]));
    let (_, first) = page(&world, &mine, "limit=5").await;
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    let changed = format!("{}A{}", &cursor[..40], &cursor[41..]);
    let reason = |answer: (StatusCode, Value)| {
        let fault = &answer.1["error"]["fields"][0];
        assert_eq!((answer.0, fault["field"].as_str()), (StatusCode::BAD_REQUEST, Some("cursor")));
        fault["message"].as_str().unwrap().to_owned()
    };
    let of = |token: &str, cursor: &str| (token.to_owned(), format!("cursor={cursor}"));
    let rows = [
        (of(&mine, "abc"), "is no cursor of this service"),
        (of(&mine, &changed), "was changed, or signed by another key"),
        (of(&theirs, &cursor), "is another reader's"),
    ];
    for ((token, query), words) in rows {
        assert_eq!(reason(page(&world, &token, &query).await), words);
    }
    let (status, refused) = page(&world, &mine, &format!("algo=timeline&cursor={cursor}")).await;
    assert_eq!(
        (status, &refused["error"]["fields"][0]["field"]),
        (StatusCode::BAD_REQUEST, &"algo".into())
    );
    // Each page keeps the way open for ten minutes more.
    world.clock.advance(Duration::from_secs(600));
    let (status, second) = page(&world, &mine, &format!("limit=5&cursor={cursor}")).await;
    assert_eq!(status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(1));
    let words = "has expired: it was not used for 10 minutes; begin again without it";
    assert_eq!(reason(page(&world, &mine, &format!("cursor={cursor}")).await), words);
    let cursor = second["cursor"].as_str().unwrap();
    let (status, third) = page(&world, &mine, &format!("cursor={cursor}")).await;
    assert_eq!((status, third["items"].as_array().unwrap().len()), (StatusCode::OK, 10));
}

#[tokio::test]
async fn a_newer_cursor_gives_what_ranks_above_since_and_nothing_twice() {
    let moving = Arc::new(Mutex::new(Moving::default()));
    let world = world(&moving);
    let mut random = Random(9);
    let old = |id, random: &mut Random| FeedItem {
        created_at_ms: NOW - 60 * HOUR_MS,
        likes: 0,
        ..item(id, random)
    };
    moving.lock().unwrap().posts =
        (0..20).map(|id| old(id, &mut random)).map(|of| (of.post, of)).collect();
    let token = world.token(ME, &[]);
    let (_, first) = page(&world, &token, "limit=5").await;
    let newer = |page: &Value| format!("cursor={}", page["newer_cursor"].as_str().unwrap());
    let (_, nothing) = page(&world, &token, &newer(&first)).await;
    assert_eq!((posts(&nothing), &nothing["cursor"]), (vec![], &Value::Null));
    let fresh = FeedItem { created_at_ms: NOW, likes: 50, ..item(500, &mut random) };
    moving.lock().unwrap().posts.insert(fresh.post, fresh);
    let (_, one) = page(&world, &token, &newer(&nothing)).await;
    assert_eq!(posts(&one), [fresh.post]);
    let (_, none) = page(&world, &token, &newer(&one)).await;
    assert_eq!(posts(&none), []);
    // It stands below what the reader has.
    let below = FeedItem { created_at_ms: NOW - 71 * HOUR_MS, ..old(501, &mut random) };
    moving.lock().unwrap().posts.insert(below.post, below);
    assert_eq!(posts(&page(&world, &token, &newer(&none)).await.1), []);
}
