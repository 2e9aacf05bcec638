//! Other instances, asked for one partition over their internal listeners.
//!
//! A question goes on once: it bears a header by which whoever gets it answers for itself or not at all. An answer has a bound
//! in size and time.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::answer::Answer;
use super::unanswered::Unanswered;

/// The header of a question that has gone on.
pub const HOP: &str = "x-feed-hop";
/// Beyond what a partition may take as JSON, control characters in it written out.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Longer than it may wait for what it must hold.
const ANSWER_WAIT: Duration = Duration::from_millis(2_000);

/// See the module.
pub struct Peers {
    client: Client<HttpConnector, Empty<Bytes>>,
    secret: Option<String>,
}

/// Where a question comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// From whoever asks.
    First,
    /// From another instance.
    On,
}

/// An answer that is none.
#[derive(Deserialize)]
struct Refused {
    error: Why,
}

#[derive(Deserialize)]
struct Why {
    code: String,
    message: String,
}

impl Peers {
    /// Shows them this secret.
    pub fn new(secret: Option<String>) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), secret }
    }

    /// What the instance at `url` answers.
    pub async fn ask(&self, url: &str, path: &str) -> Result<Answer, Unanswered> {
        let asked = tokio::time::timeout(ANSWER_WAIT, self.call(url, path));
        let late = |_| Unanswered::NotReady(format!("{url}: late"));
        asked.await.map_err(late)?
    }

    async fn call(&self, url: &str, path: &str) -> Result<Answer, Unanswered> {
        let failed =
            |fault: &dyn std::fmt::Display| Unanswered::NotReady(format!("{url}: {fault}"));
        let sent = self.send(url, path, Goes::On).await;
        let (status, body) = sent.map_err(Unanswered::NotReady)?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|e| failed(&e));
        }
        let refused = serde_json::from_slice(&body).map(|refused: Refused| refused.error);
        let Why { code, message } = refused.map_err(|_| failed(&status))?;
        Err(match code.as_str() {
            "not_owner" => Unanswered::NotOwner,
            "behind" => Unanswered::Behind(message),
            "lagging" => Unanswered::Lagging(message),
            _ => failed(&message),
        })
    }

    /// Status and body of the answer of whoever listens at `url`.
    pub async fn send(
        &self,
        url: &str,
        path: &str,
        goes: Goes,
    ) -> Result<(StatusCode, Bytes), String> {
        let failed = |fault: &dyn std::fmt::Display| format!("{url}: {fault}");
        let mut request = Request::get(format!("{url}{path}"));
        if goes == Goes::On {
            request = request.header(HOP, "1");
        }
        if let Some(secret) = &self.secret {
            request = request.header(AUTHORIZATION, format!("Bearer {secret}"));
        }
        let request = request.body(Empty::new()).map_err(|e| failed(&e))?;
        let answer = self.client.request(request).await.map_err(|e| failed(&e))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|e| failed(&e))?.to_bytes()))
    }
}
