//! Workers elsewhere, asked over loopback: who is asked, how often, and what a dead one costs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::broker::partition_of;
use millstream::{ManualClock, Timestamp};
use schemas::{PostId, Trending, UserId};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use topologies::engagement::post::Post;
use topologies::ranking::Weights;
use topologies::ranking::why::Verdict;
use uuid::Uuid;

use super::world::{held, showing};
use crate::config;
use crate::edge::tests::listening;
use crate::health::Health;
use crate::http::internal::{Internal, internal};
use crate::metrics::Metrics;
use crate::read::{
    Held, Items, PostKnown, RankedTier, RemoteState, StateFault, StateFeeds, TierFault, Why,
    Workers,
};
use crate::secrets::Secrets;

const PARTITIONS: i32 = 4;

/// A worker's state: of some partitions, with a feed for everybody in them.
#[derive(Default)]
struct Owned {
    partitions: Mutex<BTreeSet<i32>>,
    opening: Mutex<bool>,
    asked: Mutex<u32>,
}

impl StateFeeds for Owned {
    fn feed(&self, user: UserId, _now_ms: i64) -> Result<Option<Held>, StateFault> {
        *self.asked.lock().unwrap() += 1;
        if *self.opening.lock().unwrap() {
            return Err(StateFault::NotReady("opening".to_owned()));
        }
        match self.partitions.lock().unwrap().contains(&partition(user)) {
            true => Ok((user != STRANGER).then(|| held(7))),
            false => Err(StateFault::NotOwner),
        }
    }

    fn trending(&self) -> Result<Option<Trending>, StateFault> {
        Ok(None)
    }

    fn why(&self, user: UserId, post: PostId, now_ms: i64) -> Result<Option<Why>, StateFault> {
        let at = (&Weights::v1(), now_ms);
        let held = self.feed(user, now_ms)?;
        Ok(held.map(|held| Why::of(post, held.version, &Verdict::Unlisted, at)))
    }

    fn items(
        &self,
        user: UserId,
        posts: &[PostId],
        now_ms: i64,
    ) -> Result<Option<Items>, StateFault> {
        let held = self.feed(user, now_ms)?;
        let items = held.iter().flat_map(|held| held.body.items.iter().map(Into::into)).collect();
        let unlisted = posts.iter().map(|post| Uuid::from_bytes(post.0)).collect();
        Ok(Some(Items { items, unlisted }))
    }

