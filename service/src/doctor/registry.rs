//! The schema registry as writers and readers of Avro need it.

use super::finding::Finding;

const REGISTRY: &str = "registry";
const REGISTER: &str = "feedmill schema register";

/// What a registry has of the subject of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Whether our schema is there, if any is.
    pub has_ours: Option<bool>,
    /// What it is held to, if anything was said.
    pub level: Option<String>,
    /// Whether events that come over HTTP are written by it.
    pub is_written: bool,
}

/// See the module.
pub fn judge(of: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = &of.name;
    match of.has_ours {
        Some(true) => {}
        Some(false) => {
            let words = format!("{name} has no version that is ours");
            findings.push(Finding::warning(REGISTRY, words).mended_by(REGISTER));
        }
        None if of.is_written => {
            let words = format!("{name} is not registered: events are refused");
            findings.push(Finding::error(REGISTRY, words).mended_by(REGISTER));
        }
        None => {
            let words = format!("{name} is not registered: others cannot write events in Avro");
            findings.push(Finding::note(REGISTRY, words).mended_by(REGISTER));
        }
    }
    if of.has_ours.is_some() && of.level.as_deref().is_none_or(|level| level == "NONE") {
        let words = format!("{name} is held to nothing: a schema may follow that we cannot read");
        findings.push(Finding::warning(REGISTRY, words).mended_by(REGISTER));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_found_and_a_subject_as_it_must_be_has_none() {
        let sound = Subject {
            name: "events-value".into(),
            has_ours: Some(true),
            level: Some("BACKWARD".into()),
            is_written: true,
        };
        assert_eq!(judge(&sound), []);
        let rows = [
            (
                Subject { has_ours: None, ..sound.clone() },
                "error events-value is not registered: events are refused",
            ),
            (
                Subject { has_ours: None, is_written: false, ..sound.clone() },
                "note events-value is not registered: others cannot write events in Avro",
            ),
            (
                Subject { has_ours: Some(false), ..sound.clone() },
                "warning events-value has no version that is ours",
            ),
            (
                Subject { level: Some("NONE".into()), ..sound.clone() },
                "warning events-value is held to nothing: a schema may follow that we cannot read",
            ),
            (
                Subject { level: None, ..sound.clone() },
                "warning events-value is held to nothing: a schema may follow that we cannot read",
            ),
        ];
        for (subject, expected) in rows {
            let told: Vec<_> =
                judge(&subject).iter().map(|of| format!("{} {}", of.severity, of.words)).collect();
            assert_eq!(told, [expected]);
        }
    }
}
