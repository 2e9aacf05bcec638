//! Dead letters, asked for by whoever has to look after them: listed, shown, re-driven, dropped.

mod drop;
mod ls;
mod redrive;
mod show;
mod work;

use millstream::broker::Broker;

use super::json::pretty;
use crate::cli::{Chosen, Dlq};
use crate::config::Config;
use crate::dead_letters::{DeadLetters, Filter};
use crate::failed::Failed;

/// Does what was asked for; answers what is to be printed, and what was not done as it was asked.
pub fn run(
    broker: &dyn Broker,
    config: &Config,
    asked: &Dlq,
) -> Result<(String, Option<String>), Failed> {
    let letters = DeadLetters { broker, app: &config.app };
    match asked {
        Dlq::Ls(asked) => Ok((ls::ls(letters, asked)?, None)),
        Dlq::Show { place, json } => Ok((show::show(letters, *place, *json)?, None)),
        Dlq::Redrive(asked) => redrive::redrive(letters, asked),
        Dlq::Drop(asked) => drop::drop(letters, &asked.work),
    }
}

fn filter(chosen: &Chosen) -> Filter {
    let Chosen { places, topics, nodes, reasons, error, since, until } = chosen.clone();
    Filter { places, topics, nodes, reasons, error, since, until }
}

/// Text of a record, for a terminal: what would move its cursor or change its colours is spelled.
fn printable(text: &str) -> String {
    let spelled = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(spelled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_the_cursor_of_a_terminal_is_spelled() {
        assert_eq!(printable("a\u{1b}[2J\nb ä"), "a\\u{1b}[2J\\nb ä");
    }
}
