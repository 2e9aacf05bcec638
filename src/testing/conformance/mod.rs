//! What every [`Broker`] keeps, as checks that run against any of them.
//!
//! A check is a function over a [`Cluster`]; its name is the sentence it shows. [`checks`] lists them,
//! and [`every_check!`](crate::every_check) hands the same list to a macro, so that a target can make one
//! test of each. Checks use fresh names throughout and look until what they wait for is there, so they
//! may run side by side on a cluster that others use too.
//!
//! On Kafka a marker is written some time after `commit` has answered, and a zombie learns its fate at
//! whatever call hears of it first: checks ask for no more than Kafka promises.

mod cleaning;
mod clients;
mod fencing;
mod ownership;
mod positions;
mod reading;
mod transactions;
mod world;

use std::fmt;
use std::time::Duration;

use crate::broker::{Broker, Failure};
use crate::record::TopicPartition;

/// A cluster, with the little that differs between an embedded one and a real one.
pub trait Cluster {
    /// The broker under test.
    fn broker(&self) -> &dyn Broker;

    /// A name beginning with `stem` that nothing on the cluster has.
    fn fresh(&self, stem: &str) -> String;

    /// How long one poll waits. Zero where time moves only in [`Self::again`].
    fn poll_wait(&self) -> Duration;

    /// Called between two looks at something that is to become so, with how many looks there were. Lets
    /// some time pass; answers `false` when there have been enough (half a minute or more).
    fn again(&self, looks: u32) -> bool;

    /// Cleans this compacted partition up to its last stable offset. May append records whose key begins
    /// with `filler`; the check leaves them out.
    fn compact(&self, of: &TopicPartition);

    /// The next commit of this transactional id is applied, and its answer lost.
    fn lose_next_commit_answer(&self, transactional_id: &str);
}

/// One row of the suite.
#[derive(Clone, Copy)]
pub struct Check {
    /// What it shows.
    pub name: &'static str,
    /// Shows it, or says what was found instead.
    pub run: fn(&dyn Cluster) -> Result<(), Broken>,
}

/// A promise that was not kept: what was found, and where it was looked for.
#[derive(Debug)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl From<Failure> for Broken {
    #[track_caller]
    fn from(failure: Failure) -> Self {
        Self(format!("{failure}, at {}", std::panic::Location::caller()))
    }
}

/// Hands every check to `$then!`, as `theme::check, ...`: a target makes one test of each, which calls [`run`]
/// with the check's name.
#[macro_export]
macro_rules! every_check {
    ($then:ident) => {
        $then! {
            transactions::aborted_records_are_invisible,
            transactions::open_records_are_invisible,
            transactions::an_open_transaction_holds_back_what_others_committed_after_it,
            transactions::an_end_counts_the_marker_and_is_told_once,
            transactions::an_abandoned_transaction_is_aborted_when_its_time_is_up,
            transactions::a_successor_aborts_what_its_predecessor_left_open,
            transactions::an_applied_commit_without_an_answer_is_found_out_by_the_successor,
            transactions::an_empty_transaction_leaves_no_trace,
            transactions::commit_tells_the_last_acknowledged_offset_of_logged_partitions,
            fencing::an_older_epoch_is_refused_for_good,
            fencing::an_old_generation_is_refused,
            fencing::an_unknown_member_is_refused,
            fencing::generation_minus_one_is_accepted_unfenced,
            fencing::a_rebalance_in_mid_transaction_refuses_the_old_owners_commit,
            fencing::a_second_process_of_a_static_name_fences_the_first,
            ownership::a_lone_member_owns_every_partition,
            ownership::a_group_has_as_many_members_as_joined_it,
            ownership::a_partition_is_given_up_before_another_member_owns_it,
            ownership::a_partition_never_has_two_owners,
            ownership::a_silent_members_partitions_go_to_the_others,
            ownership::a_restarted_static_member_gets_its_share_in_the_same_generation,
            ownership::a_group_consumer_goes_on_at_the_committed_position,
            ownership::a_group_consumers_share_moves_to_the_one_that_stays,
            ownership::a_static_group_consumer_comes_back_to_its_share,
            positions::offsets_roll_back_on_abort,
            positions::offsets_of_an_open_transaction_are_unstable,
            positions::offsets_of_other_partitions_stay_stable,
            positions::a_group_that_committed_nothing_has_no_position,
            positions::a_member_finds_the_words_that_were_committed_beside_a_position,
            positions::a_member_whose_name_another_has_taken_commits_nothing,
            reading::assign_moves_a_position_and_nothing_of_before_arrives,
            reading::a_paused_partition_keeps_its_position,
            reading::an_unassigned_partition_delivers_nothing,
            reading::records_round_trip_with_nulls_headers_and_times,
            reading::what_is_flushed_without_a_transaction_is_visible_at_once,
            reading::deleted_records_are_out_of_range,
            reading::a_position_beyond_the_end_is_out_of_range,
            reading::creating_a_topic_again_finds_it_as_it_is,
            cleaning::a_compacted_topic_tells_how_long_it_shows_deletions_and_another_does_not,
            cleaning::a_topic_is_described_as_it_was_made_and_one_that_is_not_there_is_not,
            cleaning::a_topic_that_was_deleted_is_gone_with_the_positions_in_it,
            cleaning::a_group_that_was_deleted_has_no_position_and_one_with_members_is_refused,
            cleaning::compaction_keeps_latest_values_and_tombstones_at_their_offsets,
            cleaning::compaction_leaves_what_an_open_transaction_holds_back,
        }
    };
}

