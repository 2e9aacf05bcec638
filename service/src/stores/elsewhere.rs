//! The stores, for a process that has none: an instance of the live application is asked what the process was asked.
//!
//! A question is passed on once: it bears a header by which another process that has none does not pass it on either.

use std::time::Duration;

use hyper::StatusCode;
use tokio::time::timeout;

use super::peers::Peers;
use crate::instance_client::Told;
use crate::replay::{Instances, Live};

/// The header of a question that was passed on.
pub const PASSED: &str = "x-feed-passed";
/// Longer than an instance waits for others.
const WAIT: Duration = Duration::from_millis(4_000);

/// See the module.
pub struct Elsewhere {
    /// Which application is live.
    pub live: Live,
    /// Who announces to show it.
    pub instances: Instances,
    /// Who else shows it.
    pub named: Vec<String>,
    /// Asks them.
    pub peers: Peers,
}

impl Elsewhere {
    /// What the first says that has stores; why nobody does, if nobody does.
    pub async fn ask(&self, path: &str) -> Result<Told, String> {
        let mut last = "no worker has announced itself".to_owned();
        for url in self.instances.asked(&self.live.app(), &self.named) {
            match timeout(WAIT, self.peers.passed(&url, path)).await {
                Ok(Ok(told)) if told.status == StatusCode::MISDIRECTED_REQUEST => {
                    last = format!("{url}: it has no stores");
                }
                Ok(Ok(told)) => return Ok(told),
                Ok(Err(words)) => last = words,
                Err(_) => last = format!("{url}: late"),
            }
        }
        Err(last)
    }
}
