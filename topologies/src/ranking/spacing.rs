//! Spacing: the posts of one author are kept apart, greedily from the top.
//!
//! At each position the best remaining item is taken whose author is not in the positions just before
//! and, while the first positions are filled, not among these. Where no item keeps both rules, the
//! distance gives way, then the other. Every item names the rule it came by.
//!
//! A source may have a share of the positions: where it has none among so many, the next is reserved for the best of its items
//! that keeps both rules, if there is one. What only exploration has stands nowhere else.

use schemas::{Rule, Sources};

use super::weights::{Spacing, Weights};

/// What is placed: the item, its author, and the sources it has.
pub type Placed<T, A> = (T, A, Sources);

/// What a weight set demands of the order: the rules, and the sources that have one in so many positions.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    spacing: Spacing,
    quotas: [Option<(Sources, usize)>; 2],
}

impl Rules {
    /// Those of a weight set.
    pub fn of(weights: &Weights) -> Self {
        let mut of = weights.arms.quotas();
        Self { spacing: weights.spacing, quotas: [of.next(), of.next()] }
    }

    /// Those of a weight set, without any share.
    pub fn without_quotas(weights: &Weights) -> Self {
        Self { spacing: weights.spacing, quotas: [None; 2] }
    }
}

/// Takes items in their order and places them apart. Reused from ranking to ranking.
#[derive(Debug)]
pub struct Spacer<T, A> {
    passed: Vec<Placed<T, A>>,
    placed: Vec<A>,
    sources: Vec<Sources>,
}

impl<T, A> Default for Spacer<T, A> {
    fn default() -> Self {
        Self { passed: Vec::new(), placed: Vec::new(), sources: Vec::new() }
    }
}

impl<T: Copy, A: Copy + Eq> Spacer<T, A> {
    /// Pulls items, best first, from `next` and gives the first `most` to `place` in their new order.
    pub fn space(
        &mut self,
        (rules, most): (Rules, usize),
        mut next: impl FnMut() -> Option<Placed<T, A>>,
        mut place: impl FnMut(T, Rule),
    ) {
        self.passed.clear();
        self.placed.clear();
        self.sources.clear();
        while self.placed.len() < most {
            let reserved = self.choose_reserved(&rules, &mut next);
            let chosen = reserved.or_else(|| self.choose(rules.spacing, &mut next));
            let Some(((item, author, sources), rule)) = chosen else { return };
            self.placed.push(author);
            self.sources.push(sources);
            place(item, rule);
        }
    }

    /// The item of the next position if that is reserved: the best of the source that keeps both rules.
    fn choose_reserved(
        &mut self,
        rules: &Rules,
        next: &mut impl FnMut() -> Option<Placed<T, A>>,
    ) -> Option<(Placed<T, A>, Rule)> {
        let owed = |(source, every): (Sources, usize)| {
            let before = self.sources.len().checked_sub(every.saturating_sub(1))?;
            let lately = self.sources.get(before..).unwrap_or_default();
            (!lately.iter().any(|sources| sources.has(source))).then_some(source)
        };
        let owed = rules.quotas.map(|quota| quota.and_then(owed));
        owed.into_iter().flatten().find_map(|source| self.best_of(source, rules.spacing, next))
    }

    fn best_of(
        &mut self,
        source: Sources,
        rules: Spacing,
        next: &mut impl FnMut() -> Option<Placed<T, A>>,
    ) -> Option<(Placed<T, A>, Rule)> {
        let barred = barred(&self.placed, rules);
        let fits =
            |(_, author, sources): &Placed<T, A>| sources.has(source) && !barred.contains(author);
        if let Some(place) = self.passed.iter().position(fits) {
            return Some((self.passed.remove(place), Rule::Reserved));
        }
        loop {
            let item = next()?;
            if fits(&item) {
                return Some((item, Rule::Reserved));
            }
            self.passed.push(item);
        }
    }

    /// The item of the next position, with the rule that gave it.
    fn choose(
        &mut self,
        rules: Spacing,
        next: &mut impl FnMut() -> Option<Placed<T, A>>,
    ) -> Option<(Placed<T, A>, Rule)> {
        let barred = barred(&self.placed, rules);
        let keeps = |of: &Placed<T, A>| !barred.contains(&of.1) && !is_explored(of);
        let first = self.passed.iter().position(|of| !is_explored(of));
        if let Some(place) = self.passed.iter().position(keeps) {
            let rule = if Some(place) == first { Rule::None } else { Rule::Spaced };
            return Some((self.passed.remove(place), rule));
        }
        while let Some(item) = next() {
            if keeps(&item) {
                let passed_over = self.passed.iter().any(|of| !is_explored(of));
                return Some((item, if passed_over { Rule::Spaced } else { Rule::None }));
            }
            self.passed.push(item);
        }
        let first = self.passed.iter().position(|of| !is_explored(of))?;
        // Within the first positions the distance is part of the other rule: without it alone nothing
        // more is free, so both go at once.
        let is_top = self.placed.len() < rules.top;
        let rule = if is_top { Rule::Top5Dropped } else { Rule::DistanceDropped };
        Some((self.passed.remove(first), rule))
    }
}

