//! Asks other instances over their internal listeners: shows them the secret, and takes only so much of an answer.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// See the module. How long an answer may take is its caller's to say.
pub struct InstanceClient {
    client: Client<HttpConnector, Empty<Bytes>>,
    secret: Option<String>,
    bytes_max: usize,
}

/// What an instance answers.
pub struct Told {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl InstanceClient {
    /// Shows this secret, and takes answers of so many bytes at most.
    pub fn new(secret: Option<String>, bytes_max: usize) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, secret, bytes_max }
    }

    /// What the instance at `url` answers to a path, asked with these headers; a fault names the instance.
    pub async fn get(
        &self,
        (url, path): (&str, &str),
        headers: &[(&str, &str)],
    ) -> Result<Told, String> {
        let failed = |fault: &dyn std::fmt::Display| format!("{url}: {fault}");
        let mut request = Request::get(format!("{url}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(secret) = &self.secret {
            request = request.header(AUTHORIZATION, format!("Bearer {secret}"));
        }
        let request = request.body(Empty::new()).map_err(|e| failed(&e))?;
        let (head, body) = self.client.request(request).await.map_err(|e| failed(&e))?.into_parts();
        let body = Limited::new(body, self.bytes_max).collect().await.map_err(|e| failed(&e))?;
        Ok(Told { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}
