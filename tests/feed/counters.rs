//! What has no effect is counted: interactions with posts that never came, and deletes of unknown rows.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{FailPoint, Result, Timestamp};
use topologies::feed::counters::{DELETES_UNKNOWN, INTERACTIONS_DROPPED};
use topologies::feed::{FeedSettings, feed};

use crate::on_engine::send;
use crate::records::{Record, record};
use crate::smallest_world::NOW;
use worlds::history::{Action, BehaviourEvent, Input, Payload};

fn driver() -> Result<Driver> {
    Driver::of(feed(&FeedSettings::default())?.topology).began(Timestamp(NOW)).start()
}

fn share(user: u8) -> Record {
    let (event, user, post) = (Some([9; 16]), [user; 16], [4; 16]);
    let event = BehaviourEvent { event, user, post, action: Action::Share, time: NOW };
    record(&Input { arrived: NOW, payload: Payload::Event(event) }, 0)
}

#[test]
fn what_was_done_to_a_post_that_never_comes_is_counted_when_it_is_dropped() -> Result<()> {
    let mut driver = driver()?;
    for user in 1..=3 {
        send(&driver, &share(user), NOW)?;
    }
    driver.settle()?;
    driver.advance(Duration::from_secs(6 * 86_400))?;
    assert_eq!(driver.counted_as(INTERACTIONS_DROPPED), Some(0));
    driver.advance(Duration::from_secs(2 * 86_400))?;
    assert_eq!(driver.counted_as(INTERACTIONS_DROPPED), Some(3));
    Ok(())
}

#[test]
fn what_an_aborted_transaction_counted_is_not_counted() -> Result<()> {
    let mut driver = driver()?;
    let value = br#"{"op":"d","source":{"lsn":7}}"#.to_vec();
    driver.arm(FailPoint::BeforeCommit, 0);
    send(&driver, &Record { topic: "cdc.likes", key: None, value }, NOW)?;
    driver.settle()?;
    assert_eq!((driver.crashes(), driver.counted_as(DELETES_UNKNOWN)), (1, Some(1)));
    Ok(())
}

#[test]
fn a_delete_of_a_row_of_which_nothing_was_ever_seen_is_counted() -> Result<()> {
    let mut driver = driver()?;
    let value = br#"{"op":"d","before":null,"source":{"lsn":7}}"#.to_vec();
    let key = br#"{"id":"0190a6c2-0000-7000-a000-000000000001"}"#.to_vec();
    for (topic, key) in [
        ("cdc.likes", None),
        ("cdc.likes", Some(key.clone())),
        ("cdc.comments", Some(key)),
        ("cdc.posts", None),
        ("cdc.users", None),
        ("cdc.follows", None),
    ] {
        send(&driver, &Record { topic, key, value: value.clone() }, NOW)?;
    }
    driver.settle()?;
    assert_eq!(driver.counted_as(DELETES_UNKNOWN), Some(6));
    Ok(())
}
