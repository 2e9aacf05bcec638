//! How many connections each address has.
//!
//! An address is one of IPv4 or a /64 of IPv6, which is what one customer of a network has at least.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{Live, PerAddress};

/// The counts. Cheap to clone; all clones are of the same.
#[derive(Clone)]
pub struct Addresses {
    bound: Live<PerAddress>,
    counts: Counts,
}

type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection that is counted, for as long as this lives.
#[derive(Debug)]
pub struct Counted {
    of: Option<(Counts, IpAddr)>,
}

impl Addresses {
    /// Nobody has any yet, and nobody more than `bound`.
    pub fn new(bound: impl Into<Live<PerAddress>>) -> Self {
        Self { bound: bound.into(), counts: Arc::default() }
    }

    /// Counts one more of `address`; none if it has as many as it may.
    pub fn count(&self, address: IpAddr) -> Option<Counted> {
        let bound = self.bound.get();
        if !applies(bound, address) {
            return Some(Counted::nobody());
        }
        let subject = subject(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(subject).or_default();
        if *count >= bound.max {
            return None;
        }
        *count += 1;
        Some(Counted { of: Some((Arc::clone(&self.counts), subject)) })
    }
}

impl Counted {
    /// One that counts for nobody.
    pub const fn nobody() -> Self {
        Self { of: None }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((counts, subject)) = self.of.take() else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = counts.entry(subject) {
            match entry.get() {
                0 | 1 => drop(entry.remove()),
                more => *entry.get_mut() = more - 1,
            }
        }
    }
}

/// Whether a bound holds for an address.
pub fn applies(bound: PerAddress, address: IpAddr) -> bool {
    bound.max > 0 && (bound.with_loopback || !address.to_canonical().is_loopback())
}

/// What is counted as one address.
pub fn subject(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_at_once_and_whose_connection_ended_may_have_another() {
        let addresses = Addresses::new(PerAddress { max: 2, with_loopback: false });
        let first = addresses.count(address("10.0.0.1"));
        let second = addresses.count(address("::ffff:10.0.0.1"));
        assert!(first.is_some() && second.is_some());
        assert!(addresses.count(address("10.0.0.1")).is_none());
        assert!(addresses.count(address("10.0.0.2")).is_some());
        drop(first);
        assert!(addresses.count(address("10.0.0.1")).is_some());
        drop(second);
        assert!(addresses.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let addresses = Addresses::new(PerAddress { max: 1, with_loopback: false });
        let _first = addresses.count(address("2001:db8::1")).unwrap();
        assert!(addresses.count(address("2001:db8::ffff:2")).is_none());
        assert!(addresses.count(address("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn loopback_is_bounded_only_where_a_bound_was_set() {
        let free = Addresses::new(PerAddress { max: 1, with_loopback: false });
        let held = [address("127.0.0.1"), address("127.0.0.1")].map(|of| free.count(of));
        assert!(held.iter().all(Option::is_some));
        let set = Addresses::new(PerAddress { max: 1, with_loopback: true });
        let held = [address("::1"), address("::1")].map(|of| set.count(of));
        assert_eq!(held.map(|counted| counted.is_some()), [true, false]);
    }
}
