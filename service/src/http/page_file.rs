//! A file of a page for a browser, served by a policy by which the browser takes nothing from elsewhere and runs nothing inline.

use sha2::{Digest, Sha256};
use warp::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{HeaderMap, Response as HttpResponse, StatusCode};
use warp::reply::Response;

/// See the module.
pub struct PageFile {
    /// Where it is.
    pub path: &'static str,
    /// Its media type.
    pub media: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// What the pages have of their looks in common.
pub const LOOKS: PageFile = PageFile {
    path: "looks.css",
    media: "text/css; charset=utf-8",
    text: include_str!("../../page/looks.css"),
};

/// The sign that stands above each.
pub const SIGN: PageFile = PageFile {
    path: "feed.svg",
    media: "image/svg+xml",
    text: include_str!("../../page/feed.svg"),
};

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

impl PageFile {
    /// It, unless the browser has it.
    pub fn served(&self, headers: &HeaderMap) -> Response {
        let digest = Sha256::digest(self.text);
        let tag: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let tag = format!("\"{tag}\"");
        let held = headers.get(IF_NONE_MATCH).and_then(|held| held.to_str().ok());
        let mut held = held.unwrap_or_default().split(',');
        // A proxy that compresses makes a tag a weak one.
        let (status, text) = match held.any(|of| of.trim().trim_start_matches("W/") == tag) {
            true => (StatusCode::NOT_MODIFIED, ""),
            false => (StatusCode::OK, self.text),
        };
        let mut answer = HttpResponse::new(text.into());
        *answer.status_mut() = status;
        let to = answer.headers_mut();
        to.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        for (name, value) in HEADERS {
            to.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            to.insert(ETAG, tag);
        }
        answer
    }
}

/// To the page; relative, so that it is right behind a proxy that adds to the path.
pub fn moved(to: &'static str) -> Response {
    let mut answer = HttpResponse::new(String::new().into());
    *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    answer
}
