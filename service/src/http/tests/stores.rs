//! The routes of stores, on the state of two processes that share a cluster in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper_util::service::TowerToHyperService;
use millstream::testing::Driver;
use millstream::{Builder, I64, ManualClock, Query, Utf8};
use serde_json::{Value, json};
use tokio::sync::watch;
use warp::http::{Request, StatusCode};

use super::world::{answer, showing};
use crate::edge::tests::listening;
use crate::http::internal::{Internal, internal};
use crate::metrics::Metrics;
use crate::read::StateFault;
use crate::secrets::Secrets;
use crate::stores::announcement::Announcement;
use crate::stores::directory::Directory;
use crate::stores::peers::{HOP, Peers};
use crate::stores::{OwnStores, Stores};

const SECRET: &str = "open sesame";

struct Own(Query, String);

impl OwnStores for Own {
    fn stores(&self) -> Result<(Query, String), StateFault> {
        Ok((self.0.clone(), self.1.clone()))
    }
}

/// Two processes that count words, each with some of three partitions.
fn counting() -> Driver {
    let builder = Builder::new("app");
    builder.stream("words", Utf8, Utf8).count("counts", Utf8).to("out", Utf8, I64);
    let topology = builder.build().unwrap();
    let mut driver = Driver::of(topology).partitions(3).instances(2).start().unwrap();
    driver.settle().unwrap();
    let words = driver.input::<String, String>("words", Utf8, Utf8);
    for word in ["a", "b", "c", "d", "e", "f", "a"] {
        words.send(&word.to_owned(), &String::new(), driver.now()).unwrap();
    }
    driver.settle().unwrap();
    // What the first gave up when the second came is shown no more.
    driver.advance(Duration::from_secs(61)).unwrap();
    driver
}

/// The routes of one of them, which knows of the others what `directory` says.
fn routes(driver: &Driver, process: usize, directory: &Arc<Directory>) -> Arc<Internal> {
    let clock = Arc::new(ManualClock::at(driver.now()));
    let stores = Stores {
        own: Arc::new(Own(driver.query(process).unwrap(), process.to_string())),
        directory: Arc::clone(directory),
        peers: Peers::new(showing(SECRET)),
        workers: vec![],
        clock: clock.clone(),
    };
    Arc::new(Internal {
        health: Arc::default(),
        metrics: Arc::new(Metrics::new().unwrap()),
        state: None,
        stores: Some(Arc::new(stores)),
        console: None,
        elsewhere: None,
        secrets: Secrets::of(SECRET).ok(),
        asks_certificate: false,
        clock,
    })
}

async fn ask(of: &Arc<Internal>, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let service = TowerToHyperService::new(warp::service(internal(of)));
    let mut request = Request::get(format!("/state/v1/stores{path}"));
    request = request.header("authorization", format!("Bearer {SECRET}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(service, request.body(Full::default()).unwrap()).await
}

/// Has process 1 listen, and process 0 hear of it; answers the routes of process 0.
async fn both(driver: &Driver) -> (Arc<Internal>, watch::Sender<bool>) {
    let directory = Arc::<Directory>::default();
    let of = routes(driver, 1, &Arc::default());
    let listener = listening(&[]).await;
    let url = format!("http://{}", listener.address().unwrap());
    let (stop, stopped) = watch::channel(false);
    let metrics = Arc::clone(&of.metrics);
    tokio::spawn(async move { listener.serve(internal(&of), metrics, stopped).await });
    let facts = driver.query(1).unwrap().stores();
    directory.heard("1".into(), Some(Announcement::of(&url, &facts, driver.now())));
    (routes(driver, 0, &directory), stop)
}

#[tokio::test]
async fn a_key_is_found_wherever_it_is_and_a_scan_goes_through_all_partitions() {
    let driver = counting();
    let (of, _stop) = both(&driver).await;
    let mut found = BTreeMap::new();
    for word in ["a", "b", "c", "d", "e", "f"] {
        let (status, answer) = ask(&of, &format!("/counts/{word}"), &[]).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let part = &answer["parts"][0];
        *found.entry(part["instance"].as_str().unwrap().to_owned()).or_insert(0) +=
            part["rows"][0]["value"].as_i64().unwrap();
    }
    assert_eq!((found.len(), found.values().sum::<i64>()), (2, 7), "{found:?}");
    assert_eq!(ask(&of, "/counts/g", &[]).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&of, "/count/a", &[]).await.0, StatusCode::NOT_FOUND);

    let (mut keys, mut next) = (vec![], String::new());
    loop {
        let (status, answer) = ask(&of, &format!("/counts?limit=1{next}"), &[]).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let rows = answer["parts"].as_array().unwrap().iter();
        let rows = rows.flat_map(|part| part["rows"].as_array().unwrap().clone());
        keys.extend(rows.map(|row| row["key"].as_str().unwrap().to_owned()));
        let Some(more) = answer["next"].as_str() else { break };
        next = format!("&next={more}");
    }
    keys.sort_unstable();
    assert_eq!(keys.join(" "), "a b c d e f");
}

#[tokio::test]
async fn a_wrong_parameter_is_named_and_a_question_that_went_on_goes_no_further() {
    let driver = counting();
    let (of, _stop) = both(&driver).await;
    let rows = [
        ("/counts?limit=0", "limit"),
        ("/counts?limit=1001", "limit"),
        ("/counts?next=x", "next"),
        ("/counts?since=1", "since"),
        ("/counts/a?max_lag=soon", "max_lag"),
        ("/counts/a?min_position=here", "min_position"),
        ("/counts/a?min_position=out-0@1", "min_position"),
        ("/counts/a?partition=3", "partition"),
        ("?limit=1", "limit"),
    ];
    for (path, field) in rows {
        let (status, answer) = ask(&of, path, &[]).await;
        let named = &answer["error"]["fields"][0]["field"];
        assert_eq!((status, named), (StatusCode::BAD_REQUEST, &json!(field)), "{path}");
    }
    let mut statuses = vec![];
    for partition in 0..3 {
        let path = format!("/counts?partition={partition}");
        statuses.push(ask(&of, &path, &[(HOP, "1")]).await.0.as_u16());
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 421]);
}
