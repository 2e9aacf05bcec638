//! The stores, for a process that has none: an instance of the live application is asked what the process was asked.
//!
//! A question is passed on once: it bears a header by which another process that has none does not pass it on either.

use std::time::Duration;

use hyper::StatusCode;
use tokio::time::timeout;

use crate::instance_client::{InstanceClient, Told};
use crate::replay::{Instances, Live};

/// The header of a question that was passed on.
pub const PASSED: &str = "x-feed-passed";
/// What all partitions together may take as JSON.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Longer than an instance waits for what it must hold; two of them are asked before a request is overdue.
const WAIT: Duration = Duration::from_millis(2_200);

/// See the module.
pub struct Elsewhere {
    /// Which application is live.
    pub live: Live,
    /// The application that is configured.
    pub app: String,
    /// Who announces to show the live one.
    pub instances: Instances,
    /// Who else shows that which is configured.
    pub named: Vec<String>,
    /// Asks them.
    pub client: InstanceClient,
}

impl Elsewhere {
    /// What the first says that has stores and is ready; else what one says that is not; why nobody says anything, if nobody does.
    pub async fn ask(&self, path: &str) -> Result<Told, String> {
        let app = self.live.app();
        let named = if app == self.app { self.named.as_slice() } else { &[] };
        let mut unready = None;
        let mut last = "no worker has announced itself".to_owned();
        for url in self.instances.asked(&app, named) {
            match timeout(WAIT, self.client.get((&url, path), &[(PASSED, "1")])).await {
                Ok(Ok(told)) => match told.status {
                    StatusCode::MISDIRECTED_REQUEST => last = format!("{url}: it has no stores"),
                    StatusCode::SERVICE_UNAVAILABLE => unready = Some(told),
                    _ => return Ok(told),
                },
                Ok(Err(words)) => last = words,
                Err(_) => last = format!("{url}: late"),
            }
        }
        unready.ok_or(last)
    }
}
