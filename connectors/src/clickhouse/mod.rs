//! ClickHouse: what happened, for whoever asks questions of it.
//!
//! Its tables are made by [`Migrator`]. They are written only by the sink: every record of the inputs and of `feeds` becomes
//! a row, or is told to be none. What the database refuses to take is a dead letter; what it cannot take now waits in Kafka.
//! A table holds each record once, whatever dies in between: see [`Stretch`]. What a day's events say of its feeds is added
//! up by [`DailyQuality`].

mod client;
mod daily_metrics;
mod events;
mod feedback;
mod feeds;
mod images;
mod lane;
mod last_feeds;
mod letters;
mod lines;
mod live_rows;
mod migrations;
mod progress;
mod ranking;
mod run;
mod share;
mod sink;
mod stretch;
mod trouble;
mod vitals;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use ::clickhouse::error::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::{sleep, timeout};

pub use daily_metrics::DailyQuality;
pub use lane::Limits;
pub use last_feeds::{LastFeeds, PublishedFeed};
pub use letters::{LETTERS_NODE, Letters};
pub use live_rows::{Image, LiveRows, Version};
pub use migrations::{Migration, MigrationFault, Migrator};
pub use progress::Progress;
pub use ranking::{Ranking, RankingNumbers};
pub use run::{Sinking, run};
pub use share::Share;
pub use sink::{Reading, Sink};
pub use stretch::Stretch;
pub use vitals::ClickHouseVitals;

use crate::causes::deepest;
use crate::outage;
use client::Client;

/// Where the server is, and who asks.
#[derive(Clone)]
pub struct ClickHouseSettings {
    /// Its URL: `http://host:8123`.
    pub url: String,
    /// The database.
    pub database: String,
    /// The name and password of the one who asks, if there must be one.
    pub login: Option<(String, String)>,
}

impl ClickHouseSettings {
    /// A client, which connects when it is first used.
    fn client(&self) -> Client {
        let client = ::clickhouse::Client::default().with_url(&self.url).with_validation(false);
        let client = client.with_product_info("feedmill", env!("CARGO_PKG_VERSION"));
        Client(match &self.login {
            Some((user, password)) => client.with_user(user).with_password(password),
            None => client,
        })
    }
}

/// Why ClickHouse did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClickHouseFault {
    /// No answer, or one of a server that is not well: the same may be asked again.
    Unavailable(String),
    /// An answer that no retry changes before somebody mends something: a wrong password, a missing table.
    Refused(String),
    /// Something in the rows, which no retry changes either; other rows may do.
    Rows(String),
}

impl fmt::Display for ClickHouseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(words) => write!(f, "clickhouse is unavailable: {words}"),
            Self::Refused(words) => write!(f, "clickhouse refuses: {words}"),
            Self::Rows(words) => write!(f, "clickhouse does not take the rows: {words}"),
        }
    }
}

impl std::error::Error for ClickHouseFault {}

impl ClickHouseFault {
    fn kind(&self) -> outage::Kind {
        match self {
            Self::Unavailable(_) => outage::Kind::Unavailable,
            Self::Refused(_) | Self::Rows(_) => outage::Kind::Refused,
        }
    }
}

/// What a server says of values that it cannot take: of a constraint, a type, a range, or of what a view makes of them.
const OF_ROWS: [u32; 22] = [
    6, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 131, 153, 321, 349, 376, 395, 407, 441, 467,
    469,
];
/// What it says until somebody mends a right, a name, a table or a setting.
const OF_MENDING: [u32; 11] = [16, 36, 47, 62, 115, 164, 192, 193, 194, 497, 516];
/// What it says of a table or a database that it does not have.
const OF_MIGRATION: [u32; 2] = [60, 81];

impl From<Error> for ClickHouseFault {
    fn from(error: Error) -> Self {
        let words = match &error {
            Error::BadResponse(said) => said.trim().to_owned(),
            other => deepest(other),
        };
        // What the client says of an insert whose connection broke while rows were written.
        let words = if words == "channel closed" { "the connection broke".into() } else { words };
        match code(&words) {
            Some(code) if OF_ROWS.contains(&code) => Self::Rows(words),
            Some(code) if OF_MIGRATION.contains(&code) => {
                Self::Refused(format!("{words}; `feedmill clickhouse migrate` makes the tables"))
            }
            Some(code) if OF_MENDING.contains(&code) => Self::Refused(words),
            Some(_) | None => Self::Unavailable(words),
        }
    }
}

