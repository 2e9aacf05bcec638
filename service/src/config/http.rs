//! The listeners: where they are, and the bounds within which they serve.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use warp::http::HeaderValue;

use super::loopback;
use super::values::ConfigValues;

/// The listeners.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where the public routes listen.
    pub listen: SocketAddr,
    /// Where health, metrics and the state of this instance listen.
    pub internal_listen: SocketAddr,
    /// The most connections of each listener.
    pub connections_max: usize,
    /// The most of one address; unless set, loopback may have all of them.
    pub connections_per_address_max: PerAddress,
    /// The most requests that are worked on at once, by each listener.
    pub requests_max: usize,
    /// The longest body.
    pub body_bytes_max: u64,
    /// The most bytes of a request's line and headers.
    pub head_bytes_max: usize,
    /// The most headers of a request.
    pub headers_max: usize,
    /// The most events of one request.
    pub events_max: usize,
    /// How long things may take.
    pub waits: Waits,
    /// The certificate of the public listener, if it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// That of the internal one, by which instances know each other.
    pub internal_tls: Option<TlsFiles>,
    /// What tells who is behind a proxy.
    pub forwarded: Forwarded,
    /// The proxies that are believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// The origins whose pages may call, as browsers name them.
    pub cors_origins: Arc<[HeaderValue]>,
    /// Requests of one user in a minute; 0 for as many as they like.
    pub user_per_minute: u32,
    /// Requests of one address in a second, looked at before their tokens; unless set, loopback may send as many as it likes.
    pub address_per_second: PerAddress,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// A request, its body included.
    pub request: Duration,
    /// The first byte of a connection, after its handshake.
    pub first_byte: Duration,
    /// The head of a request, from its first byte on.
    pub head: Duration,
    /// A connection without a request, after the first.
    pub idle: Duration,
    /// A client that takes nothing of what is written to it.
    pub write: Duration,
    /// From "not ready" until no connection is taken any more.
    pub unready: Duration,
    /// From there until requests in hand are cut off.
    pub drain: Duration,
}

/// A bound for each address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAddress {
    /// The most; 0 for none.
    pub max: usize,
    /// Whether it holds for loopback: that is a proxy of this machine, or one who tries things.
    pub with_loopback: bool,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those up to its authority.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authorities whose callers are believed, where callers have certificates.
    pub authority: Option<PathBuf>,
}

/// The header by which proxies tell who is behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// None: who connects is who asks.
    Nothing,
    /// That of RFC 7239.
    Rfc7239,
    /// The older `X-Forwarded-For`.
    XForwardedFor,
}

impl Http {
    /// Where the internal listener of this machine is asked, as it is configured.
    pub fn internal_url(&self) -> String {
        self.internal_url_at(self.internal_listen)
    }

