//! How often somebody may ask: so many requests at once, and one more each time an interval has passed.
//!
//! The rule is GCRA, a token bucket whose level is one time ([`bucket`]). Levels are kept in a table of fixed size ([`table`]), because
//! whoever can name subjects must not choose how much memory we use; where it is full, somebody is taken for more, never for less. Each process has its
//! own; where there is Redis, a level of users is kept there too and the stricter of both counts, so that more
//! processes are not more requests. Redis is asked once for each request that the own table lets through, and for nothing while it fails.

mod bucket;
mod shared;
mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

pub use bucket::{Level, Rate};
pub use shared::Shared;
use table::Table;

use crate::config::{Live, PerAddress};
use crate::edge;

/// Users that are told apart: the table takes 32 MiB, of which only what is used is touched.
const USER_SETS: usize = 1 << 19;
/// Addresses: 4 MiB.
const ADDRESS_SETS: usize = 1 << 16;

/// How often users may ask.
pub struct UserLimit {
    rate: Live<Option<Rate>>,
    table: Table,
    shared: Option<Shared>,
    began: Instant,
}

impl UserLimit {
    /// At a `rate`, all at once or one by one; without one as often as they like.
    pub fn new(rate: Live<Option<Rate>>, shared: Option<Shared>) -> Self {
        Self { rate, table: Table::new(USER_SETS), shared, began: Instant::now() }
    }

    /// Takes one request of `user`; what is left of which rate, none if there is no bound.
    pub async fn take(&self, user: Uuid) -> Option<(Rate, Level)> {
        let rate = self.rate.get()?;
        let own = self.table.take(&user, micros(self.began), &rate);
        let level = match &self.shared {
            // Who is refused here need not be asked about elsewhere.
            Some(shared) if own.is_taken => match shared.take(user, &rate).await {
                Some(elsewhere) => own.stricter(elsewhere),
                None => own,
            },
            Some(_) | None => own,
        };
        Some((rate, level))
    }
}

/// How often addresses may ask, whoever does.
#[derive(Clone)]
pub struct AddressLimit {
    bound: Live<PerAddress>,
    table: Arc<Table>,
    began: Instant,
}

impl AddressLimit {
    /// `bound` requests in a second.
    pub fn new(bound: Live<PerAddress>) -> Self {
        let table = Arc::new(Table::new(ADDRESS_SETS));
        Self { bound, table, began: Instant::now() }
    }

    /// Takes one request of `address`; none if it is not bounded.
    pub fn take(&self, address: IpAddr) -> Option<Level> {
        let bound = self.bound.get();
        let per_second = u32::try_from(bound.max).unwrap_or(u32::MAX);
        // A page that loads asks for much at once: five seconds' worth may come together.
        let rate = Rate::new(per_second.saturating_mul(5), 5)?;
        let subject = edge::subject(address);
        let is_bounded = edge::applies(bound, address);
        is_bounded.then(|| self.table.take(&subject, micros(self.began), &rate))
    }
}

/// Time since the table began, from a second on: a level of 0 is one that nobody has.
fn micros(began: Instant) -> u64 {
    let passed = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    passed.saturating_add(1_000_000)
}
