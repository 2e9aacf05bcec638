//! The order of candidates: score descending, then creation descending, then id ascending. It is total.
//!
//! A feed keeps 100 of a thousand candidates, so only as much is sorted as is looked at: [`Ordered`] sorts
//! the best few hundred, and the next few only when spacing asks for them. What it gives is the same as
//! if all had been sorted.

use std::cmp::Ordering;

use schemas::{PostId, Sources};

/// So many are sorted at a time: a feed of 100 with some passed over.
const CHUNK: usize = 160;

/// A post that may come into the feed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its score as of the ranking.
    pub score: f64,
    /// When it was made.
    pub created_at: i64,
    /// Which post.
    pub post: PostId,
    /// Its author, by position in the list of this ranking.
    pub author: u32,
    /// Its line, by position in its author's slot.
    pub line: u32,
    /// The sources that propose it.
    pub sources: Sources,
}

/// What decides about a place: score, creation, id.
pub type Merit = (f64, i64, PostId);

/// Best first.
pub fn best_first((score, created_at, post): Merit, other: Merit) -> Ordering {
    (other.0.total_cmp(&score))
        .then_with(|| other.1.cmp(&created_at))
        .then_with(|| post.cmp(&other.2))
}

impl Candidate {
    fn merit(&self) -> Merit {
        (self.score, self.created_at, self.post)
    }
}

fn by_merit(a: &Candidate, b: &Candidate) -> Ordering {
    best_first(a.merit(), b.merit())
}

/// Candidates, sorted as far as they were asked for.
#[derive(Debug, Default)]
pub struct Ordered {
    candidates: Vec<Candidate>,
    sorted: usize,
}

impl Ordered {
    /// Begins anew, and hands out the emptied list to be filled.
    pub fn refill(&mut self) -> &mut Vec<Candidate> {
        self.candidates.clear();
        self.sorted = 0;
        &mut self.candidates
    }

    /// The candidate at `rank`, from 0.
    pub fn at(&mut self, rank: usize) -> Option<Candidate> {
        while rank >= self.sorted && self.sorted < self.candidates.len() {
            self.sort_more();
        }
        self.candidates.get(rank).copied()
    }

    fn sort_more(&mut self) {
        let Some(rest) = self.candidates.get_mut(self.sorted..) else { return };
        if rest.len() > CHUNK {
            rest.select_nth_unstable_by(CHUNK, by_merit);
        }
        let chunk = rest.len().min(CHUNK);
        if let Some(best) = rest.get_mut(..chunk) {
            best.sort_unstable_by(by_merit);
        }
        self.sorted += chunk;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(score: f64, created_at: i64, id: u8) -> Candidate {
        let post = PostId([id; 16]);
        Candidate { score, created_at, post, author: 0, line: 0, sources: Sources::FOLLOW }
    }

    fn ids(ordered: &mut Ordered) -> Vec<u8> {
        (0..).map_while(|rank| ordered.at(rank)).map(|candidate| candidate.post.0[0]).collect()
    }

    #[test]
    fn ties_in_score_go_by_creation_and_ties_in_both_by_id() {
        let mut ordered = Ordered::default();
        ordered.refill().extend([
            candidate(0.5, 1, 9),
            candidate(0.5, 2, 8),
            candidate(0.5, 2, 7),
            candidate(0.7, 0, 6),
        ]);
        assert_eq!(ids(&mut ordered), [6, 7, 8, 9]);
    }

    #[test]
    fn what_is_sorted_in_pieces_is_in_the_order_of_the_whole() {
        let scrambled = (0..1_000_u32).map(|n| (n * 7_919) % 1_000);
        let all: Vec<_> =
            scrambled.map(|n| candidate(f64::from(n % 50), i64::from(n), 0)).collect();
        let mut expected = all.clone();
        expected.sort_by(by_merit);
        let mut ordered = Ordered::default();
        ordered.refill().extend(all);
        let found: Vec<_> = (0..).map_while(|rank| ordered.at(rank)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn whole_chunks_are_sorted_as_any_other_number_is() {
        for chunks in 1..=2 {
            let count = u32::try_from(chunks * CHUNK).unwrap();
            let all: Vec<_> = (0..count).map(|n| candidate(f64::from(n), 0, 0)).collect();
            let mut ordered = Ordered::default();
            ordered.refill().extend(all.clone());
            let found: Vec<_> = (0..).map_while(|rank| ordered.at(rank)).collect();
            assert_eq!(found, all.into_iter().rev().collect::<Vec<_>>());
        }
    }
}
