//! Fetches keys from where an issuer publishes them: one fixed URL, no redirect, so long and so much.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::CACHE_CONTROL;
use reqwest::redirect::Policy;
use tokio::time::Instant;

use super::jwks;
use super::keys::KeySet;
use crate::config::Algorithm;

const WAIT: Duration = Duration::from_secs(2);
/// How long keys are taken for good unless their issuer says; it is believed within a minute and a day.
const LIFE: Duration = Duration::from_secs(300);
const LIFE_MIN: Duration = Duration::from_secs(60);
const LIFE_MAX: Duration = Duration::from_secs(86_400);

/// See the module.
pub(super) struct Fetch {
    url: String,
    client: Client,
    life: Mutex<Duration>,
}

impl Fetch {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let client = Client::builder().redirect(Policy::none()).timeout(WAIT).no_proxy().build();
        let client = client.map_err(|e| format!("{url}: {e}"))?;
        Ok(Self { url: url.to_owned(), client, life: Mutex::new(LIFE) })
    }

    /// How long keys that were fetched are taken for good.
    pub(super) fn life(&self) -> Duration {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that are published now.
    pub(super) async fn keys(&self, algorithm: Algorithm) -> Result<KeySet, String> {
        let of = |words: &dyn std::fmt::Display| format!("{}: {words}", self.url);
        let asked = self.client.get(&self.url).send().await;
        let mut answer = asked.map_err(|e| of(&e.without_url()))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(of(&format!("answers {}", answer.status())));
        }
        let told = answer.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let life = told.and_then(max_age).unwrap_or(LIFE).clamp(LIFE_MIN, LIFE_MAX);
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|e| of(&e.without_url()))? {
            body.extend_from_slice(&part);
            if body.len() > jwks::BYTES_MAX {
                return Err(of(&format!("is longer than {} bytes", jwks::BYTES_MAX)));
            }
        }
        let keys = jwks::read(&body, algorithm).map_err(|words| of(&words))?;
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
        Ok(KeySet::new(keys, Some(Instant::now() + life)))
    }
}

/// The `max-age` of a `Cache-Control`.
fn max_age(text: &str) -> Option<Duration> {
    let seconds = text.split(',').find_map(|part| part.trim().strip_prefix("max-age="));
    seconds?.parse().ok().map(Duration::from_secs)
}
