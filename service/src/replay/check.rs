//! Whether the rebuilt application ranks as the live one does: the feeds of some readers, asked of the state of both as of the same
//! moment.
//!
//! Counts reach feeds up to a minute late, and not at the same time in both. So a feed that differs is asked for again, and
//! differs if it still does when that time is over.

use std::time::{Duration, Instant};

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use millstream::{Clock, Exit, SystemClock};
use schemas::{FeedBody, UserId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use uuid::Uuid;

use super::standing::Checked;
use crate::failed::Failed;
use crate::instance_client::{Credentials, InstanceClient};
use crate::read::{Held, RemoteState, TierFault};
use crate::stores::answer::Answer;
use crate::stores::peers::ANSWER_BYTES_MAX;
use crate::stores::question::ROWS_MAX;
use crate::verify::differing;

/// The store of readers.
const READERS: &str = "readers";
/// How many are asked for at once.
const ASKED_MAX: usize = 8;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
/// Spreads seeds over all ids: 2^128 divided by the golden ratio.
const SPREAD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

/// Who is asked, and how patiently.
pub struct Check {
    /// The live application.
    pub live: RemoteState,
    /// The rebuilt one.
    pub rebuilt: RemoteState,
    /// For how long a feed may differ.
    pub patience: Duration,
}

impl Check {
    /// Compares, readers that are chosen of those that the live application knows.
    pub async fn run(&self, chosen: Vec<UserId>) -> (Checked, Vec<String>) {
        let (began, readers) = (Instant::now(), chosen.len());
        let mut open: Vec<_> = chosen.into_iter().map(|user| (user, String::new())).collect();
        loop {
            let looks = open.into_iter().map(|(user, _)| self.look(user));
            let looked: Vec<_> = stream::iter(looks).buffered(ASKED_MAX).collect().await;
            open = looked.into_iter().flatten().collect();
            if open.is_empty() || began.elapsed() >= self.patience {
                break;
            }
            sleep(BETWEEN_LOOKS).await;
        }
        let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        let at_ms = SystemClock.now().0;
        let checked = Checked { at_ms, readers: count(readers), differ: count(open.len()) };
        (checked, open.into_iter().map(|(user, why)| format!("{user}: {why}")).collect())
    }

    /// A reader whose feeds are not the same, and what differs first.
    async fn look(&self, user: UserId) -> Option<(UserId, String)> {
        let now_ms = SystemClock.now().0;
        let both = (self.live.find_as_of(user, now_ms), self.rebuilt.find_as_of(user, now_ms));
        let found = join(both.0, both.1).await;
        let body = |found: Result<Option<Held>, TierFault>| match found {
            Ok(held) => Ok(held.map(|held| held.body).unwrap_or_default()),
            Err(TierFault::Failed(words) | TierFault::Unready(words)) => Err(words),
        };
        let why = match (body(found.0), body(found.1)) {
            (Ok(live), Ok(rebuilt)) => first_difference(&live, &rebuilt),
            (Err(words), _) => Some(format!("the live one does not answer: {words}")),
            (_, Err(words)) => Some(format!("the rebuilt one does not answer: {words}")),
        };
        why.map(|why| (user, why))
    }
}

/// What of two feeds is told of their difference.
fn first_difference(live: &FeedBody, rebuilt: &FeedBody) -> Option<String> {
    let (column, [live, rebuilt]) = differing(live, rebuilt).into_iter().next()?;
    Some(format!("{column}: {live} live, {rebuilt} rebuilt"))
}

/// What is listed of stores, as far as it is of interest here.
#[derive(Deserialize)]
struct Listed {
    stores: Vec<Store>,
}

#[derive(Deserialize)]
struct Store {
    name: String,
    partitions: u32,
}

/// Some readers of those that the application knows whose workers are at `urls`, of each partition from an id on that the seed
/// says.
pub async fn choose(
    client: &InstanceClient,
    urls: &[String],
    (seed, count): (u64, u32),
) -> Result<Vec<UserId>, Failed> {
    let from = Uuid::from_u128(u128::from(seed).wrapping_add(1).wrapping_mul(SPREAD));
    let Listed { stores } = ask(client, urls, "/state/v1/stores").await?;
    let readers = stores.into_iter().find(|store| store.name == READERS);
    let partitions = readers.map_or(0, |store| store.partitions);
    let each = (count.div_ceil(partitions.max(1)) as usize).min(ROWS_MAX);
    let mut chosen = Vec::new();
    for partition in 0..partitions {
        let mut of: Vec<UserId> = Vec::new();
        // Where few come after it, it goes on at the beginning.
        for from in [from, Uuid::nil()] {
            let asked = format!("partition={partition}&from={from}&limit={each}");
            let path = format!("/state/v1/stores/{READERS}?{asked}");
            let answer: Answer = ask(client, urls, &path).await?;
            let more = users(&answer).into_iter().filter(|user| !of.contains(user));
            let more: Vec<_> = more.collect();
            of.extend(more);
        }
        chosen.extend(of.into_iter().take(each));
    }
    chosen.truncate(count as usize);
    Ok(chosen)
}

fn users(answer: &Answer) -> Vec<UserId> {
    let rows = answer.parts.iter().flat_map(|part| &part.rows);
    rows.filter_map(|row| row.key.parse().ok()).collect()
}

/// What the first says that answers.
async fn ask<T: DeserializeOwned>(
    client: &InstanceClient,
    urls: &[String],
    path: &str,
) -> Result<T, Failed> {
    let mut last = "nobody is announced".to_owned();
    for url in urls {
        match client.get((url, path), &[]).await {
            Ok(told) if told.status.is_success() => {
                let read = serde_json::from_slice(&told.body);
                return read.map_err(|e| format!("{url}: {e}").into());
            }
            Ok(told) => last = format!("{url}: {}", told.status),
            Err(words) => last = words,
        }
    }
    Err(Failed(Exit::Unavailable, last))
}

/// Asks instances for rows.
pub fn client(credentials: Credentials) -> InstanceClient {
    InstanceClient::new(credentials, ANSWER_BYTES_MAX)
}
