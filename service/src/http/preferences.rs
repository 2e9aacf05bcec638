//! `PUT /api/v1/feed/preferences`: what the caller chooses of their feed, all of it at once; what is left out is as at first.

use schemas::{Preferences, UserId, one_word};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::routes::Request;
use super::{Api, Fault, Refusal, body, json};

/// So many words may be muted.
const WORDS_MAX: usize = 200;
/// So long may one be, in bytes of UTF-8.
const WORD_BYTES_MAX: usize = 100;
/// What a weight may be multiplied by.
const SCALES: std::ops::RangeInclusive<f64> = 0.0..=3.0;

/// What a reader chooses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = FeedPreferences)]
#[derive(Default)]
pub struct Chosen {
    /// Whether only posts of followees are shown.
    following_only: bool,
    /// What the weights of the weight set are multiplied by.
    weights: ScalesChosen,
    /// Posts that have one of these words are not shown: words by Unicode's bounds, whatever their case; at most 200.
    muted_words: Vec<String>,
}

/// Of each term: 0 to 3, in steps of a hundredth; 1 is as it is for everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = PreferredWeights)]
struct ScalesChosen {
    freshness: f64,
    engagement: f64,
    affinity: f64,
}

impl Default for ScalesChosen {
    fn default() -> Self {
        Self { freshness: 1.0, engagement: 1.0, affinity: 1.0 }
    }
}

/// Takes what the caller chooses; answers when Kafka has it, as it is kept.
pub async fn put(api: &Api, request: Request) -> Result<Response, Refusal> {
    request.given()?;
    let Request { caller, headers, body, .. } = request;
    let body = body::of_json(body, &headers, api.body).await?;
    let wrong = |e: serde_json::Error| Refusal::invalid(vec![Fault::of("body", e.to_string())]);
    // Of a struct serde takes an array for its fields too.
    let body: Map<String, Value> = serde_json::from_slice(&body).map_err(wrong)?;
    let mut chosen: Chosen = serde_json::from_value(body.into()).map_err(wrong)?;
    let kept = chosen.check(api.mutes_words).map_err(Refusal::invalid)?;
    let kept = Preferences { at_ms: api.reads.now().0, ..kept };
    let user = UserId(caller.user.into_bytes());
    let stored = api.log.choose(user, kept).await;
    stored.map_err(|_| Refusal::unavailable("the preferences could not be stored"))?;
    Ok(json(StatusCode::ACCEPTED, &chosen, Uuid::new_v4()))
}

impl Chosen {
    /// What is kept of it, after words are as they are compared; or every fault.
    fn check(&mut self, mutes_words: bool) -> Result<Preferences, Vec<Fault>> {
        let mut faults = Vec::new();
        let ScalesChosen { freshness, engagement, affinity } = self.weights;
        let terms = [("freshness", freshness), ("engagement", engagement), ("affinity", affinity)];
        let scales = terms.map(|(term, scale)| {
            if !SCALES.contains(&scale) {
                let words = format!("expected 0 to 3, found {scale}");
                faults.push(Fault::of(format!("weights.{term}"), words));
            }
            (scale * 100.0).round() as u16
        });
        if !mutes_words && !self.muted_words.is_empty() {
            faults.push(Fault::of("muted_words", "this service does not keep the words of posts"));
        }
        if self.muted_words.len() > WORDS_MAX {
            let words = format!("expected at most {WORDS_MAX}, found {}", self.muted_words.len());
            faults.push(Fault::of("muted_words", words));
        }
        let mut words = Vec::new();
        for (number, text) in self.muted_words.iter().enumerate() {
            match one_word(text).filter(|word| word.len() <= WORD_BYTES_MAX) {
                Some(word) => words.push(word),
                None => faults.push(Fault::of(
                    format!("muted_words[{number}]"),
                    format!("expected one word of at most {WORD_BYTES_MAX} bytes, found {text:?}"),
                )),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        words.sort_unstable();
        words.dedup();
        self.muted_words.clone_from(&words);
        let following_only = self.following_only;
        Ok(Preferences { at_ms: 0, following_only, scales, muted_words: words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(json: &str) -> Chosen {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_left_out_is_as_at_first_and_words_are_kept_as_they_are_compared() {
        let mut of = chosen(r#"{"muted_words": ["Spoiler", "spoiler ", "МИР"]}"#);
        let kept = of.check(true).unwrap();
        assert_eq!((kept.following_only, kept.scales), (false, [100; 3]));
        assert_eq!(kept.muted_words, ["spoiler", "мир"]);
        assert_eq!(of.muted_words, kept.muted_words);
        let of = chosen(r#"{"following_only": true, "weights": {"affinity": 0.5}}"#).check(true);
        let kept = of.unwrap();
        assert_eq!((kept.following_only, kept.scales), (true, [100, 100, 50]));
    }

    #[test]
    fn every_fault_is_named_with_its_field() {
        let json = r#"{"weights": {"freshness": -1, "affinity": 3.5},
                       "muted_words": ["ok", "two words", ""]}"#;
        let faults = chosen(json).check(true).unwrap_err();
        let named: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let expected =
            ["weights.freshness", "weights.affinity", "muted_words[1]", "muted_words[2]"];
        assert_eq!(named, expected);
        assert_eq!(chosen(r#"{"muted_words": ["a"]}"#).check(false).unwrap_err().len(), 1);
    }
}