    fn post(&self, post: PostId) -> Result<Option<PostKnown>, StateFault> {
        match self.partitions.lock().unwrap().contains(&partition(UserId(post.0))) {
            true => Ok(Some(PostKnown::of(&Post::default()))),
            false => Err(StateFault::NotOwner),
        }
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

const STRANGER: UserId = UserId([0xff; 16]);

fn partition(user: UserId) -> i32 {
    partition_of(&user.0, PARTITIONS)
}

/// A user of this partition.
fn user_in(wanted: i32) -> UserId {
    (0..).map(|of| UserId([of; 16])).find(|user| partition(*user) == wanted).unwrap()
}

/// A worker that listens.
struct Listening {
    state: Arc<Owned>,
    url: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    async fn with(partitions: &[i32]) -> Self {
        let state = Arc::new(Owned::default());
        state.partitions.lock().unwrap().extend(partitions);
        let of = Arc::new(Internal {
            health: Arc::new(Health::default()),
            metrics: Arc::new(Metrics::new().unwrap()),
            state: Some(state.clone() as Arc<dyn StateFeeds>),
            stores: None,
            console: None,
            elsewhere: None,
            secrets: Secrets::of("open sesame").ok(),
            asks_certificate: false,
            clock: Arc::new(ManualClock::at(Timestamp(0))),
        });
        let listener = listening(&[]).await;
        let url = format!("http://{}", listener.address().unwrap());
        let (stop, stopped) = watch::channel(false);
        let metrics = Arc::clone(&of.metrics);
        let task =
            tokio::spawn(async move { listener.serve(internal(&of), metrics, stopped).await });
        Self { state, url, stop, task }
    }

    fn asked(&self) -> u32 {
        *self.state.asked.lock().unwrap()
    }

    /// Closes its socket.
    async fn die(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

/// Asks workers at `urls`, each of which is left alone after two faults.
fn asking(urls: Vec<String>, secret: &str, wait: Duration) -> (RemoteState, Arc<ManualClock>) {
    let breaker = config::Breaker { failures: 2, ..config::Breaker::default() }.into();
    let credentials = showing(secret);
    let clock = Arc::new(ManualClock::at(Timestamp(0)));
    let of = Workers { urls, credentials, partitions: PARTITIONS, wait, breaker };
    (RemoteState::new(of, clock.clone()), clock)
}

const LONG: Duration = Duration::from_secs(30);

fn urls(workers: &[&Listening]) -> Vec<String> {
    workers.iter().map(|worker| worker.url.clone()).collect()
}

fn failed_with(found: Result<Option<Held>, TierFault>, words: &str) -> bool {
    matches!(&found, Err(TierFault::Failed(said)) if said.contains(words))
}

fn unready_with(found: Result<Option<Held>, TierFault>, words: &str) -> bool {
    matches!(&found, Err(TierFault::Unready(said)) if said.contains(words))
}

#[tokio::test]
async fn a_worker_shows_a_feed_to_who_knows_the_secret_and_only_of_users_it_owns() {
    let worker = Listening::with(&[0, partition(STRANGER)]).await;
    let (knowing, _) = asking(urls(&[&worker]), "open sesame", LONG);
    let (guessing, _) = asking(urls(&[&worker]), "guess", LONG);
    assert_eq!(knowing.find(user_in(0)).await, Ok(Some(held(7))));
    assert_eq!(knowing.find(STRANGER).await, Ok(None));
    assert!(failed_with(guessing.find(user_in(0)).await, "401"));
    worker.state.partitions.lock().unwrap().clear();
    assert!(unready_with(knowing.find(user_in(0)).await, "not the owner"));
    *worker.state.opening.lock().unwrap() = true;
    assert!(unready_with(knowing.find(user_in(0)).await, "not ready"));
}

#[tokio::test]
async fn the_owner_of_a_partition_is_known_after_one_wrong_guess_and_again_when_it_changes() {
    let workers =
        [Listening::with(&[0]).await, Listening::with(&[2, 3]).await, Listening::with(&[1]).await];
    let (of, _) = asking(urls(&workers.each_ref()), "open sesame", LONG);
    // By guess the second worker is asked for partition 1, then both others at once: of the one that has nothing to say the
    // call is given up, and may still reach it afterwards.
    assert_eq!(of.find(user_in(1)).await, Ok(Some(held(7))));
    for _ in 0..5 {
        assert_eq!(of.find(user_in(1)).await, Ok(Some(held(7))));
    }
    let [given_up, guessed, owner] = workers.each_ref().map(Listening::asked);
    assert_eq!((given_up <= 1, guessed, owner), (true, 1, 6));

    workers[2].state.partitions.lock().unwrap().clear();
    workers[0].state.partitions.lock().unwrap().insert(1);
    for _ in 0..6 {
        assert_eq!(of.find(user_in(1)).await, Ok(Some(held(7))));
    }
    let [owner, given_up, lost] = workers.each_ref().map(Listening::asked);
    assert_eq!(((6..=7).contains(&owner), given_up <= 2, lost), (true, true, 7));
}

#[tokio::test]
async fn why_a_post_is_not_there_is_asked_of_the_owner_of_the_user_and_of_that_of_the_post() {
    let [of_user, of_post] = [Listening::with(&[0]).await, Listening::with(&[1]).await];
    let (of, _) = asking(urls(&[&of_user, &of_post]), "open sesame", LONG);
    let post = PostId(user_in(1).0);
    let why = of.why(user_in(0), post).await.unwrap().unwrap();
    assert!(why.is_unlisted() && !why.in_feed && why.version == 7, "{why:?}");
    assert!(of.post(post).await.unwrap().is_some());
    assert!(unready_with(of.post(PostId(user_in(2).0)).await.map(|_| None), "not the owner"));
    let posts: Vec<_> = (0..100).map(|of| PostId([of; 16])).collect();
    let left = of.items(user_in(0), &posts).await.unwrap().unwrap();
    assert_eq!((left.items.len(), left.unlisted.len()), (2, 100), "they fit into one question");
    let (guessing, _) = asking(urls(&[&of_user]), "guess", LONG);
    assert!(failed_with(guessing.why(user_in(0), post).await.map(|_| None), "401"));
}

#[tokio::test]
async fn a_dead_worker_is_left_alone_by_itself_and_its_users_fail_nobody() {
    let [living, dying] = [Listening::with(&[0]).await, Listening::with(&[1]).await];
    let (of, _) = asking(urls(&[&living, &dying]), "open sesame", LONG);
    assert_eq!(of.find(user_in(1)).await, Ok(Some(held(7))));
    let url = dying.url.clone();
    dying.die().await;
    for _ in 0..2 {
        assert!(unready_with(of.find(user_in(1)).await, &url));
    }
    assert!(unready_with(of.find(user_in(1)).await, "left alone"));
    assert_eq!(of.find(user_in(0)).await, Ok(Some(held(7))));

    living.state.partitions.lock().unwrap().insert(1);
    assert_eq!(of.find(user_in(1)).await, Ok(Some(held(7))));
    living.die().await;
    for _ in 0..2 {
        assert!(failed_with(of.find(user_in(0)).await, "http"));
    }
    // All are left alone by now, so one is tried all the same.
    let found = of.find(user_in(0)).await;
    assert!(failed_with(found.clone(), "http") && !failed_with(found, "left alone"));
}

#[tokio::test]
async fn a_mute_worker_leaves_time_for_the_one_that_owns_its_users_by_now() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute_url = format!("http://{}", mute.local_addr().unwrap());
    let living = Listening::with(&[0]).await;
    let of = |wait| asking(vec![mute_url.clone(), living.url.clone()], "open sesame", wait).0;
    assert_eq!(of(Duration::from_millis(100)).find(user_in(0)).await, Ok(Some(held(7))));
    assert_eq!(of(LONG).probe().await, Ok(()), "one of them is alive");
}
