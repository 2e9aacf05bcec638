//! Whom a user may want to follow: worked out from what the owners of the user, and of those around them, know.
//!
//! 1. What is known of the user. If Redis has what was worked out from the same, not long ago, that is the answer.
//! 2. Who stands beside those whom the user follows.
//! 3. How the best are seen, and those who are named for them, until there are enough who are not gone.
//!
//! So what a user does, a follow or a dismissal, shows at once, and what others do within seconds. Where state does not
//! answer, what Redis has is the answer, and said to be stale.

use std::collections::{BTreeMap, BTreeSet};

use connectors::redis::SuggestionCache;
use schemas::{UserId, content_hash};
use serde::{Deserialize, Serialize};
use topologies::suggestions::{LeftOut, Proof, Sketch, Suggestion, SuggestionWeights, suggest};
use utoipa::ToSchema;
use uuid::Uuid;

use super::people::{Asked, People, PersonKnown, neighbours};
use super::{Nobody, Reads, Source};

/// So many are worked out at once.
pub const SUGGESTED_MAX: usize = 50;
/// What was worked out from the same holds for so long, ms: others follow and go meanwhile.
const HOLDS_MS: i64 = 5_000;
/// So many of the best are looked at at once: some of them may be gone.
const LOOKED_AT: usize = SUGGESTED_MAX + 10;

/// What was worked out for a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggested {
    /// When, ms UTC.
    pub as_of: i64,
    /// From which sketch of the user.
    of: u64,
    /// The best first.
    pub items: Vec<SuggestedUser>,
    /// How much the bounds left out.
    pub left_out: LeftOutShown,
}

/// Somebody who may be worth following.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SuggestedUser {
    pub user_id: Uuid,
    /// Null if no row of them ever came.
    pub username: Option<String>,
    pub avatar_url: Option<String>,
    pub bio: Option<String>,
    pub follower_count: u64,
    pub score: f64,
    /// Why, by source.
    pub reasons: Vec<SuggestionReason>,
}

/// A source that proposes somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum SuggestionReason {
    /// People whom the user follows follow them.
    FriendsOfFriends { through: Vec<Named>, more: usize },
    /// They follow the same people.
    SamePeople { through: Vec<Named>, more: usize },
    /// The user did so much with their posts on 90 days.
    Affinity { interactions: u32 },
}

/// Somebody by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Named {
    pub user_id: Uuid,
    /// Null if no row of them ever came.
    pub username: Option<String>,
}

/// How much the bounds left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SuggestionsLeftOut)]
pub struct LeftOutShown {
    /// Of those whom the user follows, how many were not walked.
    followed: usize,
    /// How many of those who were walked follow more than was looked at.
    friends: usize,
    /// Of those who follow them, how many were not looked at.
    followers: u64,
}

impl From<LeftOut> for LeftOutShown {
    fn from(of: LeftOut) -> Self {
        Self { followed: of.followed, friends: of.friends, followers: of.followers }
    }
}

impl Reads {
    /// Whom `user` may want to follow, who had it, and whether it may be of before.
    pub async fn suggestions(
        &self,
        user: UserId,
        weights: &SuggestionWeights,
    ) -> Result<(Suggested, Source, bool), Nobody> {
        let found = self.suggested(user, weights).await;
        let source = found.as_ref().map_or("none", |(_, source, _)| source.name());
        self.metrics.reads.with_label_values(&["suggestions", source]).inc();
        found
    }

    async fn suggested(
        &self,
        user: UserId,
        weights: &SuggestionWeights,
    ) -> Result<(Suggested, Source, bool), Nobody> {
        let asked = self.people(Asked { sketch: Some(user), ..Asked::default() }).await;
        let sketch = asked.ok().and_then(|found| found.sketch);
        let held = self.held_suggestions(user).await;
        let Some(sketch) = sketch else {
            return held.map(|held| (held, Source::Redis, true)).ok_or(Nobody);
        };
        let of = content_hash(&format!("{weights:?} {}", json(&sketch)));
        let now = self.now().0;
        let is_current = |held: &Suggested| held.of == of && now - held.as_of < HOLDS_MS;
        if let Some(held) = held.filter(is_current) {
            return Ok((held, Source::Redis, false));
        }
        let (items, left_out) = self.work_out(&(&sketch).into(), weights).await?;
        let suggested = Suggested { as_of: now, of, items, left_out: left_out.into() };
        if let Some(cache) = self.suggestion_cache() {
            // It is worked out again where it is not held.
            let _ = cache.hold(user, &json(&suggested)).await;
        }
        Ok((suggested, Source::State, false))
    }

