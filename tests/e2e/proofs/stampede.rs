//! R18: everybody misses at once.

use futures_util::future::join_all;
use serde_json::json;
use tests::Part;
use tokio::runtime::Runtime;

use super::{sized, tell};
use crate::readers::reader;
use crate::world::World;

/// Requests of one connection at a time.
const STREAMS: usize = 100;

/// Status and body of one reader's feed, asked for so many times at once.
async fn ask(url: String, token: String, many: usize) -> Vec<(u16, String)> {
    let connections = (0..many / STREAMS).map(|_| {
        // One connection each, that knows it speaks HTTP/2.
        reqwest::Client::builder().http2_prior_knowledge().build().unwrap()
    });
    let connections: Vec<_> = connections.collect();
    let asked = connections.iter().flat_map(|client| {
        let one = || async {
            let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        (0..STREAMS).map(move |_| one())
    });
    join_all(asked).await
}

#[test]
fn of_any_number_of_misses_of_one_feed_at_once_one_asks_the_database() {
    let many = sized(1_000, 10_000);
    let world = World::with(&[
        ("HTTP__REQUESTS_MAX", "20000"),
        // Whoever asks so much at once shares the machine with who answers: nobody is to be cut off for that.
        ("HTTP__REQUEST_WAIT_MS", "60000"),
        ("HTTP__FIRST_BYTE_WAIT_MS", "60000"),
        ("HTTP__HEAD_WAIT_MS", "60000"),
        ("HTTP__WRITE_WAIT_MS", "60000"),
        ("POSTGRES__WAIT_MS", "60000"),
    ]);
    // Without a worker there is no state, and nothing comes to Redis.
    world.stop_worker(0);
    world.flush_redis();
    world.sql("ALTER SYSTEM SET log_statement = 'all'");
    world.sql("SELECT pg_reload_conf()");
    // Nobody is answered until all have asked: the query of the first waits for a lock.
    let _locking = world.sql_beside("BEGIN; LOCK TABLE posts; SELECT pg_sleep(600)");
    let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'posts'::regclass AND granted";
    world.poll("the lock is held", || (world.sql_value(locks) == "1").then_some(()));
    let runtime = Runtime::new().unwrap();
    let asking = runtime.spawn(ask(world.feed_url(), world.token(&reader(0)), many));
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    world.poll("a query waits", || (world.sql_value(waiting) == "1").then_some(()));
    world.poll("all have asked", || world.api_rests().then_some(()));
    world.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE mode = 'AccessExclusiveLock'");
    let answers = runtime.block_on(asking).unwrap();

    let log = world.server_log(Part::Postgres);
    let is_query = |line: &&str| line.contains("WITH hidden AS MATERIALIZED");
    let queries = log.lines().filter(is_query).count();
    let is_answered = |of: &&(u16, String)| of.0 == 200 && of.1.contains(r#""source":"postgres""#);
    let answered = answers.iter().filter(is_answered).count();
    let passes = (queries, answered) == (1, many);
    let words = format!("{many} misses at once: {queries} queries, {answered} answered");
    tell("R18", passes, &words, json!({"misses": many, "queries": queries, "answered": answered}));
    assert!(passes, "{words}");
}
