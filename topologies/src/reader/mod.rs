//! The reader: who is kept ranked, when a ranking is due, and whether its result is published.
//!
//! [`presence`] says until when a reader is active and online; [`schedule`] when the next ranking is due
//! and why; [`publish`] whether its body goes out, under which version; [`days`] keeps the interactions
//! with an author by UTC day, [`silence`] why a reader sees nothing of an author, [`hidden`] what was said against a post, [`floor`] what a post must reach to concern a feed that is full. Whom a change touches is for the processor to find out.

pub mod days;
pub mod floor;
pub mod hidden;
pub mod presence;
pub mod publish;
pub mod schedule;
pub mod silence;

use floor::Floor;
use presence::Presence;
use publish::Published;
use schedule::Schedule;
use serde::Serialize;

/// What is kept of a reader beside follows, affinity and seen posts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReaderStatus {
    /// Until when the reader is active and online.
    pub presence: Presence,
    /// What is due.
    pub schedule: Schedule,
    /// What was last published.
    pub published: Published,
    /// What a post must reach to concern the last ranking; none if any may.
    pub floor: Option<Floor>,
}
