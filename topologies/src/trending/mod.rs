//! Trending: which posts collect the most points within an hour, a day, a week.
//!
//! Every task of engagement keeps the points of its posts in [`buckets`], one row of [`hot`] a post, and sends its
//! best; a task of its own merges them into the [`lists`] of all, which every process has. [`points`] says what an
//! interaction is worth.

pub mod buckets;
pub mod hot;
pub mod lists;
pub mod points;
