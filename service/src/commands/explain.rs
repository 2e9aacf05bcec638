//! Why a post stands in a user's feed, or does not, as the workers' state has it now, in a terminal.

use std::fmt::Write;
use std::time::Duration;

use millstream::Exit;
use schemas::{PostId, UserId};
use uuid::Uuid;

use super::json::pretty;
use super::workers;
use crate::config::Config;
use crate::failed::Failed;
use crate::read::why::{Placed, Reason};
use crate::read::{TierFault, Why};

/// How long workers may take.
const WAIT: Duration = Duration::from_secs(5);

/// Tells it in words, or as JSON.
pub async fn explain(
    config: &Config,
    (user, post): (Uuid, Uuid),
    is_json: bool,
) -> Result<String, Failed> {
    let state = workers::state(config, WAIT)?;
    let (user, post) = (UserId(user.into_bytes()), PostId(post.into_bytes()));
    let why = state.why(user, post).await.map_err(away)?;
    let nothing = || Failed(Exit::Unavailable, "the workers have nothing ranked yet".to_owned());
    let mut why = why.ok_or_else(nothing)?;
    if why.is_unlisted() {
        let known = state.post(post).await.map_err(away)?;
        why = why.with_post(known.as_ref());
    }
    if is_json {
        return pretty(&why);
    }
    Ok(words(&why))
}

fn away(fault: TierFault) -> Failed {
    let (TierFault::Failed(words) | TierFault::Unready(words)) = fault;
    Failed(Exit::Unavailable, format!("the workers' state: {words}"))
}

fn words(why: &Why) -> String {
    let Why { version, weight_set, .. } = why;
    let mut out = String::new();
    tell(why, &mut out);
    let _ = writeln!(out, "after version {version}, by weight set {weight_set}");
    out
}

/// Tells where a post stands and why, or what kept it out.
pub fn tell(why: &Why, out: &mut String) {
    let Why { post_id, placed, dropped, .. } = why;
    match (placed, dropped) {
        (Some(placed), _) => {
            let _ = writeln!(out, "{post_id}");
            tell_place(placed, out);
        }
        (None, Some(dropped)) => {
            let _ = writeln!(out, "{post_id} is not in the feed: {}", dropped.words);
        }
        (None, None) => {}
    }
    if let Some(author) = why.author_id {
        let _ = writeln!(out, "author {author}");
    }
}

fn tell_place(placed: &Placed, out: &mut String) {
    let Placed { position, rank, rule, score, .. } = placed;
    let _ = writeln!(out, "number {position} in the feed, number {rank} by score; spacing: {rule}");
    let _ = writeln!(out, "score {score:.4} = {}", placed.terms);
    for reason in &placed.sources {
        let _ = match reason {
            Reason::Follow { author_id } => writeln!(out, "follow: of {author_id}"),
            Reason::Trending { place: Some(place) } => {
                writeln!(out, "trending: number {place} of 24 h")
            }
            Reason::Explore { author_id } => writeln!(out, "explore: new, by {author_id}"),
            Reason::Trending { place: None } => writeln!(out, "trending"),
            Reason::Affinity { author_id, interactions } => {
                writeln!(out, "affinity: {interactions} interactions with {author_id}")
            }
        };
    }
}
