//! Whom users are suggested, as it was worked out last: JSON under `suggest:users:<user>`, for a while.

use std::time::Duration;

use ::redis::AsyncCommands;
use schemas::UserId;

use super::{Connection, RedisFault, connect, within};

/// How long it is kept: where nobody else answers, something of an hour ago is better than nothing.
const TTL_SECONDS: u64 = 3_600;

/// See the module.
#[derive(Clone)]
pub struct SuggestionCache {
    connection: Connection,
    wait: Duration,
}

impl SuggestionCache {
    /// On the server at `url`, whose answers are waited for at most `wait`. Call it inside a Tokio runtime.
    pub fn open(url: &str, wait: Duration) -> Result<Self, RedisFault> {
        Ok(Self { connection: connect(url, wait)?, wait })
    }

    /// What is held of a user; none if nothing is.
    pub async fn of(&self, user: UserId) -> Result<Option<Vec<u8>>, RedisFault> {
        let mut connection = self.connection.clone();
        within(self.wait, connection.get(key(user))).await
    }

    /// Holds what was worked out for a user.
    pub async fn hold(&self, user: UserId, json: &str) -> Result<(), RedisFault> {
        let mut connection = self.connection.clone();
        within(self.wait, connection.set_ex(key(user), json, TTL_SECONDS)).await
    }
}

fn key(user: UserId) -> String {
    format!("suggest:users:{user}")
}
