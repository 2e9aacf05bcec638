//! Asks other instances over their internal listeners: shows them who asks, and takes only so much of an answer.

use std::iter;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

use crate::certificate::Certificate;
use crate::secrets::Secrets;

/// By which an instance shows the others that it is one of them.
#[derive(Clone)]
pub struct Credentials {
    secret: Option<String>,
    tls: ClientConfig,
}

impl Credentials {
    /// The secret that is shown, and the certificate; without one only instances without one can be asked.
    pub fn of(
        secrets: Option<&Secrets>,
        certificate: Option<&Certificate>,
    ) -> Result<Self, String> {
        let secret = secrets.map(|secrets| secrets.shown().to_owned());
        Ok(Self { secret, tls: Certificate::caller(certificate)? })
    }

    /// What asks by them, over HTTP/1.1 or HTTPS.
    pub fn client(&self) -> Client<HttpsConnector<HttpConnector>, Empty<Bytes>> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(self.tls.clone());
        let connector = connector.https_or_http().enable_http1().build();
        Client::builder(TokioExecutor::new()).build(connector)
    }
}

/// See the module. How long an answer may take is its caller's to say.
pub struct InstanceClient {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
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
    /// Shows these, and takes answers of so many bytes at most.
    pub fn new(credentials: Credentials, bytes_max: usize) -> Self {
        let client = credentials.client();
        Self { client, secret: credentials.secret, bytes_max }
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
        let (head, body) =
            self.client.request(request).await.map_err(|e| failed(&causes(&e)))?.into_parts();
        let body = Limited::new(body, self.bytes_max).collect().await.map_err(|e| failed(&e))?;
        Ok(Told { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

/// An error with what lies behind it, in which stands why there is no connection; and what to look at, where that says it badly.
pub fn causes(fault: &(dyn std::error::Error + 'static)) -> String {
    let causes = || iter::successors(Some(fault), |fault| fault.source());
    let words = causes().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    // Who speaks TLS answers so to whoever does not.
    let is_no_http = |fault: &hyper::Error| fault.is_parse();
    if causes().filter_map(|fault| fault.downcast_ref()).any(is_no_http) {
        return format!("{words}; perhaps it speaks TLS, and its URL begins with https");
    }
    // Certificates are judged on both sides.
    if words.contains("UnknownCA") || words.contains("UnknownIssuer") {
        return format!(
            "{words}; http.internal_tls_ca_file of the one has no authority of the other's http.internal_tls_cert_file"
        );
    }
    words
}