/// The answer to a question, if it comes within `wait`: the client waits for ever.
async fn within<T>(
    wait: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, ClickHouseFault> {
    let late = |_| ClickHouseFault::Unavailable(format!("no answer in {} s", wait.as_secs()));
    timeout(wait, asked).await.map_err(late)?.map_err(Into::into)
}

/// How long a server may take to say that it is there.
const ANSWERS_MAX: Duration = Duration::from_secs(5);

/// Whether the server answers at all: whoever asks what may take long learns here that it is away.
pub async fn answers(settings: &ClickHouseSettings) -> Result<(), ClickHouseFault> {
    within(ANSWERS_MAX, settings.client().query("SELECT 1").execute()).await
}

/// The answer to a question that may take long, as long as the server answers others meanwhile: one that stands still would be
/// waited for for ever.
async fn while_it_answers<T>(
    client: &Client,
    asked: impl Future<Output = Result<T, ClickHouseFault>>,
) -> Result<T, ClickHouseFault> {
    let standing = async {
        loop {
            sleep(ANSWERS_MAX).await;
            within(ANSWERS_MAX, client.query("SELECT 1").execute()).await?;
        }
    };
    tokio::select! {
        answer = asked => answer,
        fault = standing => fault,
    }
}

/// The number of `Code: 60. DB::Exception: ...`.
fn code(words: &str) -> Option<u32> {
    let (code, _) = words.split_once("Code: ")?.1.split_once('.')?;
    code.parse().ok()
}

/// An id as ClickHouse has a UUID: its upper and its lower half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uuid(u64, u64);

/// The client takes no other form of two numbers.
impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0, self.1).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(u64, u64)>::deserialize(deserializer).map(|(upper, lower)| Self(upper, lower))
    }
}

impl From<[u8; 16]> for Uuid {
    fn from(bytes: [u8; 16]) -> Self {
        let whole = u128::from_be_bytes(bytes);
        Self((whole >> 64) as u64, whole as u64)
    }
}

impl From<Uuid> for [u8; 16] {
    fn from(Uuid(upper, lower): Uuid) -> Self {
        (u128::from(upper) << 64 | u128::from(lower)).to_be_bytes()
    }
}

/// The first and the last millisecond that a `DateTime64(3)` can say.
const TIMES: (i64, i64) = (-2_208_988_800_000, 10_413_791_999_999);

/// A time in ms UTC, or the nearest that can be said.
pub fn time(ms: i64) -> i64 {
    ms.clamp(TIMES.0, TIMES.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str) -> ClickHouseFault {
        Error::BadResponse(words.to_owned()).into()
    }

    #[test]
    fn what_a_server_says_decides_whether_to_wait_to_mend_or_to_split() {
        let violated = "Code: 469. DB::Exception: Constraint `c` for table f.events is violated";
        assert_eq!(said(violated), ClickHouseFault::Rows(violated.into()));
        let denied = "Code: 497. DB::Exception: not enough privileges. (ACCESS_DENIED)\n";
        assert_eq!(said(denied), ClickHouseFault::Refused(denied.trim().into()));
        let missing = "Code: 60. DB::Exception: Table f.events does not exist. (UNKNOWN_TABLE)";
        let told = format!("{missing}; `feedmill clickhouse migrate` makes the tables");
        assert_eq!(said(missing), ClickHouseFault::Refused(told));
        for passing in ["Code: 241. DB::Exception: Memory limit exceeded", "502 Bad Gateway"] {
            assert_eq!(said(passing), ClickHouseFault::Unavailable(passing.into()));
        }
    }

    #[test]
    fn an_id_is_two_halves_and_a_time_is_one_that_can_be_said() {
        let bytes: [u8; 16] = std::array::from_fn(|at| at as u8 + 1);
        assert_eq!(Uuid::from(bytes), Uuid(0x0102_0304_0506_0708, 0x090a_0b0c_0d0e_0f10));
        assert_eq!(<[u8; 16]>::from(Uuid::from(bytes)), bytes);
        assert_eq!([time(5), time(i64::MIN), time(i64::MAX)], [5, TIMES.0, TIMES.1]);
    }
}
