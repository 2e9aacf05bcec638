//! Who asks: the address that connected or, where that is a trusted proxy, the one that it tells of.
//!
//! A proxy appends whom it sees, so the list is read from its end: the first that is no trusted proxy is who asks. What stands
//! before it is theirs to make up and is not read. What is no address ends the reading: then it is the last proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName, HeaderValue};
use ipnet::IpNet;
use rfc7239::NodeName;

use crate::config::Forwarded;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Reads those that one header tells of.
type ReadHops = fn(&str) -> Vec<Option<IpAddr>>;

/// The proxies that are believed, and by which header.
#[derive(Clone, Debug)]
pub struct Proxies {
    header: Forwarded,
    trusted: Arc<[IpNet]>,
}

impl Proxies {
    /// `trusted` tell by `header`.
    pub fn new(header: Forwarded, trusted: Arc<[IpNet]>) -> Self {
        Self { header, trusted }
    }

    /// None is.
    pub fn none() -> Self {
        Self::new(Forwarded::Nothing, Arc::default())
    }

    /// Whether it is one of them; what it sends is many people's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// Who asks, if `peer` is who connected.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for hop in self.hops(headers).into_iter().rev() {
            let Some(hop) = hop else { break };
            client = hop.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// Those told of, the nearest last; none for what is no address.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let (name, read): (_, ReadHops) = match self.header {
            Forwarded::Nothing => return Vec::new(),
            Forwarded::Rfc7239 => (FORWARDED, elements),
            Forwarded::XForwardedFor => (X_FORWARDED_FOR, addresses),
        };
        let values = headers.get_all(name).iter();
        values.flat_map(|value: &HeaderValue| value.to_str().map_or(vec![None], read)).collect()
    }
}

fn elements(text: &str) -> Vec<Option<IpAddr>> {
    let told = rfc7239::parse(text).map(|element| match element.ok()?.forwarded_for?.name {
        NodeName::Ip(address) => Some(address),
        NodeName::Unknown | NodeName::Obfuscated(_) => None,
    });
    told.collect()
}

fn addresses(text: &str) -> Vec<Option<IpAddr>> {
    let address = |part: &str| -> Option<IpAddr> {
        let part = part.trim();
        let bare = part.trim_start_matches('[').trim_end_matches(']');
        let with_port = || part.parse::<SocketAddr>().ok().map(|of| of.ip());
        bare.parse().ok().or_else(with_port)
    };
    text.split(',').map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: Forwarded, peer: &str, values: &[&str]) -> String {
        let name = match header {
            Forwarded::Rfc7239 => FORWARDED,
            Forwarded::Nothing | Forwarded::XForwardedFor => X_FORWARDED_FOR,
        };
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Proxies::new(header, trusted.into()).client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn who_asks_is_the_last_that_no_trusted_proxy_is() {
        let rows: [(&str, &[&str], &str); 9] = [
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("fd00::1", &["[2001:db8::7]:80"], "2001:db8::7"),
            // Who is not trusted is not believed.
            ("198.51.100.1", &["203.0.113.7"], "198.51.100.1"),
            // What is no address ends it.
            ("10.0.0.1", &["203.0.113.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, junk, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ];
        for (peer, values, who) in rows {
            assert_eq!(client(Forwarded::XForwardedFor, peer, values), who, "{peer} {values:?}");
        }
        assert_eq!(client(Forwarded::Nothing, "10.0.0.1", &["203.0.113.7"]), "10.0.0.1");
    }

    #[test]
    fn the_header_of_rfc_7239_is_read_as_it_is_written() {
        let rows: [(&[&str], &str); 5] = [
            (&["for=203.0.113.7;proto=https;by=10.0.0.1"], "203.0.113.7"),
            (&["for=1.1.1.1, FOR=\"203.0.113.7:80\""], "203.0.113.7"),
            (&["for=\"[2001:db8::7]:4711\""], "2001:db8::7"),
            (&["for=203.0.113.7, for=_hidden"], "10.0.0.1"),
            (&["for=203.0.113.7, proto=https"], "10.0.0.1"),
        ];
        for (values, who) in rows {
            assert_eq!(client(Forwarded::Rfc7239, "10.0.0.1", values), who, "{values:?}");
        }
    }

    #[test]
    fn no_header_breaks_the_reading() {
        for value in ["", ",,,", "for=", "for=\"", "for=[", "\u{7f}", "for=1.1.1.1;;;", "[", "]]"] {
            let bytes = HeaderValue::from_bytes(value.as_bytes());
            let mut headers = HeaderMap::new();
            if let Ok(value) = bytes {
                headers.append(FORWARDED, value.clone());
                headers.append(X_FORWARDED_FOR, value);
            }
            for header in [Forwarded::Rfc7239, Forwarded::XForwardedFor] {
                let of = Proxies::new(header, vec!["10.0.0.0/8".parse().unwrap()].into());
                assert!(of.client("10.0.0.1".parse().unwrap(), &headers).is_ipv4());
            }
        }
    }
}
