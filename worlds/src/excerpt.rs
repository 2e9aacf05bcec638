//! The part of a history that decides about some readers, small enough to be kept where the whole is not.
//!
//! A feed is made of the posts of those whom its reader follows or has an affinity to, and of what trends, with all
//! that was done to these posts; and of what the reader did. So much is kept, by four readings of the whole. It must
//! be of one kind: an event's id stands for one post.

use std::collections::HashSet;

use crate::history::{Action, BehaviourEvent, Id, Input, LikeOrComment, Payload, RowChange};

/// What trends is of a day's interactions, by whole hours; a feed may be as of some minutes before it was looked at.
const TRENDS_MS: i64 = 26 * 3_600_000;

/// What of `inputs`, told anew whenever it is asked, decides what the feeds of `readers` are as of `from` and later.
pub fn excerpt<I>(
    inputs: impl Fn() -> I,
    readers: impl IntoIterator<Item = Id>,
    from: i64,
) -> Vec<Input>
where
    I: Iterator<Item = Input>,
{
    let mut concern = Concern { readers: readers.into_iter().collect(), ..Concern::default() };
    inputs().for_each(|input| concern.see_what_was_done(&input, from - TRENDS_MS));
    inputs().for_each(|input| concern.see_authors(&input));
    inputs().for_each(|input| concern.see_posts(&input));
    inputs().filter(|input| concern.keeps(input)).collect()
}

/// Whom and what the feeds depend on.
#[derive(Default)]
struct Concern {
    readers: HashSet<Id>,
    /// Users who are deleted at some time.
    gone: HashSet<Id>,
    /// Whom the readers follow, and whose posts they did something with.
    authors: HashSet<Id>,
    /// What the readers did something with, or what may trend.
    touched: HashSet<Id>,
    /// What the readers did something with.
    by_readers: HashSet<Id>,
    /// Posts that may be in the feeds.
    posts: HashSet<Id>,
    /// Likes and comments by or on any of these.
    rows: HashSet<Id>,
}

impl Concern {
    fn see_what_was_done(&mut self, input: &Input, since: i64) {
        match &input.payload {
            Payload::User(change) if change.image.live().is_none() => {
                self.gone.insert(change.id());
            }
            Payload::Follow(change) => {
                let (follower, followee) = change.pair();
                if self.readers.contains(&follower) {
                    self.authors.insert(followee);
                }
            }
            Payload::Comment(change) | Payload::Like(change) => {
                if let Some(row) = change.image.row() {
                    self.see_act(row.user, row.post, row.created_at >= since);
                }
            }
            Payload::Event(event) => {
                let trends = counts(event) && event.time >= since;
                self.see_act(event.user, event.post, trends);
            }
            Payload::User(_)
            | Payload::Post(_)
            | Payload::Mute(_)
            | Payload::Block(_)
            | Payload::Read { .. } => {}
        }
    }

    fn see_act(&mut self, user: Id, post: Id, trends: bool) {
        let by_reader = self.readers.contains(&user);
        if by_reader {
            self.by_readers.insert(post);
        }
        if by_reader || trends {
            self.touched.insert(post);
        }
    }

    fn see_authors(&mut self, input: &Input) {
        let Payload::Post(change) = &input.payload else { return };
        if let Some(row) = change.image.row().filter(|row| self.by_readers.contains(&row.id)) {
            self.authors.insert(row.user);
        }
    }

    fn see_posts(&mut self, input: &Input) {
        let Payload::Post(change) = &input.payload else { return };
        let of_author = change.image.row().is_some_and(|row| self.authors.contains(&row.user));
        if of_author || self.touched.contains(&change.id()) {
            self.posts.insert(change.id());
        }
    }

    fn keeps(&mut self, input: &Input) -> bool {
        match &input.payload {
            Payload::User(change) => {
                self.gone.contains(&change.id()) || self.readers.contains(&change.id())
            }
            Payload::Post(change) => self.posts.contains(&change.id()),
            Payload::Follow(change) => self.readers.contains(&change.id()),
            Payload::Mute(change) | Payload::Block(change) => {
                let (by, whom) = change.pair();
                self.readers.contains(&by) || self.readers.contains(&whom)
            }
            Payload::Comment(change) | Payload::Like(change) => self.keeps_row(change),
            Payload::Event(event) => self.keeps_act(event.user, event.post),
            Payload::Read { user } => self.readers.contains(user),
        }
    }

    /// A row that once concerned them is kept to its end.
    fn keeps_row(&mut self, change: &RowChange<LikeOrComment>) -> bool {
        let row = change.image.row();
        if row.is_some_and(|row| self.keeps_act(row.user, row.post)) {
            self.rows.insert(change.id());
        }
        self.rows.contains(&change.id())
    }

    fn keeps_act(&self, user: Id, post: Id) -> bool {
        self.readers.contains(&user) || self.posts.contains(&post)
    }
}

fn counts(event: &BehaviourEvent) -> bool {
    matches!(event.action, Action::Like | Action::Comment | Action::Share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Oracle;
    use crate::world::{Size, World};

    const HOUR: i64 = 3_600_000;
    const UNTIL: i64 = 1_790_000_000_000;

    #[test]
    fn an_excerpt_leads_to_the_feeds_of_the_whole() {
        let size = Size { users: 300, follows: 3_000, posts: 2_000, events: 15_000 };
        for seed in 1..5 {
            let world = World { seed, size, days: 5, until: UNTIL };
            let whole: Vec<Input> = world.inputs().collect();
            let readers = world.readers(12);
            let part = excerpt(|| world.inputs(), readers.iter().copied(), UNTIL);
            assert!(part.len() < whole.len(), "{} of {}", part.len(), whole.len());
            let (part, whole) = (Oracle::of(&part), Oracle::of(&whole));
            for at in [-HOUR / 6, 0, HOUR, 30 * HOUR] {
                for reader in &readers {
                    let [found, expected] =
                        [&part, &whole].map(|oracle| oracle.ranked(*reader, UNTIL + at));
                    assert!(at > HOUR || found.items.len() >= 50, "{}", found.items.len());
                    assert_eq!(found, expected);
                }
            }
        }
    }
}
