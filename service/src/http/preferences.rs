//! `PUT /api/v1/feed/preferences`: what the caller chooses of their feed, all of it at once; what is left out is as at first.

use schemas::{Preferences, Scales, UNSCALED, UserId, one_word};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use super::routes::Request;
use super::{Api, Fault, Refusal, at, body, json, request_id};

/// So many words may be muted.
const WORDS_MAX: usize = 200;
/// So long may one be, in bytes of UTF-8.
const WORD_BYTES_MAX: usize = 100;
const TERMS: [&str; 3] = ["freshness", "engagement", "affinity"];
/// What a weight may be multiplied by.
const SCALES: std::ops::RangeInclusive<f64> = 0.0..=3.0;

/// What a reader chooses.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FeedPreferences)]
pub struct Chosen {
    /// Whether only posts of followees are shown; false if it is left out.
    #[schema(required = false)]
    following_only: bool,
    /// What the weights of the weight set are multiplied by.
    #[schema(required = false)]
    weights: ScalesChosen,
    /// Posts that have one of these words are not shown: words by Unicode's bounds, whatever their case.
    #[schema(required = false, max_items = 200)]
    muted_words: Vec<String>,
}

/// Of each term, in hundredths; 1 is as it is for everybody.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = PreferredWeights)]
struct ScalesChosen {
    #[schema(required = false, minimum = 0, maximum = 3)]
    freshness: f64,
    #[schema(required = false, minimum = 0, maximum = 3)]
    engagement: f64,
    #[schema(required = false, minimum = 0, maximum = 3)]
    affinity: f64,
}

/// Takes what the caller chooses; answers when Kafka has it, as it is kept.
pub async fn put(api: &Api, request: Request) -> Result<Response, Refusal> {
    request.given()?;
    let Request { caller, headers, body, .. } = request;
    let body = body::of_json(body, &headers, api.body.get()).await?;
    let wrong = |e: serde_json::Error| Refusal::invalid(vec![Fault::of("body", e.to_string())]);
    let body: Map<String, Value> = serde_json::from_slice(&body).map_err(wrong)?;
    let kept = Reading { faults: Vec::new(), mutes_words: api.mutes_words }.read(&body);
    let kept = kept.map_err(Refusal::invalid)?;
    let kept = Preferences { at_ms: api.reads.now().0, ..kept };
    let user = UserId(caller.user.into_bytes());
    let chosen = Chosen::of(&kept);
    let stored = api.log.choose(user, kept).await;
    let position =
        stored.map_err(|_| Refusal::unavailable("the preferences could not be stored"))?;
    Ok(at(json(StatusCode::ACCEPTED, &chosen, request_id()), &position))
}

impl Chosen {
    /// As it is kept.
    fn of(kept: &Preferences) -> Self {
        let [freshness, engagement, affinity] = kept.scales.map(|scale| f64::from(scale) / 100.0);
        Self {
            following_only: kept.following_only,
            weights: ScalesChosen { freshness, engagement, affinity },
            muted_words: kept.muted_words.clone(),
        }
    }
}

/// Reads a body, field by field, so that each fault has the name of its field.
struct Reading {
    faults: Vec<Fault>,
    mutes_words: bool,
}

impl Reading {
    fn fault(&mut self, field: impl Into<String>, words: impl Into<String>) {
        self.faults.push(Fault::of(field, words));
    }

    fn read(mut self, body: &Map<String, Value>) -> Result<Preferences, Vec<Fault>> {
        let mut kept = Preferences::default();
        for (field, value) in body {
            match field.as_str() {
                "following_only" => match value.as_bool() {
                    Some(told) => kept.following_only = told,
                    None => self.fault(field, format!("expected true or false, found {value}")),
                },
                "weights" => kept.scales = self.scales(value),
                "muted_words" => kept.muted_words = self.words(value),
                _ => self
                    .fault(field, "is not known; expected following_only, weights and muted_words"),
            }
        }
        if self.faults.is_empty() { Ok(kept) } else { Err(self.faults) }
    }

    fn scales(&mut self, told: &Value) -> Scales {
        let mut scales = UNSCALED;
        let Some(told) = told.as_object() else {
            self.fault("weights", format!("expected an object, found {told}"));
            return scales;
        };
        for (term, value) in told {
            let field = format!("weights.{term}");
            let Some(place) = TERMS.iter().position(|known| known == term) else {
                self.fault(field, format!("is not known; expected {}", TERMS.join(", ")));
                continue;
            };
            match (value.as_f64().filter(|scale| SCALES.contains(scale)), scales.get_mut(place)) {
                (Some(scale), Some(place)) => *place = (scale * 100.0).round() as u16,
                _ => self.fault(field, format!("expected 0 to 3, found {value}")),
            }
        }
        scales
    }

    fn words(&mut self, told: &Value) -> Vec<String> {
        let Some(told) = told.as_array() else {
            self.fault("muted_words", format!("expected a list of words, found {told}"));
            return Vec::new();
        };
        if !self.mutes_words && !told.is_empty() {
            self.fault("muted_words", "this service does not keep the words of posts");
        }
        if told.len() > WORDS_MAX {
            let words = format!("expected at most {WORDS_MAX}, found {}", told.len());
            self.fault("muted_words", words);
        }
        let mut words = Vec::new();
        for (number, text) in told.iter().enumerate() {
            let word = text.as_str().and_then(one_word);
            match word.filter(|word| word.len() <= WORD_BYTES_MAX) {
                Some(word) => words.push(word),
                None => self.fault(
                    format!("muted_words[{number}]"),
                    format!(
                        "expected one word, without spaces or signs in it, of at most {WORD_BYTES_MAX} bytes, found {text}"
                    ),
                ),
            }
        }
        words.sort_unstable();
        words.dedup();
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, mutes_words: bool) -> Result<Preferences, Vec<Fault>> {
        Reading { faults: Vec::new(), mutes_words }.read(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_is_left_out_is_as_at_first_and_words_are_kept_as_they_are_compared() {
        let kept = read(r#"{"muted_words": ["Spoiler", "spoiler ", "МИР"]}"#, true).unwrap();
        assert_eq!((kept.following_only, kept.scales), (false, [100; 3]));
        assert_eq!(kept.muted_words, ["spoiler", "мир"]);
        let kept = read(r#"{"following_only": true, "weights": {"affinity": 0.505}}"#, true);
        let kept = kept.unwrap();
        assert_eq!((kept.following_only, kept.scales), (true, [100, 100, 51]));
        assert_eq!(Chosen::of(&kept).weights.affinity, 0.51, "it is answered as it is kept");
    }

    #[test]
    fn every_fault_is_named_with_its_field() {
        let json = r#"{"weights": {"freshness": -1, "affinity": "much", "colour": 1}, "x": 1,
                       "muted_words": ["ok", "two words", "", 5], "following_only": "yes"}"#;
        let mut named: Vec<_> =
            read(json, true).unwrap_err().into_iter().map(|fault| fault.field).collect();
        named.sort_unstable();
        let expected = [
            "following_only",
            "muted_words[1]",
            "muted_words[2]",
            "muted_words[3]",
            "weights.affinity",
            "weights.colour",
            "weights.freshness",
            "x",
        ];
        assert_eq!(named, expected);
        let lists = [r#"{"weights": [1, 2, 3]}"#, r#"{"muted_words": "a"}"#];
        assert!(lists.iter().all(|json| read(json, true).unwrap_err().len() == 1));
        assert_eq!(read(r#"{"muted_words": ["a"]}"#, false).unwrap_err().len(), 1);
    }
}
