//! Who is on the feed page of a demonstration: readers to choose among, each with a token, and what people and posts are called.
//!
//! The API knows neither names nor what posts say: an application has them. Where this process plays the application too, it
//! has a cast. All of a cast is invented; still it is told only to whoever asks for this machine by a name of the machine itself,
//! so that no other site can have its own name lead here and read a token.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use uuid::Uuid;
use warp::http::HeaderMap;
use warp::http::header::HOST;
use warp::http::uri::Authority;

/// So many names are told at once.
const NAMES_MAX: usize = 100;

/// Somebody whose feed may be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reader {
    /// Their id.
    pub user_id: Uuid,
    /// Their name.
    pub username: String,
    /// What they care for most.
    pub favourite: &'static str,
    /// Lets the page ask for their feed.
    pub token: String,
}

/// See the module.
#[derive(Default)]
pub struct Cast(Mutex<Known>);

#[derive(Default)]
struct Known {
    readers: Vec<Reader>,
    /// Of users what they are called, of posts what they say.
    names: BTreeMap<Uuid, String>,
}

impl Cast {
    /// Lets the feeds of these be looked at.
    pub fn read_by(&self, readers: Vec<Reader>) {
        self.known().readers = readers;
    }

    /// Says what a user is called, or a post says.
    pub fn name(&self, of: [u8; 16], name: &str) {
        self.known().names.insert(Uuid::from_bytes(of), name.to_owned());
    }

    /// Whose feed may be looked at.
    pub fn readers(&self) -> Vec<Reader> {
        self.known().readers.clone()
    }

    /// The names of `ids`, which a query lists with commas; without those that nobody has.
    pub fn names(&self, ids: &str) -> BTreeMap<Uuid, String> {
        let known = self.known();
        let ids = ids.split(',').take(NAMES_MAX).filter_map(|id| Uuid::try_parse(id).ok());
        ids.filter_map(|id| Some((id, known.names.get(&id)?.clone()))).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request names this machine as the machine names itself: `localhost`, or an address of loopback.
pub fn is_asked_here(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use warp::http::HeaderValue;

    use super::*;

    #[test]
    fn names_are_told_of_those_who_have_one() {
        let cast = Cast::default();
        cast.name([1; 16], "mira.frost");
        cast.name([2; 16], "A heron.");
        let [one, two, three] = [1, 2, 3].map(|of| Uuid::from_bytes([of; 16]));
        let told = cast.names(&format!("{two},{three},x,,{one}"));
        let expected = [(one, "mira.frost".to_owned()), (two, "A heron.".to_owned())];
        assert_eq!(told, BTreeMap::from(expected));
    }

    #[test]
    fn only_names_of_this_machine_are_names_of_this_machine() {
        let is_here = |host: &'static str| {
            let headers = [(HOST, HeaderValue::from_static(host))];
            is_asked_here(&HeaderMap::from_iter(headers))
        };
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"] {
            assert!(is_here(host), "{host}");
        }
        for host in ["feed.example:8080", "10.0.0.1", "localhost.example", "0.0.0.0:1", "", "a b"] {
            assert!(!is_here(host), "{host}");
        }
        assert!(!is_asked_here(&HeaderMap::new()));
    }
}
