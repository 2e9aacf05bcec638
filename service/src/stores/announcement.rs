//! What an instance says of itself: where it is asked, what it shows and where that stands. Topic `<app>-instances`, its key the
//! instance's name; null when it has stopped.
//!
//! Whoever is named there is shown the secret. So where there is one an announcement is signed by it, and one that is not is not
//! heard.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millstream::{StoreFacts, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Lag;
use crate::secrets::{Secrets, SigningKeys};

/// The secret signs other things too.
const PURPOSE: &str = "feedmill instances 1";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = InstanceAnnouncement)]
pub struct Announcement {
    /// Its internal listener, `http://host:port`.
    pub url: String,
    /// When it said so, ms UTC.
    pub at_ms: i64,
    /// What it shows, by sub-topology.
    pub shows: BTreeMap<String, Vec<Shown>>,
}

/// A task whose state an instance shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TaskShown)]
pub struct Shown {
    /// Its partition.
    pub partition: i32,
    /// In what right.
    pub role: String,
    /// What of its inputs it holds.
    pub position: String,
    /// How far that is behind.
    pub lag: Lag,
}

/// An announcement as it is written.
#[derive(Serialize, Deserialize)]
struct Signed {
    /// It, JSON in a text, so that the same bytes are verified that were signed.
    announcement: String,
    /// By the secret; none where there is no secret.
    mac: Option<String>,
}

/// Who signs and verifies.
#[derive(Clone)]
pub struct Signer(Option<SigningKeys>);

impl Announcement {
    /// What is said by who is asked at `url` and shows this.
    pub fn of(url: &str, stores: &[StoreFacts], now: Timestamp) -> Self {
        let mut shows = BTreeMap::new();
        for store in stores {
            // All stores of a sub-topology are the state of the same tasks.
            shows.entry(store.sub_topology.clone()).or_insert_with(|| {
                let shown = store.here.iter().map(|(partition, role, standing)| Shown {
                    partition: *partition,
                    role: role.name().to_owned(),
                    position: standing.position.to_string(),
                    lag: Lag::of(standing),
                });
                shown.collect::<Vec<_>>()
            });
        }
        shows.retain(|_, shown| !shown.is_empty());
        Self { url: url.to_owned(), at_ms: now.0, shows }
    }
}

impl Signer {
    /// Signs by what instances show each other.
    pub fn of(secrets: Option<&Secrets>) -> Self {
        Self(secrets.map(|secrets| secrets.keys(PURPOSE)))
    }

    /// The value of a record under this instance's name.
    pub fn write(&self, name: &str, announcement: &Announcement) -> Result<Vec<u8>, String> {
        let json = |fault: serde_json::Error| fault.to_string();
        let announcement = serde_json::to_string(announcement).map_err(json)?;
        let mac = self
            .0
            .as_ref()
            .map(|keys| URL_SAFE_NO_PAD.encode(keys.sign(signed(name, &announcement).as_bytes())));
        serde_json::to_vec(&Signed { announcement, mac }).map_err(json)
    }

    /// What a record says under this name; or why it is not heard.
    pub fn read(&self, name: &str, value: &[u8]) -> Result<Announcement, String> {
        let json = |fault: serde_json::Error| fault.to_string();
        let Signed { announcement, mac } = serde_json::from_slice(value).map_err(json)?;
        if let Some(keys) = &self.0 {
            let mac = mac.and_then(|mac| URL_SAFE_NO_PAD.decode(mac).ok());
            let mac = mac.ok_or("it is not signed")?;
            if !keys.have_signed(signed(name, &announcement).as_bytes(), &mac) {
                return Err("it is signed by another secret".to_owned());
            }
        }
        serde_json::from_str(&announcement).map_err(json)
    }
}

fn signed(name: &str, announcement: &str) -> String {
    format!("{name}\n{announcement}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement() -> Announcement {
        Announcement { url: "http://a:1".into(), at_ms: 7, ..Announcement::default() }
    }

    fn signer(secret: &str) -> Signer {
        Signer::of(Secrets::of(secret).ok().as_ref())
    }

    #[test]
    fn an_announcement_is_heard_if_the_secret_signed_it_under_its_name() {
        let signed = signer("open sesame\n");
        let value = signed.write("one", &announcement()).unwrap();
        assert_eq!(signer("open sesame").read("one", &value), Ok(announcement()));
        let other = "it is signed by another secret".to_owned();
        assert_eq!(signed.read("two", &value), Err(other.clone()));
        assert_eq!(signer("guess").read("one", &value), Err(other));
        let unsigned = Signer::of(None).write("one", &announcement()).unwrap();
        assert_eq!(signed.read("one", &unsigned), Err("it is not signed".into()));
        assert_eq!(Signer::of(None).read("one", &unsigned), Ok(announcement()));
        assert!(signed.read("one", b"soon").is_err());
    }
}
