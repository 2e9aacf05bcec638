//! What may be asked of dead letters.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use millstream::dead_letter::{Place, Reason};
use schemas::read_time;

use crate::commands::load::Rate;

/// Dead letters.
///
/// A letter is named by its place in the topic <app>-dead-letters, as 2@17: offset 17 of partition 2. It stays there for 30
/// days; what was re-driven or dropped is not listed any more.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List letters, the newest last; or count them by topic, node and reason.
    Ls(Ls),
    /// Print all of one letter: where its record came from, why it lies here, its key, value and headers, its history.
    Show {
        /// Which, as 2@17.
        place: Place,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Append the records of letters to their topics again, each exactly once: when what was wrong is mended.
    ///
    /// A record goes to the partition that it came from, with its own key, headers and time, and with its history: a record
    /// that fails again is a new letter that tells how often it was re-driven, and from which letters. Refused are records
    /// that were too long to be kept whole (256 KiB), that would undo newer ones, or that their topic would delete at once.
    /// Killed, it may be begun again: nothing is lost, and nothing appended twice.
    Redrive(Redrive),
    /// Give letters up: they are not listed any more, and deleted when their 30 days are over.
    Drop(Discard),
}

/// Which letters.
#[derive(Clone, Debug, Default, Args)]
pub struct Chosen {
    /// These letters, as 2@17.
    pub places: Vec<Place>,
    /// Of records of this topic; may be repeated.
    #[arg(long = "topic")]
    pub topics: Vec<String>,
    /// Given up by this sub-topology or sink; may be repeated.
    #[arg(long = "node")]
    pub nodes: Vec<String>,
    /// For this reason; may be repeated.
    #[arg(long = "reason", value_parser = reason())]
    pub reasons: Vec<Reason>,
    /// Whose error has this text in it, letter for letter.
    #[arg(long)]
    pub error: Option<String>,
    /// Written then or later: 2026-11-20T23:17:08Z, or milliseconds UTC.
    #[arg(long, value_parser = time)]
    pub since: Option<i64>,
    /// Written before then.
    #[arg(long, value_parser = time)]
    pub until: Option<i64>,
}

/// List letters.
#[derive(Clone, Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    pub chosen: Chosen,
    /// So many at most: the newest.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Those too that were re-driven or dropped.
    #[arg(long)]
    pub all: bool,
    /// Count them by topic, node and reason.
    #[arg(long)]
    pub summary: bool,
    /// Print one JSON array.
    #[arg(long)]
    pub json: bool,
}

/// Append the records of letters again.
#[derive(Clone, Debug, Args)]
pub struct Redrive {
    #[command(flatten)]
    pub work: Work,
    /// Refuse records that were re-driven so often before.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub times_max: u8,
}

/// Give letters up.
#[derive(Clone, Debug, Args)]
pub struct Discard {
    #[command(flatten)]
    pub work: Work,
}

/// What is done with letters.
#[derive(Clone, Debug, Args)]
pub struct Work {
    #[command(flatten)]
    pub chosen: Chosen,
    /// Every letter there is; needed where no other choice is made.
    #[arg(long)]
    pub all_letters: bool,
    /// Do it; without, it is only said what would be done.
    #[arg(long)]
    pub yes: bool,
    /// Say what would be done, and change nothing.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// How many letters a second, as 200/s.
    #[arg(long, default_value = "unlimited")]
    pub rate: Rate,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

fn time(text: &str) -> Result<i64, String> {
    read_time(text).ok_or_else(|| "a time such as 2026-11-20T23:17:08Z or 1795216628000".to_owned())
}

fn reason() -> impl TypedValueParser<Value = Reason> {
    let names = Reason::ALL.map(Reason::name);
    PossibleValuesParser::new(names).try_map(|name| Reason::named(&name).ok_or("no reason"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn asked(words: &str) -> Result<Dlq, String> {
        let words = format!("feedmill dlq {words}");
        match Cli::try_parse_from(words.split_whitespace()).map_err(|e| e.to_string())?.command {
            Some(Command::Dlq(asked)) => Ok(asked),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn letters_are_chosen_by_place_topic_node_reason_error_and_time() {
        let words = "ls 2@17 0@3 --topic cdc.likes --topic events --node rows --reason too_large \
                     --error soon --since 1000 --until 1970-01-01T00:00:02Z --limit 9";
        let Ok(Dlq::Ls(Ls { chosen, limit, .. })) = asked(words) else { panic!("{words}") };
        let places: Vec<_> = chosen.places.iter().map(Place::to_string).collect();
        assert_eq!((places, limit), (vec!["2@17".to_owned(), "0@3".to_owned()], 9));
        assert_eq!((chosen.topics.len(), chosen.nodes), (2, vec!["rows".to_owned()]));
        assert_eq!((chosen.reasons, chosen.since), (vec![Reason::TooLarge], Some(1_000)));
        assert_eq!((chosen.error.as_deref(), chosen.until), (Some("soon"), Some(2_000)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_option() {
        let faulty = [
            ("show 17", "2@17"),
            ("ls --reason tired", "decode"),
            ("ls --since yesterday", "--since"),
            ("ls --limit 0", "--limit"),
            ("redrive --yes --dry-run", "--dry-run"),
            ("redrive --times-max 0", "--times-max"),
            ("drop --rate fast", "--rate"),
        ];
        for (words, told) in faulty {
            let fault = asked(words).unwrap_err();
            assert!(fault.contains(told), "{words}: {fault}");
        }
    }
}
