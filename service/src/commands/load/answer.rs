//! What a feed's request is answered with, as far as the referee has a say in it.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{Request, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::instance_client::Credentials;

const BYTES_MAX: usize = 4 << 20;

/// A feed as it is served.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    /// The best first, but for spacing.
    pub items: Vec<Item>,
    /// Who had it.
    pub source: String,
    /// Its publication; none of a timeline.
    pub version: Option<u64>,
    /// As of when it was scored, ms UTC.
    pub as_of: i64,
    /// The reader follows nobody and did nothing.
    pub cold_start: bool,
}

/// An item of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Item {
    /// Which post.
    #[serde(deserialize_with = "uuid")]
    pub post_id: Uuid,
    /// Whose.
    #[serde(deserialize_with = "uuid")]
    pub author_id: Uuid,
    /// When it was written, ms UTC.
    pub created_at: i64,
    /// As of the answer's time; none in a timeline.
    pub score: Option<f64>,
    /// By name.
    pub sources: Vec<String>,
    /// What was done to it.
    pub counts: Counts,
    /// Why it stands where it does.
    pub explain: Explain,
}

fn uuid<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(from)?;
    Uuid::try_parse(&text).map_err(D::Error::custom)
}

/// What was done to a post.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Counts {
    /// L.
    pub likes: u32,
    /// C.
    pub comments: u32,
    /// S.
    pub shares: Option<u32>,
    /// E.
    pub exposures: Option<u32>,
}

/// Why an item stands where it does.
#[derive(Clone, Debug, Deserialize)]
pub struct Explain {
    /// The terms of its score.
    pub terms: Option<Terms>,
    /// The rule of spacing.
    pub rule: String,
}

/// The terms of a score.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Terms {
    /// That of the reader's ties to the author.
    pub affinity: Affinity,
}

/// See [`Terms`].
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Affinity {
    /// A.
    pub interactions: u32,
}

/// How far a worker is.
#[derive(Clone, Copy, Debug)]
pub struct WorkerStanding {
    /// Whether it is behind its topics.
    pub is_lagging: bool,
    /// How many records it has worked off.
    pub records: u64,
}

/// Why nothing is known of a worker's standing.
#[derive(Clone, Debug)]
pub enum Unwell {
    /// It does not answer.
    Mute(String),
    /// It says that it is not well, or is no worker.
    Ill(String),
}

/// Asks servers of Feedmill over HTTP.
pub struct Asking(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Asking {
    /// Nobody is asked yet. Call it inside a Tokio runtime.
    pub fn new(credentials: &Credentials) -> Self {
        Self(credentials.client())
    }

    /// The whole feed of the token's user, with what explains it.
    pub async fn feed(&self, url: &str, token: &str) -> Result<Answer, String> {
        let url = format!("{url}/api/v1/feed?limit=100&explain=1");
        let (status, body) = self.ask(&url, Some(token)).await?;
        if status != StatusCode::OK {
            return Err(format!("{url}: {status}: {}", String::from_utf8_lossy(&body)));
        }
        serde_json::from_slice(&body).map_err(|e| format!("{url}: {e}"))
    }

    /// How far the worker is whose internal listener is at `url`.
    pub async fn standing(&self, url: &str) -> Result<WorkerStanding, Unwell> {
        let (_, body) = self.ask(&format!("{url}/ready"), None).await.map_err(Unwell::Mute)?;
        let ill = |words: &dyn std::fmt::Display| Unwell::Ill(format!("{url}: {words}"));
        let said: serde_json::Value = serde_json::from_slice(&body).map_err(|e| ill(&e))?;
        let engine = &said["components"]["engine"];
        let is_lagging = engine["lagging"].as_bool();
        let is_lagging =
            is_lagging.ok_or_else(|| ill(&"/ready names no engine: it is no worker"))?;
        if engine["up"] != true {
            return Err(ill(&engine["fault"].as_str().unwrap_or("its engine is down")));
        }
        let (_, counted) = self.ask(&format!("{url}/metrics"), None).await.map_err(Unwell::Mute)?;
        let counted = String::from_utf8_lossy(&counted);
        let records =
            counted.lines().find_map(|line| line.strip_prefix("millstream_records_total "));
        let records = records.and_then(|records| records.parse().ok()).unwrap_or(0);
        Ok(WorkerStanding { is_lagging, records })
    }

    async fn ask(&self, url: &str, token: Option<&str>) -> Result<(StatusCode, Bytes), String> {
        let fault = |e: &dyn std::fmt::Display| format!("{url}: {e}");
        let mut request = Request::get(url);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::new()).map_err(|e| fault(&e))?;
        let answer = self.0.request(request).await.map_err(|e| fault(&e))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await;
        Ok((status, body.map_err(|e| fault(&e))?.to_bytes()))
    }
}
