//! The commands that do one thing and end: create the topics, show a feed.

pub mod show;
pub mod topics;
