//! Weight sets and experiments, put into force at run time: versions in the topic `weights`.
//!
//! A version is never changed and never lost; what was before is put again under a new number. So a feed that was made by any
//! of them can be read, and everybody can see who was ranked by what, and since when.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use millstream::Exit;
use millstream::broker::Broker;
use schemas::{V1, iso_time};
use topologies::ranking::{Policies, Policy, Weights, weights_file};

use super::json::pretty;
use crate::failed::Failed;
use crate::followed_topic::read;
use crate::weights::Writer;

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
        let mut writer = Writer::open(self.broker, self.app)?;
        let policy = of_file(file, writer.known())?;
        Ok(self.said(&writer.put(policy)?))
    }

    /// Puts an earlier version into force again.
    pub fn roll_back(&self, to: Option<u32>) -> Result<String, Failed> {
        let mut writer = Writer::open(self.broker, self.app)?;
        let known = writer.known();
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
        Ok(self.said(&writer.put(policy)?))
    }

    fn said(&self, put: &Policy) -> String {
        let asks = asks(put, self.remembers_shown);
        format!("version {} is in force\n{}{asks}", put.version, told(put))
    }

    /// All versions, in words or as JSON.
    pub fn list(&self, json: bool) -> Result<String, Failed> {
        let known: Policies = read(self.broker, self.app)?;
        if json {
            let all: Vec<_> = known.versions().collect();
            return pretty(&all);
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
    if policy.paused && !policy.experiments.is_empty() {
        out.push_str("  experiments are paused: flag arms is off\n");
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
            "  note: what readers were shown is remembered only with shown.remembered = true; asked for by {}\n",
            names.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use ::tests::poll_until;
    use millstream::SystemClock;
    use millstream::broker::embedded::Embedded;

    use super::*;
    use crate::commands::topics;
    use crate::weights::WeightSets;

    fn cluster() -> Embedded {
        let broker = Embedded::new(Arc::new(SystemClock));
        topics::create(&mut *broker.admin().unwrap(), "feedmill", 1).unwrap();
        broker
    }

    fn versions(broker: &dyn Broker) -> Versions<'_> {
        Versions { broker, app: "feedmill", remembers_shown: false }
    }

    fn known(broker: &dyn Broker) -> Policies {
        read(broker, "feedmill").unwrap()
    }

    fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn who_starts_after_a_version_was_put_knows_it_and_so_does_who_ran_before() {
        let (broker, dir) = (cluster(), tempfile::tempdir().unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let follow = || {
            let sets = WeightSets::default();
            let of = (Arc::new(broker.clone()) as Arc<dyn Broker>, "feedmill".to_owned());
            sets.follow(of, Arc::clone(&stop)).unwrap();
            sets
        };
        let before = follow();
        let put = versions(&broker).put(&file(&dir, "a", "default = \"a\"\n[sets.a]\nid = 2"));
        assert!(put.unwrap().starts_with("version 1 is in force"));
        for sets in [before, follow()] {
            let known = || (sets.known().current().version == 1).then_some(());
            poll_until(Duration::from_secs(20), known).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    #[test]
    fn of_two_who_put_at_once_one_is_told_of_the_other_and_nothing_is_lost() {
        let broker = cluster();
        let set = |id| Policy {
            sets: vec![Weights { id, ..Weights::v1() }],
            default: id,
            ..Policy::default()
        };
        let mut first = Writer::open(&broker, "feedmill").unwrap();
        let mut second = Writer::open(&broker, "feedmill").unwrap();
        let Failed(exit, words) = first.put(set(2)).unwrap_err();
        assert_eq!(exit, Exit::Mismatch, "{words}");
        assert_eq!(second.put(set(3)).unwrap().version, 1);
        assert_eq!(known(&broker).current().default, 3);
    }

    #[test]
    fn going_back_is_putting_again_and_what_is_not_there_is_told() {
        let (broker, dir) = (cluster(), tempfile::tempdir().unwrap());
        let of = versions(&broker);
        assert_eq!(of.roll_back(None).unwrap_err().0, Exit::Usage);
        of.put(&file(&dir, "a", "default = \"a\"\n[sets.a]\nid = 2")).unwrap();
        assert!(of.roll_back(None).unwrap().starts_with("version 2 is in force"));
        let known = known(&broker);
        assert_eq!((known.current().default, known.of_set(2).id), (V1, 2), "its set is known");
        let Failed(_, words) = of.roll_back(Some(9)).unwrap_err();
        assert!(words.contains("there are 0 (v1 alone), 1, 2"), "{words}");
    }
}
