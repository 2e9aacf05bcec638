//! A state rebuilt from topics beside the live one, and how it takes its place.
//!
//! 1. It is an application of its own, `<first>-replay-<number>`, with changelogs, a group, a state directory and derived topics of
//!    its own; so it is resumed as any application is, and nothing of it touches what is live.
//! 2. Which application is live stands in one record ([`register`]), which all processes follow ([`live`]). A switch is
//!    one record: the sinks of one application end and those of the other begin, and reads of state follow.
//! 3. Sinks raise the epoch of what they publish by that of the record ([`standing`]), so that whatever the live one publishes
//!    wins over all that was published before, also after a switch back.
//!
//! What is to be done is decided by pure functions: [`standing`] the commands, [`progress`] how far a rebuild is, [`inputs`] what it
//! will lack, [`removal`] what an application leaves.

pub mod check;
pub mod inputs;
mod instances;
pub mod live;
pub mod look;
pub mod progress;
pub mod register;
pub mod removal;
pub mod shown;
pub mod standing;

pub use instances::Instances;
pub use live::Live;
pub use register::Register;
pub use standing::{Checked, Role, Standing, Verb};
