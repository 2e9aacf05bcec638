//! Stream processing on Kafka with local state, exactly once, and a query API.
//!
//! ```
//! # #[cfg(feature = "testing")]
//! # fn main() -> millstream::Result<()> {
//! use millstream::testing::{Driver, table};
//! use millstream::{Builder, I64, Timestamp, Unit, Utf8};
//!
//! let builder = Builder::new("word-count");
//! builder
//!     .stream("lines", Utf8, Utf8)
//!     .flat_map("split", |line, out| {
//!         line.value.split_whitespace().try_for_each(|word| out.emit(&word.to_lowercase(), &()))
//!     })
//!     .repartition("words", Utf8, Unit)
//!     .count("counts", Utf8)
//!     .to("word-counts", Utf8, I64);
//!
//! let mut driver = Driver::of(builder.build()?).partitions(3).start()?;
//! driver.input("lines", Utf8, Utf8).send(&"a".into(), &"to be or not to be".into(), Timestamp(0))?;
//! driver.crash_before_commit()?; // produced, never visible
//! driver.settle()?;
//! let counts = driver.output("word-counts", Utf8, I64);
//! assert_eq!(counts.latest()?, table("be 2 | not 1 | or 1 | to 2"));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! ```
//!
//! # Modules, and what each may import
//!
//! Lower never imports upper; `tidy` checks it.
//!
//! | layer | modules |
//! | --- | --- |
//! | leaves | `record` `batch` `outgoing` `partitioner` `serde` `clock` `error` `config` `metrics` `fail` `identity` |
//! | siblings | `store` `broker` `processor` (which may name the typed face of `store`) |
//! | topology | `topology` |
//! | task | `task`: the only place where the three meet |
//! | worker | `worker` |
//! | app | `app`; `query` sees `store` and `record`; `testing` sees all |
#![warn(missing_docs)]

mod app;
mod batch;
pub mod broker;
mod clock;
mod config;
mod error;
mod fail;
mod identity;
mod metrics;
mod outgoing;
mod partitioner;
mod processor;
mod query;
mod record;
mod serde;
pub mod store;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod topology;
mod worker;

pub use app::{Ended, Streams, Surroundings};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::Config;
pub use error::{Exit, Fault, Result};
pub use fail::{FailPoints, Point};
pub use metrics::{Counter, Metrics};
pub use processor::{
    Broadcast, Change, Changed, Context, Due, Emit, Handle, Out, Processor, Store, Timers,
};
pub use query::{Missed, Query};
pub use record::{
    Header, Headers, Offset, RawRecord, Rec, TaskId, Timestamp, Topic, TopicPartition,
    encode_header,
};
pub use serde::{Bytes, I64, Nullable, Serde, Unit, Utf8};
pub use topology::{Builder, Internal, InvalidTopology, Stream, Topology, Use};
