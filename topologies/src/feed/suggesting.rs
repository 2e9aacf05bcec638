//! What suggestions are made of, read from committed state: what is known of a user, and of others.
//!
//! A user's own part lies with whoever owns the user, and everybody else's with theirs: whoever suggests asks both.

use millstream::store::ReadOnlyStore;
use millstream::{Query, QueryError, Result};
use schemas::{UserId, topic};

use super::{Feed, FeedSettings, reading};
use crate::layout::Pair;
use crate::ranking::ReaderState;
use crate::ranking::candidates::Window;
use crate::suggestions::person::Person;
use crate::suggestions::{Neighbours, Sketch};

impl Feed {
    /// What is known of `user` as of `now_ms`, to suggest others to them.
    pub fn sketch(
        &self,
        query: &Query,
        settings: &FeedSettings,
        user: UserId,
        now_ms: i64,
    ) -> Result<Sketch, QueryError> {
        let partition = query.partition(&self.named(&topic::BY_USER), &user.0)?;
        let (stores, mut state) = (&self.stores, ReaderState::default());
        state.begin(user);
        query
            .store(stores.follows, partition, |store| reading::follows(store, user, &mut state))?;
        query.store(stores.affinity, partition, |store| {
            reading::affinity(store, user, &mut state)
        })?;
        query.store(stores.silences, partition, |store| {
            reading::silences(store, user, &mut state)
        })?;
        let mut unwanted = [state.muted, state.blocked].concat();
        query.store(stores.dismissed, partition, |store| {
            store.scan_prefix(&user.0, |Pair(_, whom), _| {
                unwanted.push(*whom);
                true
            })
        })?;
        unwanted.sort_unstable();
        unwanted.dedup();
        let window = Window::at(now_ms, &settings.weights);
        let affinity = state.affinity.chunk_by(|a, b| a.author == b.author).filter_map(|days| {
            let counted = days.iter().filter(|day| window.holds(day.day));
            let count: u32 = counted.map(|day| day.count).sum();
            Some((days.first()?.author, count)).filter(|_| count > 0)
        });
        Ok(Sketch { user, affinity: affinity.collect(), followed: state.follows, unwanted })
    }

    /// What is kept of a person, if this instance owns them; none if nothing is, or users are not suggested.
    pub fn person(&self, query: &Query, user: UserId) -> Result<Option<Person>, QueryError> {
        let partition = query.partition(&self.named(&topic::BY_PERSON), &user.0)?;
        let Some(stores) = self.people else { return Ok(None) };
        query.store(stores.people, partition, |people| Ok(people.get(&user)?.cloned()))
    }

    /// Who stands beside a user, of whom this is kept as a person, so many of each at most.
    pub fn neighbours(
        &self,
        query: &Query,
        (user, person): (UserId, Option<&Person>),
        max: usize,
    ) -> Result<Neighbours, QueryError> {
        let followers = person.map_or(0, Person::followers);
        let mut of = Neighbours { followers, ..Neighbours::default() };
        let Some(people) = self.people else { return Ok(of) };
        let partition = query.partition(&self.named(&topic::BY_USER), &user.0)?;
        query.store(self.stores.follows, partition, |store| {
            store.scan_prefix(&user.0, |Pair(_, followee), rows| {
                let counts = rows.0 > 0;
                of.follows_more = counts && of.first_followed.len() == max;
                of.first_followed.extend((counts && !of.follows_more).then_some(*followee));
                !of.follows_more
            })
        })?;
        let partition = query.partition(&self.named(&topic::BY_PERSON), &user.0)?;
        query.store(people.followers, partition, |store| {
            first_followers(store, (user, max), &mut of.first_followers)
        })?;
        Ok(of)
    }
}

fn first_followers(
    store: &mut ReadOnlyStore<'_, Pair<UserId, UserId>, ()>,
    (user, max): (UserId, usize),
    to: &mut Vec<UserId>,
) -> Result<()> {
    store.scan_prefix(&user.0, |Pair(_, follower), ()| {
        to.push(*follower);
        to.len() < max
    })
}
