//! Whether the process that is configured as this one answers: for a container's health check, in which no other program is.
//!
//! Whatever else is wrong with its file, this asks: what was put right or wrong there may not be in force.
//! The internal listener is asked, over loopback where it listens everywhere. No answer in time is a server away.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use millstream::Exit;
use tokio::time::timeout;

use crate::config::Config;
use crate::failed::Failed;
use crate::instance_client::{Credentials, causes};
use crate::needs;

/// A process that is alive answers in a millisecond; whoever asks by way of Docker waits 30 s.
const WAIT: Duration = Duration::from_secs(5);
/// What is taken of an answer: `/ready` of a worker is about 1 KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Asks whether it lives, or whether it is ready; what it said.
pub async fn ask(config: &Config, is_ready: bool) -> Result<String, Failed> {
    let path = if is_ready { "ready" } else { "health" };
    let http = &config.http;
    let url = format!("{}/{path}", http.internal_url_at(near(http.internal_listen)));
    // What is asked here is anybody's.
    let shown = needs::certificate(config).and_then(|of| Credentials::of(None, of.as_ref()));
    let client = shown.map_err(|words| Failed(Exit::Usage, words))?.client();
    let unreachable = |why: &str| Failed(Exit::Unavailable, format!("{url}: {why}"));
    let asked = timeout(WAIT, answer(&client, &url)).await;
    let (status, said) =
        asked.map_err(|_| unreachable("no answer in time"))?.map_err(|e| unreachable(&e))?;
    if status.is_success() {
        return Ok(format!("{}\n", said.trim_end()));
    }
    Err(Failed(Exit::Failed, format!("{url}: {status}: {said}")))
}

async fn answer<C>(
    client: &Client<C, Empty<Bytes>>,
    url: &str,
) -> Result<(StatusCode, String), String>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let request = Request::get(url).body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let response = client.request(request).await.map_err(|e| causes(&e))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Where a listener is asked from the same machine.
fn near(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_everywhere_is_asked_over_loopback() {
        let asked = ["0.0.0.0:9901", "[::]:9901", "10.0.0.7:9901"]
            .map(|listen| near(listen.parse().unwrap()).to_string());
        assert_eq!(asked, ["127.0.0.1:9901", "[::1]:9901", "10.0.0.7:9901"]);
    }
}
