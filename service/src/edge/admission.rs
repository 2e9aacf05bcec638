//! Whether a request is well enough to be worked on, by its head alone.

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, Version};

use crate::http::{Fault, Refusal};

/// The bounds of a head.
#[derive(Clone, Copy, Debug)]
pub struct HeadBounds {
    /// Its bytes: target, names and values.
    pub bytes_max: usize,
    /// How many headers.
    pub headers_max: usize,
}

/// The request as routes take it. HEAD is answered as GET, and hyper leaves the body out (RFC 9110, 9.3.2).
pub fn admitted(
    mut request: Request<Incoming>,
    bounds: HeadBounds,
) -> Result<Request<Incoming>, Refusal> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    judge(request.headers(), target, bounds)?;
    names_one_host(request.headers(), request.version())?;
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::GET;
    }
    Ok(request)
}

fn judge(headers: &HeaderMap, target: usize, bounds: HeadBounds) -> Result<(), Refusal> {
    if headers.len() > bounds.headers_max {
        return Err(Refusal::head_too_large(format!(
            "a request has at most {} headers, found {}",
            bounds.headers_max,
            headers.len()
        )));
    }
    let each = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if target + each.sum::<usize>() > bounds.bytes_max {
        let words = format!("the head of a request has at most {} bytes", bounds.bytes_max);
        return Err(Refusal::head_too_large(words));
    }
    Ok(())
}

/// A request of HTTP/1.1 names one host, or is refused (RFC 9112, 3.2).
fn names_one_host(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && version == Version::HTTP_11) {
        let found = if hosts == 0 { "found none" } else { "found several" };
        return Err(Refusal::invalid(vec![Fault::of("host", format!("expected one, {found}"))]));
    }
    Ok(())
}
