//! `GET /page`: the feed as a person sees it, in a browser, moving.
//!
//! These are files for a browser, not routes of the API: they have no caller, no parameters and no word in OpenAPI, so the table of
//! routes does not have them. They are there only where they were asked for. The page is served with a policy by which the
//! browser takes nothing from elsewhere and runs nothing but its one module; it reads the API as any other client does, with a
//! token that only the browser's tab keeps.

use std::sync::Arc;

use serde_json::json;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use super::cast::{Cast, is_asked_here};
use super::page_file::{LOOKS, PageFile, SIGN, moved};
use super::{Refusal, json as json_answer, request_id};

/// Where it is.
pub const PATH: &str = "/page";
const READERS: &str = "/page/readers.json";
const NAMES: &str = "/page/names.json";

static FILES: [PageFile; 5] = [
    PageFile {
        path: PATH,
        media: "text/html; charset=utf-8",
        text: include_str!("../../page/feed.html"),
    },
    PageFile { path: "/page/looks.css", ..LOOKS },
    PageFile {
        path: "/page/feed.css",
        media: "text/css; charset=utf-8",
        text: include_str!("../../page/feed.css"),
    },
    PageFile {
        path: "/page/feed.js",
        media: "text/javascript; charset=utf-8",
        text: include_str!("../../page/feed.js"),
    },
    PageFile { path: "/page/feed.svg", ..SIGN },
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
            _ => FILES.iter().find(|file| file.path == path)?.served(headers),
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
