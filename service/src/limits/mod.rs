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

use crate::config::{Http, PerAddress};
use crate::edge;

/// Users that are told apart: the table takes 32 MiB, of which only what is used is touched.
const USER_SETS: usize = 1 << 19;
/// Addresses: 4 MiB.
const ADDRESS_SETS: usize = 1 << 16;

/// How often users may ask.
pub struct UserLimit {
    rate: Rate,
    table: Table,
    shared: Option<Shared>,
    began: Instant,
}

impl UserLimit {
    /// `per_minute` requests, all at once or one by one; none for as many as they like.
    pub fn new(per_minute: u32, shared: Option<Shared>) -> Option<Self> {
        let rate = Rate::new(per_minute, 60)?;
        Some(Self { rate, table: Table::new(USER_SETS), shared, began: Instant::now() })
    }

    /// Takes one request of `user`.
    pub async fn take(&self, user: Uuid) -> Level {
        let own = self.table.take(&user, micros(self.began), &self.rate);
        match &self.shared {
            // Who is refused here need not be asked about elsewhere.
            Some(shared) if own.is_taken => match shared.take(user, &self.rate).await {
                Some(elsewhere) => own.stricter(elsewhere),
                None => own,
            },
            Some(_) | None => own,
        }
    }

    /// The rate.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }
}

/// How often addresses may ask, whoever does.
#[derive(Clone)]
pub struct AddressLimit {
    bound: PerAddress,
    rate: Rate,
    table: Arc<Table>,
    began: Instant,
}

impl AddressLimit {
    /// What `http` says of it; none for as many as they like.
    pub fn of(http: &Http) -> Option<Self> {
        let bound = http.address_per_second;
        let per_second = u32::try_from(bound.max).unwrap_or(u32::MAX);
        // A page that loads asks for much at once: five seconds' worth may come together.
        let rate = Rate::new(per_second.saturating_mul(5), 5)?;
        let table = Arc::new(Table::new(ADDRESS_SETS));
        Some(Self { bound, rate, table, began: Instant::now() })
    }

    /// Takes one request of `address`; none if it is not bounded.
    pub fn take(&self, address: IpAddr) -> Option<Level> {
        let is_bounded = edge::applies(self.bound, address);
        let subject = edge::subject(address);
        is_bounded.then(|| self.table.take(&subject, micros(self.began), &self.rate))
    }
}

/// Time since the table began, from a second on: a level of 0 is one that nobody has.
fn micros(began: Instant) -> u64 {
    let passed = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    passed.saturating_add(1_000_000)
}
