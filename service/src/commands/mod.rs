//! The commands that do one thing and end: create the topics, show a feed, load a world.

pub mod load;
pub mod show;
pub mod topics;
