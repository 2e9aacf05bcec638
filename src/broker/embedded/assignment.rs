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