/// The authors who may not stand at the next position.
fn barred<A>(placed: &[A], rules: Spacing) -> &[A] {
    let position = placed.len();
    let from = match position < rules.top {
        true => 0,
        false => position.saturating_sub(rules.distance),
    };
    placed.get(from..).unwrap_or_default()
}

/// Whether only exploration has an item.
fn is_explored<T, A>((_, _, sources): &Placed<T, A>) -> bool {
    *sources == Sources::EXPLORE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::weights::{Explore, Quota};
    use Rule::{DistanceDropped, None as Best, Spaced, Top5Dropped};

    /// Spaces items named by their authors, one letter each; the number is the item's rank.
    fn spaced(authors: &str, most: usize) -> Vec<(usize, char, Rule)> {
        placed(authors, (&Weights::v1(), most))
    }

    /// The same by a weight set: a capital letter trends, a digit is explored.
    fn placed(authors: &str, (weights, most): (&Weights, usize)) -> Vec<(usize, char, Rule)> {
        let sources = |author: char| match author {
            'A'..='Z' => Sources::TRENDING,
            '0'..='9' => Sources::EXPLORE,
            _ => Sources::FOLLOW,
        };
        let mut items = authors
            .chars()
            .enumerate()
            .map(|(rank, author)| ((rank, author), author, sources(author)));
        let mut placed = Vec::new();
        Spacer::default().space(
            (Rules::of(weights), most),
            || items.next(),
            |(rank, author), rule| placed.push((rank, author, rule)),
        );
        placed
    }

    #[test]
    fn distinct_authors_stay_in_order() {
        let expected = [(0, 'a', Best), (1, 'b', Best), (2, 'c', Best)];
        assert_eq!(spaced("abc", 100), expected);
    }

    #[test]
    fn an_author_stands_once_among_the_first_five() {
        let expected = [
            (0, 'a', Best),
            (3, 'b', Spaced),
            (4, 'c', Spaced),
            (5, 'd', Spaced),
            (6, 'e', Spaced),
            (1, 'a', Best),
            (7, 'f', Spaced),
            (8, 'g', Spaced),
            (2, 'a', Best),
        ];
        assert_eq!(spaced("aaabcdefg", 100), expected);
    }

    #[test]
    fn after_the_first_five_an_author_returns_in_the_third_position() {
        let expected = [
            (0, 'a', Best),
            (1, 'b', Best),
            (2, 'c', Best),
            (3, 'd', Best),
            (4, 'e', Best),
            (6, 'c', Spaced),
            (5, 'e', DistanceDropped),
        ];
        assert_eq!(spaced("abcdeec", 100), expected);
    }

    #[test]
    fn two_authors_drop_the_first_rule_and_then_the_distance() {
        let expected = [
            (0, 'a', Best),
            (4, 'b', Spaced),
            (1, 'a', Top5Dropped),
            (2, 'a', Top5Dropped),
            (3, 'a', Top5Dropped),
            (5, 'b', Best),
            (6, 'b', DistanceDropped),
        ];
        assert_eq!(spaced("aaaabbb", 100), expected);
    }

    fn letters(authors: &str, weights: &Weights) -> String {
        placed(authors, (weights, 100)).into_iter().map(|(_, author, _)| author).collect()
    }

    #[test]
    fn where_a_source_had_none_of_so_many_positions_the_next_is_reserved_for_it() {
        let mut weights = Weights::v1();
        weights.arms.trending_quota = Some(Quota { every: 3 });
        assert_eq!(letters("abcdefghXYZ", &weights), "abXcdYefZgh");
        assert_eq!(letters("Xabcdefg", &weights), "Xabcdefg", "there is no other");
        let rules = placed("abcX", (&weights, 100)).into_iter().map(|(_, _, rule)| rule);
        assert_eq!(rules.collect::<Vec<_>>(), [Best, Best, Rule::Reserved, Best]);
    }

    #[test]
    fn what_is_explored_stands_where_it_is_reserved_and_nowhere_else() {
        let mut weights = Weights::v1();
        weights.arms.explore = Some(Explore { every: 4, age_ms_max: 1, exposures_max: 1 });
        assert_eq!(letters("123abcdefgh", &weights), "abc1def2gh");
        assert_eq!(letters("12", &weights), "");
    }

    #[test]
    fn both_shares_are_given_one_after_the_other() {
        let mut weights = Weights::v1();
        weights.arms.explore = Some(Explore { every: 3, age_ms_max: 1, exposures_max: 1 });
        weights.arms.trending_quota = Some(Quota { every: 3 });
        assert_eq!(letters("abcdef12XY", &weights), "ab1Xc2Ydef");
    }

    #[test]
    fn no_more_than_the_most_are_placed() {
        assert_eq!(spaced("abc", 2), [(0, 'a', Best), (1, 'b', Best)]);
    }

    #[test]
    fn the_sixth_position_is_the_first_at_which_only_the_distance_gives_way() {
        let expected = [
            (0, 'a', Best),
            (1, 'b', Best),
            (2, 'c', Best),
            (3, 'd', Best),
            (4, 'd', Top5Dropped),
            (5, 'd', DistanceDropped),
        ];
        assert_eq!(spaced("abcddd", 100), expected);
    }
}
