//! What may be asked of feeds.

use clap::{Args, Subcommand};
use schemas::read_time;
use uuid::Uuid;

/// Feeds.
#[derive(Debug, Subcommand)]
pub enum Feed {
    /// Print the feed that Redis holds for a user, with the terms of each score.
    Show {
        /// Whose: a UUID.
        user: Uuid,
        /// How many items.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
        limit: u8,
    },
    /// Say why a post stands in a user's feed, or does not, as the workers' state has it now.
    Explain {
        /// Whose feed: a UUID.
        user: Uuid,
        /// Which post: a UUID.
        post: Uuid,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a user's feed as of a time that is past, and why each post stood in it: the inputs until then are read again.
    Replay(Replay),
}

/// Which feed, of when.
#[derive(Clone, Copy, Debug, Args)]
pub struct Replay {
    /// Whose: a UUID.
    pub user: Uuid,
    /// As of when: 2026-11-20T23:17:08Z, or milliseconds UTC.
    #[arg(long, value_parser = time)]
    pub at: i64,
    /// Tell of this post too, if it stands in the feed or not.
    #[arg(long)]
    pub post: Option<Uuid>,
    /// How many items.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub limit: u8,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

fn time(text: &str) -> Result<i64, String> {
    read_time(text).ok_or_else(|| "a time such as 2026-11-20T23:17:08Z or 1795216628000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it_and_in_milliseconds() {
        let read = ["2026-11-20T23:17:08Z", "1795216628000"].map(time);
        assert_eq!(read, [Ok(1_795_216_628_000), Ok(1_795_216_628_000)]);
        assert!(time("yesterday").unwrap_err().contains("a time such as"));
    }
}