    async fn held_suggestions(&self, user: UserId) -> Option<Suggested> {
        let held = self.suggestion_cache()?.of(user).await.ok()??;
        serde_json::from_slice(&held).ok()
    }

    fn suggestion_cache(&self) -> Option<&SuggestionCache> {
        self.tiers.suggestions.as_ref().filter(|_| self.asks_redis())
    }

    async fn people(&self, asked: Asked) -> Result<People, Nobody> {
        let state = self.tiers.state.as_ref().ok_or(Nobody)?;
        let found = state.ask(&*self.clock, state.tier().people(asked)).await;
        found.ok().flatten().ok_or(Nobody)
    }

    async fn work_out(
        &self,
        sketch: &Sketch,
        weights: &SuggestionWeights,
    ) -> Result<(Vec<SuggestedUser>, LeftOut), Nobody> {
        let (people, neighbours_max) = (sketch.walked(weights), weights.neighbours_max);
        let asked = Asked { sketch: None, people, neighbours: neighbours_max };
        let walked = self.people(asked).await?.people;
        let gone: BTreeSet<_> = walked
            .iter()
            .filter(|of| of.is_gone)
            .map(|of| UserId(of.user_id.into_bytes()))
            .collect();
        let is_gone = |of: &UserId| gone.contains(of);
        let (found, left_out) = suggest(sketch, &neighbours(&walked), is_gone, weights);
        let mut seen: BTreeMap<Uuid, PersonKnown> =
            walked.into_iter().map(|of| (of.user_id, of)).collect();
        let mut items = Vec::new();
        for best in found.chunks(LOOKED_AT) {
            let people = best.iter().map(|of| of.user).collect();
            let looked_at = self.people(Asked { people, ..Asked::default() }).await?.people;
            seen.extend(looked_at.into_iter().map(|of| (of.user_id, of)));
            items.extend(best.iter().filter_map(|of| shown(of, &seen)));
            if items.len() >= SUGGESTED_MAX {
                break;
            }
        }
        items.truncate(SUGGESTED_MAX);
        Ok((items, left_out))
    }
}

/// A suggestion as it is shown; none of somebody who is gone.
fn shown(of: &Suggestion, seen: &BTreeMap<Uuid, PersonKnown>) -> Option<SuggestedUser> {
    let user_id = Uuid::from_bytes(of.user.0);
    let person = seen.get(&user_id).filter(|person| !person.is_gone)?;
    let through = |proof: &Proof| -> Vec<Named> {
        let named = proof.named.iter().map(|user| Uuid::from_bytes(user.0));
        let username = |id: &Uuid| seen.get(id).and_then(|person| person.username.clone());
        named.map(|user_id| Named { user_id, username: username(&user_id) }).collect()
    };
    let mut reasons = Vec::new();
    if !of.friends.named.is_empty() {
        let (through, more) = (through(&of.friends), of.friends.more);
        reasons.push(SuggestionReason::FriendsOfFriends { through, more });
    }
    if !of.same_people.named.is_empty() {
        let (through, more) = (through(&of.same_people), of.same_people.more);
        reasons.push(SuggestionReason::SamePeople { through, more });
    }
    if of.interactions > 0 {
        reasons.push(SuggestionReason::Affinity { interactions: of.interactions });
    }
    Some(SuggestedUser {
        user_id,
        username: person.username.clone(),
        avatar_url: person.avatar_url.clone(),
        bio: person.bio.clone(),
        follower_count: person.followers,
        score: of.score,
        reasons,
    })
}

fn json<T: Serialize>(of: &T) -> String {
    serde_json::to_string(of).unwrap_or_default()
}