macro_rules! as_list {
    ($($theme:ident::$check:ident),* $(,)?) => {
        &[$(Check { name: stringify!($check), run: $theme::$check }),*]
    };
}

/// Every check, by theme.
pub fn checks() -> &'static [Check] {
    every_check!(as_list)
}

/// Runs the check of this name.
pub fn run(name: &str, on: &dyn Cluster) -> Result<(), Broken> {
    let check = checks().iter().find(|check| check.name == name);
    let check = check.ok_or_else(|| Broken(format!("there is no check {name}")))?;
    (check.run)(on)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::broker::embedded::Embedded;
    use crate::clock::ManualClock;
    use crate::record::Timestamp;

    struct InProcess {
        broker: Embedded,
        clock: Arc<ManualClock>,
        names: AtomicU32,
    }

    impl InProcess {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000)));
            let broker = Embedded::new(clock.clone());
            Self { broker, clock, names: AtomicU32::new(0) }
        }
    }

    impl Cluster for InProcess {
        fn broker(&self) -> &dyn Broker {
            &self.broker
        }

        fn fresh(&self, stem: &str) -> String {
            format!("{stem}-{}", self.names.fetch_add(1, Ordering::Relaxed))
        }

        fn poll_wait(&self) -> Duration {
            Duration::ZERO
        }

        fn again(&self, looks: u32) -> bool {
            self.clock.advance(Duration::from_millis(50));
            looks < 1000
        }

        fn compact(&self, _: &TopicPartition) {
            self.broker.clean();
        }

        fn lose_next_commit_answer(&self, transactional_id: &str) {
            self.broker.faults().lose_next_commit_answer(transactional_id);
        }
    }

    macro_rules! as_tests {
        ($($theme:ident::$check:ident),* $(,)?) => {
            $(#[test]
            fn $check() -> Result<(), Broken> {
                run(stringify!($check), &cluster())
            })*
        };
    }

    mod with_markers_at_once {
        use super::*;

        fn cluster() -> InProcess {
            InProcess::new()
        }

        every_check!(as_tests);
    }

    mod with_slow_markers {
        use super::*;

        fn cluster() -> InProcess {
            let cluster = InProcess::new();
            cluster.broker.faults().delay_markers(Duration::from_millis(500));
            cluster
        }

        every_check!(as_tests);
    }

    mod with_small_fetches {
        use super::*;

        fn cluster() -> InProcess {
            let cluster = InProcess::new();
            cluster.broker.faults().limit_fetch(1);
            cluster
        }

        every_check!(as_tests);
    }
}
