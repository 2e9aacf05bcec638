//! What may be asked of flags.

use clap::{Args, Subcommand};

use crate::flags::{Flag, FlagValue};

/// Flags.
///
/// Each is set for all instances at once, which agree within two seconds, and stays so until it is set again. Every change is
/// kept, with who made it, when and why.
#[derive(Debug, Subcommand)]
pub enum Flags {
    /// List them: what each is, and who set it when and why.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Set some, all or none: `feedmill flags set ranked_percent=10 tier.clickhouse=off --why "slow since noon"`.
    Set(Set),
    /// List the changes there were, the last one last.
    History {
        /// So many at most: the newest.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
}

/// Set flags.
#[derive(Debug, Args)]
pub struct Set {
    /// NAME=VALUE; a switch is on or off, a part of readers 0 to 100.
    #[arg(required = true, value_parser = setting)]
    pub flags: Vec<(Flag, FlagValue)>,
    /// For what reason: it is kept.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub why: String,
    /// Who sets them; the user of this machine unless told.
    #[arg(long)]
    pub who: Option<String>,
}

fn setting(text: &str) -> Result<(Flag, FlagValue), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let names = || Flag::ALL.map(Flag::name).join(", ");
    let flag = Flag::named(name)
        .ok_or_else(|| format!("there is no flag {name:?}; there are {}", names()))?;
    let value = flag.value_of_text(value);
    value.map(|value| (flag, value)).ok_or_else(|| format!("{name} is {}", flag.takes()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn set(words: &str) -> Result<Vec<(Flag, FlagValue)>, String> {
        let words = format!("feedmill flags set {words} --why it");
        match Cli::try_parse_from(words.split_whitespace()).map_err(|e| e.to_string())?.command {
            Some(Command::Flags(Flags::Set(Set { flags, .. }))) => Ok(flags),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn flags_are_set_by_name_and_what_cannot_be_is_refused_with_what_can() {
        let expected = vec![
            (Flag::RankedPercent, FlagValue::Percent(10)),
            (Flag::Page, FlagValue::Switch(false)),
        ];
        assert_eq!(set("ranked_percent=10 page=off"), Ok(expected));
        for (words, told) in [
            ("", "required"),
            ("page", "NAME=VALUE"),
            ("pages=on", "tier.redis"),
            ("page=10", "on or off"),
            ("ranked_percent=101", "from 0 to 100"),
        ] {
            let fault = set(words).unwrap_err();
            assert!(fault.contains(told), "{words}: {fault}");
        }
    }
}
