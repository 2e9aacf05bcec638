//! The instances of the application, as they announce themselves: who has fallen silent, and what nobody runs.
//!
//! One that stands still keeps its tasks until its session ends, and nothing that it tells by itself shows that.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::broker::Broker;
use millstream::{Clock, SystemClock};

use super::finding::Finding;
use crate::config::Config;
use crate::failed::Failed;
use crate::replay::shown;

/// Who has said nothing for longer is gone for good.
const GONE: Duration = Duration::from_secs(3_600);

/// See the module.
pub fn look(broker: &dyn Broker, config: &Config) -> Result<Vec<Finding>, Failed> {
    let (directory, now) = (shown::announced(broker, config)?, SystemClock.now());
    let silent = directory.silent(now, GONE);
    // Without anybody there is nobody to be missed: the group says that it has no member.
    let idle = match directory.addresses(now).is_empty() {
        true => BTreeMap::new(),
        false => shown::lacking(broker, config, &directory)?,
    };
    Ok(judge(&silent, &idle))
}

/// Of who is silent: where, and since when; of tasks that are not run: how many of each sub-topology.
fn judge(silent: &[(String, Duration)], idle: &BTreeMap<String, i32>) -> Vec<Finding> {
    let of_silent = silent.iter().map(|(url, since)| {
        let words = format!(
            "has said nothing for {} s: it stands still, was killed, or has lost Kafka",
            since.as_secs()
        );
        Finding::warning(format!("instance {url}"), words).mended_by(look_at(url))
    });
    let mut findings: Vec<_> = of_silent.collect();
    if !idle.is_empty() {
        let tasks: i32 = idle.values().sum();
        let subs: Vec<_> = idle.keys().map(String::as_str).collect();
        let words = format!(
            "{tasks} tasks of {} are run by nobody: what they would do waits",
            subs.join(", ")
        );
        findings.push(Finding::error("state", words).mended_by("feedmill worker"));
    }
    findings
}

/// What shows how it is.
fn look_at(url: &str) -> String {
    let authority = match url.starts_with("https") {
        true => " --cacert <http.internal_tls_ca_file>",
        false => "",
    };
    format!("curl -sS{authority} {url}/ready")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::told;

    #[test]
    fn who_is_silent_is_named_and_so_is_what_nobody_runs() {
        let silent = [("http://worker-2:9901".to_owned(), Duration::from_secs(12))];
        let idle = [("reader".to_owned(), 2), ("engagement".to_owned(), 1)].into();
        let words = told(&judge(&silent, &idle));
        assert!(
            words.contains("instance http://worker-2:9901: has said nothing for 12 s"),
            "{words}"
        );
        assert!(words.contains("curl -sS http://worker-2:9901/ready"), "{words}");
        assert!(words.contains("3 tasks of engagement, reader are run by nobody"), "{words}");
        assert_eq!(judge(&[], &BTreeMap::new()).len(), 0);
    }
}
