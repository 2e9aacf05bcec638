//! F2: the posts of the trending list of 24 h, one list for all readers, of any age.
//!
//! What the reader is not shown leaves a gap: the list is not refilled. Authors whom the reader does not know follow
//! those they do, in [`Candidates::authors`], with no affinity.

use std::cmp::Reverse;

use schemas::{Sources, UserId};

use super::{Author, Candidates, Pick, Removing, author};

impl Candidates {
    /// Takes what the list has and the reader may see.
    pub(super) fn take_by_trending(&mut self, removing: Removing<'_>) {
        let (removal, world) = removing;
        let mut picks = std::mem::take(&mut self.by_trending);
        for post in world.trending {
            let Some((slot, line)) = world.posts.place(post) else { continue };
            let Some(known) = world.posts.lines(slot).get(line as usize) else { continue };
            let number = self.author_number(known.known.author, removing);
            let Some(who) = self.authors.get_mut(number as usize) else { continue };
            who.trends = true;
            let removed = who.removed.or_else(|| removal.of_post(post));
            let Some(reason) = removed else {
                let age = (Reverse(known.known.created_at_ms), *post);
                picks.push(Pick { age, author: number, line, sources: Sources::TRENDING });
                continue;
            };
            self.removed.push((*post, reason));
            if let Some(returns) = reason.returns_at(&world.weights.limits) {
                self.returns_at = Some(self.returns_at.map_or(returns, |t| t.min(returns)));
            }
        }
        self.by_trending = picks;
    }

    /// Adds the source to what is picked already, then what only this source has.
    pub(super) fn unite_trending(&mut self) {
        let Self { authors, picks, by_trending, .. } = self;
        by_trending.sort_unstable_by_key(place);
        let trends = |pick: &Pick| authors.get(pick.author as usize).is_some_and(|who| who.trends);
        for pick in picks.iter_mut().filter(|pick| trends(pick)) {
            if let Ok(found) = by_trending.binary_search_by_key(&place(pick), place) {
                pick.sources = pick.sources.with(Sources::TRENDING);
                by_trending.remove(found);
            }
        }
        picks.append(by_trending);
    }

    /// The number of an author; one whom the reader does not know gets the next.
    pub(super) fn author_number(&mut self, id: UserId, removing: Removing<'_>) -> u32 {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let known = self.authors.get(..self.known_authors).unwrap_or_default();
        if let Ok(found) = known.binary_search_by_key(&id, |who: &Author| who.id) {
            return number(found);
        }
        let strangers = self.strangers.binary_search_by_key(&id, |(stranger, _)| *stranger);
        match strangers {
            Ok(found) => self.strangers.get(found).map_or(u32::MAX, |(_, number)| *number),
            Err(place) => {
                let next = number(self.authors.len());
                self.authors.push(author(id, 0, false, removing));
                self.strangers.insert(place, (id, next));
                next
            }
        }
    }
}

fn place(pick: &Pick) -> (u32, u32) {
    (pick.author, pick.line)
}
