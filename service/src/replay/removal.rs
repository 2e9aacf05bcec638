//! What an application leaves in the cluster, and its removal once nobody runs it.
//!
//! Of a rebuilt application that is every topic that bears its name. The first one's derived topics bear the contract's names; its
//! dead letters are kept until they expire, because they tell of inputs, and so is its task topic, by which the sink of ClickHouse
//! divides the inputs whichever application is live. Nothing that others read is ever among it.

use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::Broker;
use millstream::{Exit, Topic};
use schemas::{application, topic};

use crate::failed::Failed;

/// How long members are waited for: the group gives up one that was killed after 20 s.
const WAIT: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Of the topics that are there, those that are of `app` alone.
pub fn topics(app: &str, there: &[Topic]) -> Vec<Topic> {
    let is_its = |name: &&Topic| match application::number(app) {
        0 => is_of_the_first(app, name),
        _ => name.strip_prefix(app).is_some_and(|rest| rest.starts_with('-')),
    };
    there.iter().filter(is_its).cloned().collect()
}

fn is_of_the_first(app: &str, name: &str) -> bool {
    if topic::DERIVED.iter().any(|of| of.name == name) || name == topic::instances(app) {
        return true;
    }
    let rest = name.strip_prefix(app).and_then(|rest| rest.strip_prefix('-'));
    let is_kept_for_self = ["-changelog", "-repartition"].iter().any(|kind| name.ends_with(kind));
    rest.is_some_and(|rest| is_kept_for_self && !rest.starts_with("replay-"))
}

/// Its group, and those by which sinks have pushed what was published under an epoch that is over.
pub fn groups(app: &str, epoch: u32) -> Vec<String> {
    let first = application::first(app);
    let pushed = (1..epoch).flat_map(|epoch| {
        ["redis", "clickhouse"].map(|sink| application::pushing_group(first, sink, epoch))
    });
    std::iter::once(app.to_owned()).chain(pushed).collect()
}

/// Removes what `app` left; tells how many topics that were. Safe to repeat.
pub fn remove(broker: &dyn Broker, app: &str, epoch: u32) -> Result<usize, Failed> {
    wait_until_left(broker, app)?;
    let mut admin = broker.admin()?;
    let topics = topics(app, &admin.topics()?);
    admin.delete(&topics)?;
    groups(app, epoch).iter().try_for_each(|group| admin.delete_group(group))?;
    Ok(topics.len())
}

/// Waits until its group has no members: its workers end by themselves when they hear that it was given up.
fn wait_until_left(broker: &dyn Broker, app: &str) -> Result<(), Failed> {
    let began = Instant::now();
    loop {
        let members = broker.admin().and_then(|mut admin| admin.members(app));
        match members? {
            0 => return Ok(()),
            _ if began.elapsed() < WAIT => thread::sleep(LOOK_EVERY),
            members => {
                let words = format!(
                    "{app}: its group still has {members} members; stop them and begin again"
                );
                return Err(Failed(Exit::Mismatch, words));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use millstream::SystemClock;
    use millstream::broker::embedded::Embedded;

    use super::*;
    use crate::commands::topics::create_all;
    use crate::config::Config;

    fn names(topics: &[Topic]) -> BTreeSet<Topic> {
        topics.iter().cloned().collect()
    }

    /// Both applications as they make their topics; each, and what was there before.
    fn made() -> (Embedded, [Vec<Topic>; 2]) {
        let broker = Embedded::new(Arc::new(SystemClock));
        let config = Config::read(None, std::iter::empty(), |_| Vec::new()).unwrap();
        let made = [config.clone(), config.of_app("feedmill-replay-1".into())].map(|config| {
            create_all(&broker, &config).unwrap();
            broker.admin().unwrap().topics().unwrap()
        });
        (broker, made)
    }

    #[test]
    fn all_that_a_rebuilt_application_made_is_removed_and_nothing_else() {
        let (broker, [before, with_rebuilt]) = made();
        assert!(with_rebuilt.len() > before.len() + 20, "{with_rebuilt:?}");
        let removed = remove(&broker, "feedmill-replay-1", 2).unwrap();
        assert_eq!(removed, with_rebuilt.len() - before.len());
        let left = broker.admin().unwrap().topics().unwrap();
        assert_eq!(names(&left), names(&before));
        assert_eq!(remove(&broker, "feedmill-replay-1", 2).unwrap(), 0, "begun again");
    }

    #[test]
    fn of_the_first_application_stay_inputs_letters_and_what_is_of_all() {
        let (broker, [before, with_rebuilt]) = made();
        remove(&broker, "feedmill", 1).unwrap();
        let left = names(&broker.admin().unwrap().topics().unwrap());
        let rebuilt: BTreeSet<_> =
            names(&with_rebuilt).difference(&names(&before)).cloned().collect();
        let of_all: Vec<&str> = ["-dead-letters", "-dead-letters-done", "-live", "-tasks"].to_vec();
        let set = [&topic::DISMISSALS, &topic::FLAGS, &topic::FLAGS_AUDIT];
        let inputs = topic::HISTORY.iter().chain(set).map(|of| Topic::from(of.name));
        let mut expected: BTreeSet<Topic> = inputs.chain(rebuilt).collect();
        expected.extend(of_all.iter().map(|kind| Topic::from(format!("feedmill{kind}"))));
        assert_eq!(left, expected);
    }

    #[test]
    fn the_groups_of_epochs_that_are_over_go_and_that_of_the_present_one_stays() {
        assert_eq!(
            groups("feed-replay-1", 2),
            ["feed-replay-1", "feed-redis-1", "feed-clickhouse-1"]
        );
    }
}
