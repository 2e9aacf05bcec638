//! Stream processing on Kafka with local state, exactly once, and a query API.
//!
//! What a record did is committed whole or not at all: its outputs, its state, its timers and the position behind it are
//! one Kafka transaction. State on disk is always what was committed, so a crash wipes nothing and a restart replays the
//! tail. Records that cannot be decoded or processed go to a topic of dead letters within the same transaction.
//!
//! # A topology, and a test of it
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
//! # A processor of one's own
//!
//! It has typed stores and timers. This one tells how long a visit was, half an hour after its last page:
//!
//! ```
//! use std::time::Duration;
//!
//! use millstream::{Builder, Context, Due, I64, Processor, Rec, Result, Store, Timers, Utf8};
//!
//! struct Visits {
//!     began: Store<String, i64>,
//!     over: Timers<String>,
//! }
//!
//! impl Processor for Visits {
//!     type KeyIn = String; // the visitor
//!     type ValueIn = String; // the page
//!     type KeyOut = String;
//!     type ValueOut = i64; // ms
//!
//!     fn process(&mut self, page: Rec<'_, String, String>, cx: &mut Context<'_, String, i64>) -> Result<()> {
//!         let began = cx.store(self.began)?;
//!         if began.get(page.key)?.is_none() {
//!             began.put(page.key, page.at.0)?;
//!         }
//!         let over = cx.wall_time().plus(Duration::from_secs(1800));
//!         cx.timers(self.over)?.set(page.key, over)
//!     }
//!
//!     fn on_timer(&mut self, due: Due<'_>, cx: &mut Context<'_, String, i64>) -> Result<()> {
//!         let Some(visitor) = due.of(self.over) else { return Ok(()) };
//!         let began = cx.store(self.began)?;
//!         let at = began.get(visitor)?.copied().unwrap_or(due.at.0);
//!         began.delete(visitor)?;
//!         cx.forward(visitor, &(due.at.0 - at))
//!     }
//! }
//!
//! let builder = Builder::new("visits");
//! let (began, over) = (builder.store("began", Utf8, I64), builder.timers("over", Utf8));
//! builder
//!     .stream("pages", Utf8, Utf8)
//!     .process("visits", &[began.into(), over.into()], move || Visits { began, over })
//!     .to("visits", Utf8, I64);
//! builder.build()?;
//! # Ok::<(), millstream::InvalidTopology>(())
//! ```
//!
//! # On Kafka
//!
//! Start as many processes as there are partitions, or fewer; each has a state directory of its own. [`Exit`] says what
//! became of one that ended.
//!
//! ```no_run
//! # #[cfg(all(feature = "kafka", feature = "rocksdb"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use millstream::broker::kafka::{Kafka, KafkaSettings};
//! use millstream::store::rocks::RocksStores;
//! use millstream::{Builder, Config, FailPoints, I64, Streams, Environment, Utf8};
//!
//! let builder = Builder::new("visits-by-page");
//! let pages = builder.stream("pages", Utf8, Utf8);
//! pages.count("counts", Utf8).to("page-counts", Utf8, I64);
//! let on = Environment {
//!     broker: Arc::new(Kafka::new(KafkaSettings::new("localhost:9092"))?),
//!     stores: Arc::new(RocksStores::new("/var/lib/visits/tasks", 256 << 20)),
//!     fail_points: FailPoints::default(),
//! };
//! let config = Config { state_dir: "/var/lib/visits".into(), ..Config::default() };
//! let streams = Streams::start(&builder.build()?, config, on)?;
//! let ended = streams.join(); // another thread may call `stop`
//! std::process::exit(ended.exit.code());
//! # }
//! # #[cfg(not(all(feature = "kafka", feature = "rocksdb")))]
//! # fn main() {}
//! ```
//!
//! [`Streams::query`] reads state while it runs, by its types or by names and texts; [`broker::embedded`] is a whole cluster in the process, for tests and
//! demonstrations.
#![warn(missing_docs)]

mod app;
mod batch;
pub mod broker;
mod capacity;
mod clock;
mod config;
pub mod dead_letter;
mod error;
mod fail_points;
mod histogram;
mod identity;
mod memory;
mod metrics;
mod outgoing;
mod partitioner;
mod processor;
mod query;
mod readable;
mod record;
mod serde;
mod standing;
pub mod store;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod topology;
mod trace;
mod worker;

pub use app::{Ended, Environment, Streams};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::Config;
pub use dead_letter::DeadLetter;
pub use error::{Exit, Fault, Result};
pub use fail_points::{FailPoint, FailPoints};
pub use histogram::{Durations, Histogram};
pub use memory::{MemoryPlan, MemoryUse};
pub use metrics::{Aborted, Counter, Family, Metrics, Part};
pub use processor::{
    Broadcast, BroadcastChange, ChangedKey, Context, Due, Emit, Handle, Out, Processor, Store,
    Timers,
};
pub use query::{Found, Query, QueryError, Row, Scan, Scanned, StoreFacts, StoreKind, Unanswered};
pub use readable::{Prefix, Readable, hex, hex_prefix};
pub use record::{
    Header, Headers, Offset, RawRecord, Rec, TaskId, Timestamp, Topic, TopicPartition,
    encode_header,
};
pub use serde::{Bytes, I64, Nullable, Serde, Unit, Utf8};
pub use standing::{NoPosition, Position, Role, Standing};
pub use task::Lag;
pub use topology::{
    Builder, Change, Internal, InvalidTopology, Stream, SubGraph, Subject, Topology, Use, Verdict,
};
pub use trace::{Step, TraceContext, Tracer};
pub use worker::StartPlan;
