//! Other instances, asked for one partition over their internal listeners.
//!
//! A question goes on once: it bears a header by which whoever gets it answers for itself or not at all. An answer has a bound
//! in size and time.

use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use super::answer::Answer;
use super::unanswered::Unanswered;
use crate::instance_client::{Credentials, InstanceClient, Told};

/// The header of a question that has gone on.
pub const HOP: &str = "x-feed-hop";
/// Beyond what a partition may take as JSON, control characters in it written out.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Longer than it may wait for what it must hold.
const ANSWER_WAIT: Duration = Duration::from_millis(2_000);

/// See the module.
pub struct Peers(InstanceClient);

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
    /// Shows them these.
    pub fn new(credentials: Credentials) -> Self {
        Self(InstanceClient::new(credentials, ANSWER_BYTES_MAX))
    }

    /// What asks them.
    pub fn client(&self) -> &InstanceClient {
        &self.0
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
        let told = self.0.get((url, path), &[(HOP, "1")]).await;
        let Told { status, body, .. } = told.map_err(Unanswered::NotReady)?;
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
}
