//! Whom users are suggested, as it was worked out last: JSON under `suggest:users:<user>`, for a while.

use std::time::Duration;

use ::redis::AsyncCommands;
use ::redis::aio::ConnectionManager;
use schemas::UserId;

use super::{RedisFault, connect, fault};

/// How long it is kept: where nobody else answers, something of an hour ago is better than nothing.
const TTL_SECONDS: u64 = 3_600;

/// See the module.
#[derive(Clone)]
pub struct SuggestionCache(ConnectionManager);

impl SuggestionCache {
    /// On the server at `url`, whose answers are waited for at most `wait`. Call it inside a Tokio runtime.
    pub fn open(url: &str, wait: Duration) -> Result<Self, RedisFault> {
        connect(url, wait).map(Self)
    }

    /// What is held of a user; none if nothing is.
    pub async fn of(&self, user: UserId) -> Result<Option<Vec<u8>>, RedisFault> {
        self.0.clone().get(key(user)).await.map_err(|e| fault(&e))
    }

    /// Holds what was worked out for a user.
    pub async fn hold(&self, user: UserId, json: &str) -> Result<(), RedisFault> {
        self.0.clone().set_ex(key(user), json, TTL_SECONDS).await.map_err(|e| fault(&e))
    }
}

fn key(user: UserId) -> String {
    format!("suggest:users:{user}")
}
