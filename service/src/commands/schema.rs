//! The schemas by which others write and read our topics, in the registry.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use connectors::registry::{SubjectFault, Subjects, readable};
use millstream::Exit;
use schemas::{EVENTS_SCHEMA, Published};

use crate::config::Config;
use crate::{Failed, needs};

/// What the registry has of each, one a line.
pub fn list(config: &Config) -> Result<String, Failed> {
    let subjects = subjects(config)?;
    let mut lines = String::new();
    for of in Published::ALL {
        let subject = of.subject();
        let found = subjects.latest(&subject).map_err(failed)?;
        let _ = match found {
            Some(found) => {
                let same = same_json(&found.schema, of.schema);
                let differs = if same { "" } else { ", another than here" };
                let (version, id) = (found.version, found.id);
                writeln!(lines, "{subject:<16} version {version}, id {id}{differs}")
            }
            None if of.is_registered => writeln!(lines, "{subject:<16} not registered"),
            None => writeln!(
                lines,
                "{subject:<16} not for a registry: it says what the bytes of this topic mean"
            ),
        };
    }
    Ok(lines)
}

/// The schema of a topic, as it is here.
pub fn show(topic: &str) -> Result<String, Failed> {
    let found = Published::ALL.into_iter().find(|of| of.topic.name == topic);
    let names = Published::ALL.map(|of| of.topic.name).join(" and ");
    let words = format!("{topic:?} has no schema: {names} have");
    found.map(|of| of.schema.to_owned()).ok_or(Failed(Exit::Usage, words))
}

/// Whether the registry takes our schema, or the one in `file`.
pub fn check(config: &Config, file: Option<&Path>) -> Result<String, Failed> {
    let (subject, schema) = (EVENTS_SCHEMA.subject(), schema(file)?);
    subjects(config)?.check(&subject, &schema).map_err(failed)?;
    Ok(format!("{subject} takes it\n"))
}

/// Registers our schema, or the one in `file`.
pub fn register(config: &Config, file: Option<&Path>) -> Result<String, Failed> {
    let (subject, schema) = (EVENTS_SCHEMA.subject(), schema(file)?);
    let found = subjects(config)?.register(&subject, &schema).map_err(failed)?;
    Ok(format!("{subject} version {}, id {}\n", found.version, found.id))
}

fn subjects(config: &Config) -> Result<Subjects, Failed> {
    let settings = needs::registry(config).map_err(|words| Failed(Exit::Usage, words))?;
    let settings = settings.unwrap_or_default();
    Subjects::open(settings).map_err(|words| Failed(Exit::Usage, format!("registry: {words}")))
}

/// Ours, or that of a file, by which must be written what we can read.
fn schema(file: Option<&Path>) -> Result<String, Failed> {
    let ours = EVENTS_SCHEMA.schema;
    let Some(path) = file else { return Ok(ours.to_owned()) };
    let of_file = |words: &str| format!("{}: {words}", path.display());
    let theirs = fs::read_to_string(path);
    let theirs = theirs.map_err(|e| Failed(Exit::Usage, of_file(&e.to_string())))?;
    let fault =
        |words: String| Failed(Exit::Mismatch, of_file(&format!("not readable here: {words}")));
    if let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(&theirs) {
        return Err(Failed(Exit::Usage, of_file(&format!("is no JSON: {e}"))));
    }
    readable(ours, &theirs).map(|()| theirs).map_err(fault)
}

/// Whether two texts are one JSON value.
fn same_json(one: &str, other: &str) -> bool {
    let parsed = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    parsed(one) == parsed(other)
}

fn failed(fault: SubjectFault) -> Failed {
    let exit = match fault {
        SubjectFault::Unavailable(_) => Exit::Unavailable,
        SubjectFault::Incompatible(_) => Exit::Mismatch,
        SubjectFault::Refused(_) => Exit::Failed,
    };
    Failed(exit, fault.to_string())
}
