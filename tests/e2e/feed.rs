//! A feed as a client gets it: JSON, looked into by name.

use serde_json::Value;

/// An answer of `GET /api/v1/feed?explain=1`.
#[derive(Clone, Debug)]
pub struct Feed(Value);

/// One item of it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a>(&'a Value);

impl Feed {
    pub fn of(answer: Value) -> Self {
        Self(answer)
    }

    pub fn source(&self) -> &str {
        self.0["source"].as_str().unwrap()
    }

    pub fn is_fallback(&self) -> bool {
        self.0["fallback"].as_bool().unwrap()
    }

    fn items(&self) -> &[Value] {
        self.0["items"].as_array().unwrap()
    }

    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    pub fn has(&self, post: &str) -> bool {
        self.items().iter().any(|item| item["post_id"] == post)
    }

    pub fn item(&self, post: &str) -> Item<'_> {
        Item(self.items().iter().find(|item| item["post_id"] == post).unwrap())
    }

    /// The likes of a post; 0 if it is not there.
    pub fn likes(&self, post: &str) -> u64 {
        self.count(post, "likes")
    }

    /// The shares of a post; 0 if it is not there.
    pub fn shares(&self, post: &str) -> u64 {
        self.count(post, "shares")
    }

    fn count(&self, post: &str, name: &str) -> u64 {
        let item = self.items().iter().find(|item| item["post_id"] == post);
        item.and_then(|item| item["counts"][name].as_u64()).unwrap_or(0)
    }

    pub fn first(&self) -> Item<'_> {
        Item(&self.items()[0])
    }
}

impl Item<'_> {
    pub fn id(&self) -> &str {
        self.0["post_id"].as_str().unwrap()
    }

    pub fn sources(&self) -> Vec<&str> {
        self.0["sources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
    }

    pub fn score(&self) -> f64 {
        self.0["score"].as_f64().unwrap()
    }

    /// An unweighted term of the score.
    pub fn term(&self, name: &str) -> f64 {
        self.0["explain"]["terms"][name]["value"].as_f64().unwrap()
    }

    pub fn age_hours(&self) -> f64 {
        self.0["explain"]["terms"]["freshness"]["age_ms"].as_f64().unwrap() / 3_600_000.0
    }
}
