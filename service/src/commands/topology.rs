//! What a start of this binary, with this configuration, would do to the application that runs.
//!
//! Decided by the engine, by what its own starts are decided by; here it is told. The code is 0 where a start goes on, 1
//! where stores would begin empty and that was not allowed, 5 where it refuses.

use std::fmt::Write;

use millstream::broker::Broker;
use millstream::{Change, Exit, StartPlan, Verdict};
use serde_json::{Value, json};

use crate::config::Config;
use crate::{Failed, worker};

/// The plan in words or as JSON, and how the command ends if a start would not go on.
pub fn plan(
    broker: &dyn Broker,
    config: &Config,
    as_json: bool,
) -> Result<(String, Option<Failed>), Failed> {
    let planned = worker::plan(config, broker)?;
    let told = match as_json {
        true => format!("{:#}\n", json_of(&config.app, &planned)),
        false => table(planned.changes()),
    };
    Ok((told, planned.refusal().map(|_| refused(&config.app, planned.verdict()))))
}

fn refused(app: &str, verdict: Verdict) -> Failed {
    match verdict {
        Verdict::Blocked => Failed(
            Exit::Mismatch,
            format!("this version does not start as {app}: see what is blocked"),
        ),
        Verdict::Rebuilds | Verdict::Safe => Failed(
            Exit::Failed,
            "stores would begin empty: worker.rebuild_stores = true lets one start do so".into(),
        ),
    }
}

fn table(changes: &[Change]) -> String {
    let subjects = changes.iter().map(|change| change.subject.to_string()).collect::<Vec<_>>();
    let width = subjects.iter().map(String::len).max().unwrap_or(0);
    let mut out = String::new();
    let mut remedies: Vec<(Verdict, &str)> = Vec::new();
    for (change, subject) in changes.iter().zip(subjects) {
        let _ = writeln!(out, "{:<9} {subject:<width$}  {}", change.verdict, change.why);
        let remedy = change.remedy.iter().map(|remedy| (change.verdict, remedy.as_str()));
        remedies.extend(remedy);
    }
    // Mostly one holds for many.
    remedies.sort_unstable();
    remedies.dedup();
    for (verdict, remedy) in remedies {
        let _ = writeln!(out, "\n{verdict}: {remedy}");
    }
    out
}

fn json_of(app: &str, plan: &StartPlan) -> Value {
    let change = |change: &Change| {
        json!({
            "subject": change.subject.to_string(),
            "verdict": change.verdict.to_string(),
            "why": change.why,
            "remedy": change.remedy,
        })
    };
    let changes: Vec<_> = plan.changes().iter().map(change).collect();
    let starts = plan.refusal().is_none();
    json!({
        "app": app,
        "verdict": plan.verdict().to_string(),
        "starts": starts,
        "changes": changes,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream::broker::embedded::Embedded;
    use millstream::{ManualClock, Timestamp};

    use super::*;
    use crate::commands::topics;

    fn config(settings: &[(&str, &str)]) -> Config {
        let set =
            settings.iter().map(|(name, value)| (format!("FEEDMILL_{name}"), (*value).into()));
        Config::read(None, set, |_| Vec::new()).unwrap()
    }

    #[test]
    fn a_first_start_is_safe_once_its_inputs_are_there() {
        let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
        let (told, failed) = plan(&broker, &config(&[]), false).unwrap();
        let missing = "blocked   topic cdc.users";
        assert!(told.contains(missing), "{told}");
        assert_eq!(failed.map(|Failed(exit, _)| exit), Some(Exit::Mismatch));
        topics::ensure(&broker, &config(&[])).unwrap();
        let (told, failed) = plan(&broker, &config(&[]), true).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (told["verdict"].as_str(), told["starts"].as_bool()),
            (Some("safe"), Some(true))
        );
        assert!(failed.is_none());
    }

    #[test]
    fn stores_that_would_begin_empty_have_a_code_of_their_own() {
        assert_eq!(refused("feed", Verdict::Rebuilds).0, Exit::Failed);
        assert_eq!(refused("feed", Verdict::Blocked).0, Exit::Mismatch);
    }
}
