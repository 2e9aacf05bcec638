//! What may be asked of the stores of a running application.

use clap::{Args, Subcommand};
use millstream::Position;

/// The stores of a running application.
#[derive(Debug, Subcommand)]
pub enum State {
    /// Every store: what it keeps, who shows its partitions, how far each is behind.
    Ls {
        /// Print the answer of the workers, JSON.
        #[arg(long)]
        json: bool,
    },
    /// The row of a key; 1 if there is none.
    Get {
        /// The store.
        store: String,
        /// The key as text: an id, or ids with a colon between.
        key: String,
        /// How fresh the answer must be.
        #[command(flatten)]
        asked: Asked,
    },
    /// Rows by partition, in the order of their keys.
    Scan {
        /// The store.
        store: String,
        /// Only keys that begin so.
        #[arg(long)]
        prefix: Option<String>,
        /// From this key on.
        #[arg(long)]
        from: Option<String>,
        /// Up to, not including, this key.
        #[arg(long)]
        to: Option<String>,
        /// How many rows at most, in as many answers as it takes.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// How fresh the answers must be.
        #[command(flatten)]
        asked: Asked,
    },
    /// The rows of a store that are not the same in another application, one rebuilt beside this one, say; 1 if there are any.
    Diff {
        /// The store.
        store: String,
        /// A worker of the other application, http://host:port; several, separated by commas. It is shown this one's secret.
        #[arg(long, required = true, value_delimiter = ',')]
        with: Vec<String>,
        /// Print JSON, a row a line.
        #[arg(long)]
        json: bool,
    },
}

/// How an answer must be.
#[derive(Debug, Args)]
pub struct Asked {
    /// Only this partition.
    #[arg(long)]
    pub partition: Option<i32>,
    /// So many ms at most behind; 6 if it is further.
    #[arg(long, value_name = "MS")]
    pub max_lag: Option<u64>,
    /// It holds what this position means, which an earlier answer has said; 6 if it does not soon.
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub min_position: Option<Position>,
    /// Print JSON: of a scan a row a line.
    #[arg(long)]
    pub json: bool,
}

fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|_| "is no position as an answer says it".to_owned())
}