    /// The same at an address.
    pub fn internal_url_at(&self, address: SocketAddr) -> String {
        let scheme = if self.internal_tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    pub(super) fn read(from: &mut ConfigValues) -> Self {
        let listen = from.address("http.listen", loopback(8080));
        let internal_listen = from.address("http.internal_listen", loopback(9901));
        let of = Self {
            listen,
            internal_listen,
            connections_max: from.within("http.connections_max", 10_000, 1..=1_000_000),
            connections_per_address_max: per_address(
                from,
                ("http.connections_per_address_max", 1_000),
            ),
            requests_max: from.within("http.requests_max", 4_096, 1..=1_000_000),
            body_bytes_max: from.within("http.body_bytes_max", 1 << 20, 1024..=16 << 20),
            head_bytes_max: from.within("http.head_bytes_max", 16 << 10, 1024..=HEAD_BYTES_HARD),
            headers_max: from.within("http.headers_max", 64, 8..=HEADERS_HARD),
            events_max: from.within("http.events_max", 100, 1..=1000),
            waits: waits(from),
            tls: tls(from, ["http.tls_cert_file", "http.tls_key_file"]),
            internal_tls: internal_tls(from),
            forwarded: forwarded(from),
            trusted_proxies: trusted_proxies(from).into(),
            cors_origins: cors_origins(from).into(),
            user_per_minute: from.within("limits.user_per_minute", 60, 0..=1_000_000),
            address_per_second: per_address(from, ("limits.address_per_second", 200)),
        };
        of.judge(from);
        of
    }

    /// Notes what of it does not fit together.
    fn judge(&self, from: &mut ConfigValues) {
        if self.listen == self.internal_listen && self.listen.port() > 0 {
            from.fault("http.internal_listen", "is where http.listen is");
        }
        if self.forwarded != Forwarded::Nothing && self.trusted_proxies.is_empty() {
            from.fault("http.trusted_proxies", "is needed where http.forwarded is not none");
        }
    }
}

/// What the parser of HTTP holds at most: what is longer is refused by it, with no words.
pub const HEAD_BYTES_HARD: usize = 64 << 10;
/// The same of headers.
pub const HEADERS_HARD: usize = 256;

fn waits(from: &mut ConfigValues) -> Waits {
    Waits {
        request: from.millis("http.request_wait_ms", 5_000),
        first_byte: from.millis("http.first_byte_wait_ms", 5_000),
        head: from.millis("http.head_wait_ms", 5_000),
        idle: from.millis("http.idle_wait_ms", 30_000),
        write: from.millis("http.write_wait_ms", 8_000),
        unready: Duration::from_millis(from.within("http.unready_wait_ms", 500, 0..=60_000)),
        drain: from.millis("http.drain_wait_ms", 10_000),
    }
}

fn per_address(from: &mut ConfigValues, (name, most): (&'static str, usize)) -> PerAddress {
    let with_loopback = from.is_given(name);
    PerAddress { max: from.within(name, most, 0..=1_000_000), with_loopback }
}

fn tls(from: &mut ConfigValues, names: [&'static str; 2]) -> Option<TlsFiles> {
    let [cert, key] = together(from, names)?;
    Some(TlsFiles { cert, key, authority: None })
}

fn internal_tls(from: &mut ConfigValues) -> Option<TlsFiles> {
    let names =
        ["http.internal_tls_cert_file", "http.internal_tls_key_file", "http.internal_tls_ca_file"];
    let [cert, key, authority] = together(from, names)?;
    Some(TlsFiles { cert, key, authority: Some(authority) })
}

/// Files of which all are named, or none.
fn together<const N: usize>(
    from: &mut ConfigValues,
    names: [&'static str; N],
) -> Option<[PathBuf; N]> {
    let files = names.map(|name| (name, from.text(name, "")));
    let given = files.iter().find(|(_, file)| !file.is_empty())?.0;
    let mut is_whole = true;
    for (name, _) in files.iter().filter(|(_, file)| file.is_empty()) {
        from.fault(name, &format!("is needed with {given}"));
        is_whole = false;
    }
    is_whole.then(|| files.map(|(_, file)| PathBuf::from(file)))
}

fn forwarded(from: &mut ConfigValues) -> Forwarded {
    let others = [("forwarded", Forwarded::Rfc7239), ("x-forwarded-for", Forwarded::XForwardedFor)];
    from.choice("http.forwarded", ("none", Forwarded::Nothing), &others)
}

fn trusted_proxies(from: &mut ConfigValues) -> Vec<IpNet> {
    let mut proxies = Vec::new();
    for text in from.list("http.trusted_proxies") {
        let net =
            text.parse().ok().or_else(|| Some(IpNet::from(text.parse::<std::net::IpAddr>().ok()?)));
        match net {
            Some(net) => proxies.push(net),
            None => {
                let words = "are addresses or networks such as 10.0.0.0/8, separated by commas";
                from.fault("http.trusted_proxies", &format!("{words}, found {text:?}"));
            }
        }
    }
    proxies
}

fn cors_origins(from: &mut ConfigValues) -> Vec<HeaderValue> {
    let mut origins = Vec::new();
    for text in from.list("http.cors_origins") {
        let origin = is_origin(&text).then(|| HeaderValue::from_str(&text).ok()).flatten();
        match origin {
            Some(origin) => origins.push(origin),
            None => {
                let words = "are origins such as https://app.example.com, separated by commas";
                from.fault("http.cors_origins", &format!("{words}, found {text:?}"));
            }
        }
    }
    origins
}

/// Whether a browser would name a page's origin so: a scheme, a host in lower case, a port if it is not the usual one.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_:[]".contains(c);
    ["http", "https"].contains(&scheme) && !host.is_empty() && host.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_spell_it() {
        for origin in ["https://app.example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://a/",
            "HTTPS://a",
            "https://A",
            "ftp://a",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
