//! `GET /page`: the feed as a person sees it, in a browser, moving.
//!
//! These are files for a browser, not routes of the API: they have no caller, no parameters and no word in OpenAPI, so the table of
//! routes does not have them. They are there only where they were asked for. The page is served with a policy by which the
//! browser takes nothing from elsewhere and runs nothing but its one module; it reads the API as any other client does, with a
//! token that only the browser's tab keeps.

use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};
use warp::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{HeaderMap, Method, Response as HttpResponse, StatusCode};
use warp::reply::Response;

use super::cast::{Cast, is_asked_here};
use super::{Refusal, json as json_answer, request_id};

/// Where it is.
pub const PATH: &str = "/page";
const READERS: &str = "/page/readers.json";
const NAMES: &str = "/page/names.json";

/// A file of the page.
struct File {
    path: &'static str,
    media: &'static str,
    text: &'static str,
}

static FILES: [File; 4] = [
    File {
        path: PATH,
        media: "text/html; charset=utf-8",
        text: include_str!("../../page/feed.html"),
    },
    File {
        path: "/page/feed.css",
        media: "text/css; charset=utf-8",
        text: include_str!("../../page/feed.css"),
    },
    File {
        path: "/page/feed.js",
        media: "text/javascript; charset=utf-8",
        text: include_str!("../../page/feed.js"),
    },
    File {
        path: "/page/feed.svg",
        media: "image/svg+xml",
        text: include_str!("../../page/feed.svg"),
    },
];

/// What a browser may do with them: nothing is taken from elsewhere, nothing inline is run, nobody frames them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    // It is asked each time whether the file still is the same.
    (CACHE_CONTROL, "no-cache"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The page, where it was asked for.
#[derive(Clone, Default)]
pub struct FeedPage {
    /// Only a demonstration has one.
    cast: Option<Arc<Cast>>,
}

impl FeedPage {
    /// The page of a demonstration.
    pub fn with(cast: Arc<Cast>) -> Self {
        Self { cast: Some(cast) }
    }

    /// The answer to a request that is for the page; none if it is not.
    pub fn answer(
        &self,
        method: &Method,
        (path, query): (&str, &str),
        headers: &HeaderMap,
    ) -> Option<Response> {
        let answer = match path {
            "/" => moved("page"),
            "/page/" => moved("../page"),
            READERS => self.readers(headers),
            NAMES => self.names(query, headers),
            _ => served(FILES.iter().find(|file| file.path == path)?, headers),
        };
        Some(match *method {
            Method::GET | Method::HEAD => answer,
            _ => Refusal::not_allowed("GET, HEAD").into_response(),
        })
    }

    /// Those among whom a person may choose; nobody where there is no cast.
    fn readers(&self, headers: &HeaderMap) -> Response {
        let readers = self.cast_for(headers).map(Cast::readers).unwrap_or_default();
        json_answer(StatusCode::OK, &json!({ "readers": readers }), request_id())
    }

    /// What the users and posts of `?of=id,id` are called.
    fn names(&self, query: &str, headers: &HeaderMap) -> Response {
        let ids = query.strip_prefix("of=").unwrap_or_default();
        let names = self.cast_for(headers).map(|cast| cast.names(ids)).unwrap_or_default();
        json_answer(StatusCode::OK, &json!({ "names": names }), request_id())
    }

    fn cast_for(&self, headers: &HeaderMap) -> Option<&Cast> {
        self.cast.as_deref().filter(|_| is_asked_here(headers))
    }
}

/// To the page; relative, so that it is right behind a proxy that adds to the path.
fn moved(to: &'static str) -> Response {
    let mut answer = HttpResponse::new(String::new().into());
    *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    answer
}

fn served(file: &File, headers: &HeaderMap) -> Response {
    let digest = Sha256::digest(file.text);
    let tag: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let held = headers.get(IF_NONE_MATCH).and_then(|held| held.to_str().ok()).unwrap_or_default();
    // A proxy that compresses makes a tag a weak one.
    let is_held = held.split(',').any(|of| of.trim().trim_start_matches("W/") == tag);
    let (status, text) = match is_held {
        true => (StatusCode::NOT_MODIFIED, ""),
        false => (StatusCode::OK, file.text),
    };
    let mut answer = HttpResponse::new(text.into());
    *answer.status_mut() = status;
    let to = answer.headers_mut();
    to.insert(CONTENT_TYPE, HeaderValue::from_static(file.media));
    for (name, value) in HEADERS {
        to.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        to.insert(ETAG, tag);
    }
    answer
}
