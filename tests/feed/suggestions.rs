//! Whom users are suggested, by the state that the topology keeps, against every path walked one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, FailPoint, Result, Timestamp};
use schemas::{Dismissal, UserId, Wire};
use topologies::feed::{Feed, FeedSettings, feed};
use topologies::suggestions::{Suggestion, SuggestionWeights, suggest};
use worlds::history::Id;
use worlds::oracle::{Bounds, Oracle, Suggested};

use crate::on_engine::send;
use crate::records::record;
use crate::small_worlds::{Random, world};

/// How many worlds there are unless `SUGGESTED_WORLDS` says otherwise.
const WORLDS: u64 = 50;

/// What is suggested to a user by what the state says.
fn suggested(
    (feed, driver): (&Feed, &Driver),
    user: Id,
    weights: &SuggestionWeights,
) -> Result<Vec<Suggestion>> {
    let (query, settings) = (driver.query(0)?, FeedSettings::default());
    let sketch = feed.sketch(&query, &settings, UserId(user), driver.now().0).unwrap();
    let person = |of: UserId| feed.person(&query, of).unwrap();
    let is_gone = |of: &UserId| person(*of).is_some_and(|person| person.is_gone());
    let neighbours = |of: UserId| {
        feed.neighbours(&query, (of, person(of).as_ref()), weights.neighbours_max).unwrap()
    };
    let walked = sketch.walked(weights).into_iter();
    let neighbours: BTreeMap<_, _> = walked.map(|of| (of, neighbours(of))).collect();
    Ok(suggest(&sketch, &neighbours, is_gone, weights).0)
}

fn assert_suggested(whose: &str, found: &[Suggestion], expected: &[Suggested]) {
    let names = |of: &[Id]| of.iter().map(|id| UserId(*id).to_string()).collect::<Vec<_>>();
    let both: [Vec<Id>; 2] =
        [found.iter().map(|of| of.user.0).collect(), expected.iter().map(|of| of.user).collect()];
    // Who has nearly the same score may swap.
    let [mut a, mut b] = both.clone();
    a.sort_unstable();
    b.sort_unstable();
    assert_eq!(names(&a), names(&b), "{whose}");
    let by_id: BTreeMap<_, _> = expected.iter().map(|of| (of.user, of)).collect();
    for (place, of) in found.iter().enumerate() {
        let is = by_id[&of.user.0];
        assert!((of.score - is.score).abs() < 1e-9, "{whose}: {of:?}, {is:?}");
        assert!((of.score - expected[place].score).abs() < 1e-9, "{whose}: order");
        let counted = [&of.friends, &of.same_people].map(|proof| proof.named.len() + proof.more);
        assert_eq!((counted, of.interactions), ([is.friends, is.same_people], is.interactions));
    }
}

/// Plays a world, with crashes, and compares what is suggested to each of its users; answers how many suggestions there were.
fn compare(seed: u64) -> Result<usize> {
    let mut random = Random::of(seed);
    let history = world(seed, 5 + random.below(8), 150);
    let feed = feed(&FeedSettings::default())?;
    let began = Timestamp(history[0].arrived);
    let mut driver = Driver::of(feed.topology.clone()).partitions(3).began(began).start()?;
    for (number, input) in history.iter().enumerate() {
        driver.advance_clock(Timestamp(input.arrived).since(driver.now()));
        send(&driver, &record(input, number), input.arrived)?;
        if random.below(60) == 0 {
            driver.arm(FailPoint::ALL[random.below(FailPoint::ALL.len())], random.below(4));
            driver.settle()?;
        }
    }
    let oracle = Oracle::of(&history);
    let users: Vec<Id> = oracle.readers().into_iter().collect();
    let mut dismissed: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let dismissals = driver.input::<Vec<u8>, Vec<u8>>("dismissals", Bytes, Bytes);
    for _ in 0..3 {
        let [by, whom] = [0; 2].map(|_| users[random.below(users.len())]);
        dismissed.entry(by).or_default().insert(whom);
        let said = Dismissal { whom: UserId(whom), at_ms: driver.now().0 }.to_bytes();
        dismissals.send_raw(Some(&by), Some(&said), driver.now())?;
    }
    driver.settle()?;
    driver.advance(Duration::from_secs(1))?;
    let bounds = Bounds { followed: 1 + random.below(5), neighbours: 1 + random.below(6) };
    let weights = SuggestionWeights {
        followed_max: bounds.followed,
        neighbours_max: bounds.neighbours,
        ..SuggestionWeights::default()
    };
    let nobody = BTreeSet::new();
    let mut suggestions = 0;
    for user in users {
        let found = suggested((&feed, &driver), user, &weights)?;
        let not = dismissed.get(&user).unwrap_or(&nobody);
        let expected = oracle.suggestions(user, driver.now().0, not, bounds);
        assert_suggested(&format!("world {seed}, {}", UserId(user)), &found, &expected);
        suggestions += found.len();
    }
    Ok(suggestions)
}

#[test]
fn whom_worlds_suggest_is_what_every_path_walked_one_by_one_suggests() -> Result<()> {
    let asked = std::env::var("SUGGESTED_WORLDS").ok().and_then(|worlds| worlds.parse().ok());
    let (worlds, mut suggestions) = (asked.unwrap_or(WORLDS), 0);
    for seed in 0..worlds {
        suggestions += compare(seed)?;
    }
    assert!(suggestions > 10 * worlds as usize, "{suggestions}");
    Ok(())
}

#[test]
fn a_topology_that_suggests_nobody_keeps_nothing_for_it() -> Result<()> {
    let settings = FeedSettings { suggests: false, ..FeedSettings::default() };
    let without = feed(&settings)?.topology.describe();
    let with = feed(&FeedSettings::default())?.topology.describe();
    assert!(with.contains("followers") && with.contains("by-person"), "{with}");
    assert!(!without.contains("followers") && !without.contains("by-person"), "{without}");
    Ok(())
}
