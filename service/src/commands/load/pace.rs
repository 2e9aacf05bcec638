//! When each record is due, and how far sending is behind or from its end. Pure.
//!
//! Open loop: the schedule is fixed when sending begins, and knows nothing of acknowledgements. Who is slower than it
//! is behind, and hurries until they are not.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many records a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As many as there can be.
    Unlimited,
    /// So many.
    PerSecond(f64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let number = text.strip_suffix("/s").unwrap_or(text).parse::<f64>().ok();
        let rate = number.filter(|rate| rate.is_finite() && *rate > 0.0).map(Self::PerSecond);
        rate.ok_or_else(|| "expected a number of records a second, or \"unlimited\"".to_owned())
    }
}

impl Rate {
    /// How many records are due after so long, of which `sent` are sent; at most `most`.
    pub fn due(self, elapsed: Duration, sent: u64, most: usize) -> usize {
        match self {
            Self::Unlimited => most,
            Self::PerSecond(rate) => {
                let due = (elapsed.as_secs_f64() * rate) as u64 + 1;
                usize::try_from(due.saturating_sub(sent)).unwrap_or(usize::MAX).min(most)
            }
        }
    }

    /// How late the next record is.
    fn behind(self, elapsed: Duration, sent: u64) -> Duration {
        match self {
            Self::Unlimited => Duration::ZERO,
            Self::PerSecond(rate) => {
                elapsed.saturating_sub(Duration::from_secs_f64(sent as f64 / rate))
            }
        }
    }
}

/// Where sending stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The rate that was asked for.
    pub rate: Rate,
    /// Since it began.
    pub elapsed: Duration,
    /// Records that were handed over.
    pub sent: u64,
    /// How much of the world has been told, 0 to 1.
    pub told: f64,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        let (percent, rate) = (self.told * 100.0, self.sent as f64 / seconds);
        write!(f, "{} records, {percent:.1} %, {rate:.0}/s", self.sent)?;
        if let Rate::PerSecond(_) = self.rate {
            let behind = self.rate.behind(self.elapsed, self.sent).as_secs_f64();
            write!(f, ", behind by {behind:.1} s")?;
        }
        if self.told > 0.0 && self.told < 1.0 {
            write!(f, ", {:.0} s to go", seconds / self.told - seconds)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_is_a_number_of_records_a_second() {
        let rates = ["5000/s", "0.5", "unlimited"].map(|text| text.parse::<Rate>().unwrap());
        assert_eq!(rates, [Rate::PerSecond(5_000.0), Rate::PerSecond(0.5), Rate::Unlimited]);
        let faulty = ["0", "-1", "fast", "inf", "5/min"].map(|text| text.parse::<Rate>().is_err());
        assert_eq!(faulty, [true; 5]);
    }

    #[test]
    fn what_is_due_depends_on_the_time_alone_and_who_is_late_catches_up() {
        let rate = Rate::PerSecond(100.0);
        let due = [(Duration::ZERO, 0), (SECOND, 101), (SECOND, 100), (10 * SECOND, 101)];
        assert_eq!(due.map(|(elapsed, sent)| rate.due(elapsed, sent, 500)), [1, 0, 1, 500]);
        assert_eq!(Rate::Unlimited.due(Duration::ZERO, 7, 500), 500);
    }

    #[test]
    fn a_standing_says_what_was_reached_how_late_it_is_and_how_long_it_takes() {
        let rate = Rate::PerSecond(100.0);
        let standing = Standing { rate, elapsed: 10 * SECOND, sent: 900, told: 0.25 };
        let said = "900 records, 25.0 %, 90/s, behind by 1.0 s, 30 s to go";
        assert_eq!(standing.to_string(), said);
        let done = Standing { rate: Rate::Unlimited, told: 1.0, ..standing };
        assert_eq!(done.to_string(), "900 records, 100.0 %, 90/s");
    }
}
