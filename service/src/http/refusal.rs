//! Why a request is not answered, in the one form that clients learn:
//! `{"error":{"code","message","fields"},"request_id"}`.

use std::borrow::Cow;
use std::convert::Infallible;

use serde::Serialize;
use utoipa::ToSchema;
use warp::body::BodyDeserializeError;
use warp::http::StatusCode;
use warp::http::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use warp::reject::{InvalidHeader, InvalidQuery, PayloadTooLarge, Rejection, UnsupportedMediaType};
use warp::reply::Response;

use super::{json, request_id};

/// The content codings that bodies may have.
const ENCODINGS: &str = "gzip, deflate, br, zstd";

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// In which element of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The field or parameter.
    pub field: String,
    /// What it should be and what it is.
    pub message: String,
}

impl Fault {
    /// A fault of a parameter or field of a request that is no batch.
    pub fn of(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { index: None, field: field.into(), message: message.into() }
    }
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// Words for people.
    pub message: Cow<'static, str>,
    /// What is wrong, where it can be said.
    pub fields: Vec<Fault>,
    /// After how many seconds it may go better.
    pub retry_after_s: Option<u32>,
    /// The methods that the route has, if the request's is none of them.
    pub allow: Option<Cow<'static, str>>,
}

/// Its answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Refusal)]
pub struct Body<'a> {
    error: Error<'a>,
    /// What the log and support know the request by.
    request_id: String,
}

#[derive(Serialize, ToSchema)]
struct Error<'a> {
    /// A word for programs.
    code: &'a str,
    /// Words for people.
    message: &'a str,
    /// What is wrong, where it can be said.
    fields: &'a [Fault],
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: Vec::new(),
            retry_after_s: None,
            allow: None,
        }
    }

    /// 400, with what is wrong.
    pub fn invalid(fields: Vec<Fault>) -> Self {
        let message = "the request is not valid";
        Self { fields, ..Self::new(StatusCode::BAD_REQUEST, "invalid", message) }
    }

    /// 401, whatever the reason.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a valid bearer token is needed")
    }

    /// 401 of one who showed no certificate where instances know each other by them.
    pub fn uncertified() -> Self {
        let message = "a client certificate of the instances' authority is needed";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// 403, with what is not the caller's.
    pub fn forbidden(fields: Vec<Fault>) -> Self {
        let message = "the caller may not do this";
        Self { fields, ..Self::new(StatusCode::FORBIDDEN, "forbidden", message) }
    }

    /// 404 of a store that is not one.
    pub fn no_store() -> Self {
        let message = "there is no such store: /state/v1/stores lists them";
        Self::new(StatusCode::NOT_FOUND, "no_store", message)
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    /// 405, with the methods that the route has.
    pub fn not_allowed(allow: impl Into<Cow<'static, str>>) -> Self {
        let message = "the method is not allowed here";
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        Self { allow: Some(allow.into()), ..refusal }
    }

    /// 409, with what is otherwise than the caller thinks.
    pub fn conflict(fields: Vec<Fault>) -> Self {
        let message = "it was changed meanwhile";
        Self { fields, ..Self::new(StatusCode::CONFLICT, "conflict", message) }
    }

    /// 413: the body.
    pub fn too_long(bytes_max: u64) -> Self {
        let message = format!("the body is longer than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 413: the batch.
    pub fn too_many(events: usize, events_max: usize) -> Self {
        let message = format!("a batch has at most {events_max} events, found {events}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 408: the body did not come in time.
    pub fn slow() -> Self {
        let message = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
    }

    /// 415: the content coding.
    pub fn unsupported_coding(found: &str) -> Self {
        let found: String = found.chars().take(64).collect();
        let message = format!(
            "the content-encoding may be {ENCODINGS}, three upon each other at most, found {found:?}"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message)
    }

    /// 415: the content type.
    pub fn unsupported() -> Self {
        let message = "the content-type must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 421.
    pub fn not_owner() -> Self {
        let message = "another instance owns this user";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "not_owner", message)
    }

    /// 429, to be tried again after so many seconds.
    pub fn too_often(retry_after_s: u32) -> Self {
        let message = "too many requests";
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        Self { retry_after_s: Some(retry_after_s), ..refusal }
    }

    /// 431: the head.
    pub fn head_too_large(message: String) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", message)
    }

    /// 421 of a store: only another instance shows what was asked for.
    pub fn not_shown() -> Self {
        let message = "another instance shows this";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "not_owner", message)
    }

    /// 503: what was found is not as fresh as was asked for, with how fresh it is.
    pub fn not_fresh(code: &'static str, found: String) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, found);
        Self { retry_after_s: Some(1), ..refusal }
    }

    /// 503: Kafka, or what is asked there, does not answer as it should; with what it says.
    pub fn failed(words: String) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", words);
        Self { retry_after_s: Some(1), ..refusal }
    }

    /// 503: operators turned it off.
    pub fn turned_off(message: &'static str) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "turned_off", message);
        Self { retry_after_s: Some(60), ..refusal }
    }

    /// 503, to be tried again.
    pub fn unavailable(message: &'static str) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after_s: Some(1), ..refusal }
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let request = request_id();
        let error = Error { code: self.code, message: &self.message, fields: &self.fields };
        let body = Body { error, request_id: request.to_string() };
        let mut answer = json(self.status, &body, request);
        if let Some(seconds) = self.retry_after_s {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
            answer.headers_mut().insert(ALLOW, allow);
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
        }
        if [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE].contains(&self.status) {
            // What still comes of the body is no next request.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

/// Makes of what no route took an answer in the same form. `bytes_max` is the longest body of the routes.
pub async fn recover(rejection: Rejection, bytes_max: u64) -> Result<Response, Infallible> {
    let refusal = if rejection.find::<PayloadTooLarge>().is_some() {
        Refusal::too_long(bytes_max)
    } else if rejection.find::<UnsupportedMediaType>().is_some() {
        Refusal::unsupported()
    } else if rejection.find::<InvalidHeader>().is_some() {
        Refusal::invalid(vec![Fault::of("header", "is not readable text")])
    } else if rejection.find::<InvalidQuery>().is_some() {
        Refusal::invalid(vec![Fault::of("query", "is not readable")])
    } else if rejection.find::<BodyDeserializeError>().is_some() {
        Refusal::invalid(vec![Fault::of("body", "is not readable")])
    } else {
        Refusal::not_found()
    };
    Ok(refusal.into_response())
}
