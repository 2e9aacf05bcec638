//! Who shall own which partition: sticky and balanced. Pure.
//!
//! A member keeps what it owns up to its fair share; what is left goes, in partition order, to the member
//! with fewest, the first in member order among equals. Who is not subscribed gets nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Topic, TopicPartition};

/// A member, as the assignment sees it.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub topics: Vec<Topic>,
    pub owned: BTreeSet<TopicPartition>,
}

pub(super) type Shares = BTreeMap<String, BTreeSet<TopicPartition>>;

/// Gives every partition that somebody subscribes to an owner.
pub(super) fn assign(
    partitions: &BTreeSet<TopicPartition>,
    claims: &BTreeMap<String, Claim>,
) -> Shares {
    let members = claims.len().max(1);
    let (share, mut larger) = (partitions.len() / members, partitions.len() % members);
    let mut shares = Shares::new();
    for (member, claim) in claims {
        let owned = || claim.owned.iter().filter(|owned| partitions.contains(*owned));
        let extra = usize::from(owned().count() > share && larger > 0);
        larger -= extra;
        shares.insert(member.clone(), owned().take(share + extra).cloned().collect());
    }
    for partition in partitions {
        if shares.values().any(|owned| owned.contains(partition)) {
            continue;
        }
        let fewest = shares
            .iter_mut()
            .filter(|(member, _)| {
                claims.get(*member).is_some_and(|claim| claim.topics.contains(&partition.topic))
            })
            .min_by_key(|(_, owned)| owned.len());
        if let Some((_, owned)) = fewest {
            owned.insert(partition.clone());
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shares of members, each `name: what it owned`, of partitions 0 to `count`.
    fn shares(count: i32, members: &[(&str, &[i32])]) -> Vec<(String, Vec<i32>)> {
        let topic: Topic = "tasks".into();
        let of = |partition| TopicPartition::new(topic.clone(), partition);
        let claims = members.iter().map(|(name, owned)| {
            let owned = owned.iter().copied().map(of).collect();
            ((*name).to_owned(), Claim { topics: vec![topic.clone()], owned })
        });
        let shares = assign(&(0..count).map(of).collect(), &claims.collect());
        let numbers = |owned: BTreeSet<TopicPartition>| {
            owned.into_iter().map(|of| of.partition).collect::<Vec<_>>()
        };
        shares.into_iter().map(|(name, owned)| (name, numbers(owned))).collect()
    }

    fn wanted(rows: &[(&str, &[i32])]) -> Vec<(String, Vec<i32>)> {
        rows.iter().map(|(name, owned)| ((*name).to_owned(), owned.to_vec())).collect()
    }

    #[test]
    fn a_new_member_takes_no_more_than_its_share() {
        let found = shares(5, &[("a", &[0, 1, 2, 3, 4]), ("b", &[])]);
        assert_eq!(found, wanted(&[("a", &[0, 1, 2]), ("b", &[3, 4])]));
    }

    #[test]
    fn what_is_left_goes_to_those_with_fewest_and_nothing_else_moves() {
        let found = shares(6, &[("a", &[1, 4]), ("b", &[2]), ("c", &[])]);
        assert_eq!(found, wanted(&[("a", &[1, 4]), ("b", &[2, 3]), ("c", &[0, 5])]));
    }

    #[test]
    fn only_so_many_keep_one_more_than_the_others() {
        let found = shares(4, &[("a", &[0, 1]), ("b", &[2, 3]), ("c", &[])]);
        assert_eq!(found, wanted(&[("a", &[0, 1]), ("b", &[2]), ("c", &[3])]));
    }

    #[test]
    fn more_members_than_partitions_leave_some_with_nothing() {
        let found = shares(1, &[("a", &[]), ("b", &[0]), ("c", &[])]);
        assert_eq!(found, wanted(&[("a", &[]), ("b", &[0]), ("c", &[])]));
    }

    #[test]
    fn a_balanced_assignment_stays_as_it_is() {
        let balanced: [(&str, &[i32]); 2] = [("a", &[0, 3]), ("b", &[1, 2, 4])];
        assert_eq!(shares(5, &balanced), wanted(&balanced));
    }

    #[test]
    fn a_topic_goes_to_its_subscribers_only() {
        let claim = |topics: &[&str]| Claim {
            topics: topics.iter().map(|topic| Topic::from(*topic)).collect(),
            owned: BTreeSet::new(),
        };
        let claims = BTreeMap::from([
            ("both".to_owned(), claim(&["left", "right"])),
            ("left".to_owned(), claim(&["left"])),
        ]);
        let of = TopicPartition::new;
        let partitions = BTreeSet::from([of("left", 0), of("right", 0), of("right", 1)]);
        let found = assign(&partitions, &claims);
        let wanted = BTreeMap::from([
            ("both".to_owned(), BTreeSet::from([of("left", 0), of("right", 0), of("right", 1)])),
            ("left".to_owned(), BTreeSet::new()),
        ]);
        assert_eq!(found, wanted);
    }
}
