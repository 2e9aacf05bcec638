//! Generated worlds, and the referee: what happens among readers and authors, and the feeds that must come of it.
//!
//! Plain data in, plain data out: nothing here knows of Kafka, of the wall clock, or of the code that is judged.
//!
//! | what | where |
//! | --- | --- |
//! | what came in | [`history`] |
//! | the feed that a reader must have, by brute force | [`oracle`] |
//! | a world of any size, from a seed | [`world`] |
//! | chance from a seed, and ids that nobody has to remember | [`random`] |
//! | the part of a world that decides about some readers | [`excerpt`] |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod excerpt;
pub mod history;
pub mod oracle;
pub mod random;
pub mod world;
