//! Weight sets and experiments, put into force at run time: versions in the topic `weights`.
//!
//! A version is never changed and never lost; what was before is put again under a new number. So a feed that was made by any
//! of them can be read, and everybody can see who was ranked by what, and since when.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, Failure, OutRecord, Outgoing, TopicIndex};
use millstream::{Clock, Exit, Headers, SystemClock, Topic};
use schemas::topic::WEIGHTS;
use schemas::{V1, WeightsVersion, Wire, iso_time};
use topologies::ranking::{Policies, Policy, Weights, weights_file};

use crate::failed::Failed;
use crate::weights::read;

const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Where versions are.
#[derive(Clone, Copy)]
pub struct Versions<'a> {
    /// The cluster.
    pub broker: &'a dyn Broker,
    /// What the client calls itself.
    pub app: &'a str,
    /// Whether workers remember what was shown.
    pub remembers_shown: bool,
}

/// Whether a file is right, by itself.
pub fn check(file: &Path, remembers_shown: bool) -> Result<String, Failed> {
    let policy = of_file(file, &Policies::default())?;
    Ok(format!("{} is right\n{}{}", file.display(), told(&policy), asks(&policy, remembers_shown)))
}

impl Versions<'_> {
    /// Puts a file into force.
    pub fn put(&self, file: &Path) -> Result<String, Failed> {
        let known = read(self.broker, self.app)?;
        let policy = of_file(file, &known)?;
        self.append(policy, &known)
    }

    /// Puts an earlier version into force again.
    pub fn roll_back(&self, to: Option<u32>) -> Result<String, Failed> {
        let known = read(self.broker, self.app)?;
        let current = known.current().version;
        let wanted = to.unwrap_or(current.saturating_sub(1));
        let found = known.versions().find(|policy| policy.version == wanted);
        let before_any = wanted == 0 && current > 0;
        let Some(policy) = found.cloned().or_else(|| before_any.then(Policy::default)) else {
            let versions: Vec<_> = known.versions().map(|of| of.version.to_string()).collect();
            let words = match versions.is_empty() {
                true => "no version was ever put".to_owned(),
                false => format!(
                    "there is no version {wanted}; there are 0 (v1 alone), {}",
                    versions.join(", ")
                ),
            };
            return Err(Failed(Exit::Usage, words));
        };
        self.append(policy, &known)
    }

    /// All versions, in words or as JSON.
    pub fn list(&self, json: bool) -> Result<String, Failed> {
        let known = read(self.broker, self.app)?;
        if json {
            let all: Vec<_> = known.versions().collect();
            let json = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
            return Ok(format!("{json}\n"));
        }
        if known.current().version == 0 {
            return Ok("no version was put: everybody is ranked by v1\n".to_owned());
        }
        let mut out = String::new();
        for policy in known.versions() {
            let in_force = policy.version == known.current().version;
            let mark = if in_force { ", in force" } else { "" };
            let at = iso_time(policy.at_ms);
            let _ = writeln!(out, "version {} of {at}{mark}\n{}", policy.version, told(policy));
        }
        Ok(out)
    }

    fn append(&self, policy: Policy, known: &Policies) -> Result<String, Failed> {
        let (version, now) = (known.current().version + 1, SystemClock.now());
        let policy = Policy { version, at_ms: now.0, ..policy };
        let sent = || -> Result<(), Failure> {
            let topics: Arc<[Topic]> = Arc::from([Topic::from(WEIGHTS.name)]);
            let mut producer = self.broker.producer(None, topics)?;
            let mut outgoing = Outgoing::default();
            outgoing.push(OutRecord {
                topic: TopicIndex(0),
                partition: 0,
                logged: false,
                timestamp: now,
                key: Some(&WeightsVersion(version).to_bytes()),
                value: Some(&policy.to_bytes()),
                headers: Headers::default(),
            });
            producer.send(&outgoing)?;
            producer.flush(ACKNOWLEDGED_WITHIN).map(drop)
        };
        sent().map_err(|failure| Failed(failure.exit(), format!("{}: {failure}", WEIGHTS.name)))?;
        let asks = asks(&policy, self.remembers_shown);
        Ok(format!("version {version} is in force\n{}{asks}", told(&policy)))
    }
}

fn of_file(file: &Path, known: &Policies) -> Result<Policy, Failed> {
    let text = std::fs::read_to_string(file)
        .map_err(|fault| Failed(Exit::Usage, format!("{}: {fault}", file.display())))?;
    weights_file::read(&text, known).map_err(|faults| {
        let faults = faults.join("\n  ");
        Failed(Exit::Mismatch, format!("{}\n  {faults}", file.display()))
    })
}

/// What a version says, a line for each thing.
fn told(policy: &Policy) -> String {
    let mut names: BTreeMap<u16, &str> = [(V1, "v1")].into();
    names.extend(policy.sets.iter().map(|set| (set.id, set.name.as_str())));
    let name = |id: &u16| names.get(id).copied().unwrap_or("of another version");
    let mut out = String::new();
    for set in &policy.sets {
        let _ = writeln!(out, "  set {} = {}: {}", set.id, set.name, numbers(set));
    }
    let _ = writeln!(out, "  default: {}", name(&policy.default));
    for of in &policy.experiments {
        let parts = of.arms.iter().map(|arm| format!("{} {}", name(&arm.set), arm.weight));
        let share = f64::from(of.share_ppm) / 1e4;
        let parts = parts.collect::<Vec<_>>().join(" : ");
        let _ = writeln!(out, "  experiment {:?}: {share}% of readers, {parts}", of.name);
    }
    if let Some(shadow) = policy.shadow {
        let name = name(&shadow.set);
        let _ = writeln!(out, "  shadow: {name}, compared with one ranking in {}", shadow.one_in);
    }
    out
}

fn numbers(set: &Weights) -> String {
    let arms = serde_json::to_value(set.arms).unwrap_or_default();
    let on = arms.as_object().into_iter().flatten();
    let on = on.filter(|(_, value)| !value.is_null() && **value != serde_json::Value::Bool(false));
    let on: Vec<_> = on.map(|(name, _)| name.as_str()).collect();
    let arms = if on.is_empty() { String::new() } else { format!("; {}", on.join(", ")) };
    format!("{} / {} / {}{arms}", set.freshness, set.engagement, set.affinity)
}

/// What a version asks for that is not there.
fn asks(policy: &Policy, remembers_shown: bool) -> String {
    let asking = policy.sets.iter().filter(|set| set.arms.remembers_shown() && !remembers_shown);
    let names: Vec<_> = asking.map(|set| set.name.as_str()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(
            "  note: {} counts what readers were shown, which workers remember only with shown.remembered = true\n",
            names.join(", ")
        ),
    }
}
