//! A client that asks at its own pace: each request has its time, whatever became of the one before.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which caller's.
    pub caller: usize,
    /// When it was sent.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// The status; 0 if nobody answered.
    pub status: u16,
    /// Who answered, by its own word.
    pub source: String,
}

/// Asks for the feed of one caller after the other.
pub struct Asking {
    runtime: Runtime,
    task: JoinHandle<Vec<Asked>>,
}

impl Asking {
    /// Begins, at `per_second`, and goes on for `span`.
    pub fn start(url: String, tokens: Vec<String>, per_second: u32, span: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let task = runtime.spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let began = tokio::time::Instant::now();
            let every = Duration::from_secs(1) / per_second;
            let mut asked = Vec::new();
            for (number, (caller, token)) in (0_u32..).zip(tokens.iter().enumerate().cycle()) {
                let due = every * number;
                if due > span {
                    break;
                }
                tokio::time::sleep_until(began + due).await;
                let one = ask(client.clone(), url.clone(), token.clone(), caller);
                asked.push(tokio::spawn(one));
            }
            let mut answers = Vec::new();
            for one in asked {
                answers.push(one.await.unwrap());
            }
            answers
        });
        Self { runtime, task }
    }

    /// What became of all requests, once the span is over.
    pub fn finish(self) -> Vec<Asked> {
        self.runtime.block_on(self.task).unwrap()
    }
}

async fn ask(
    client: Client<HttpConnector, Empty<Bytes>>,
    url: String,
    token: String,
    caller: usize,
) -> Asked {
    let at = Instant::now();
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    let mut asked = Asked { caller, at, took: Duration::ZERO, status: 0, source: String::new() };
    if let Ok(answer) = client.request(request.body(Empty::new()).unwrap()).await {
        let status = answer.status().as_u16();
        if let Ok(body) = answer.into_body().collect().await {
            let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
            asked.source = body["source"].as_str().unwrap_or_default().to_owned();
            asked.status = status;
        }
    }
    asked.took = at.elapsed();
    asked
}
