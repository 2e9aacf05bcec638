//! Spacing: the posts of one author are kept apart, greedily from the top.
//!
//! At each position the best remaining item is taken whose author is not in the positions just before
//! and, while the first positions are filled, not among these. Where no item keeps both rules, the
//! distance gives way, then the other. Every item names the rule it came by.

use schemas::Rule;

use super::weights::Spacing;

/// Takes items in their order and places them apart. Reused from ranking to ranking.
#[derive(Debug)]
pub struct Spacer<T, A> {
    passed: Vec<(T, A)>,
    placed: Vec<A>,
}

impl<T, A> Default for Spacer<T, A> {
    fn default() -> Self {
        Self { passed: Vec::new(), placed: Vec::new() }
    }
}

impl<T: Copy, A: Copy + Eq> Spacer<T, A> {
    /// Pulls items, best first, from `next` and gives the first `most` to `place` in their new order.
    pub fn space(
        &mut self,
        (rules, most): (Spacing, usize),
        mut next: impl FnMut() -> Option<(T, A)>,
        mut place: impl FnMut(T, Rule),
    ) {
        self.passed.clear();
        self.placed.clear();
        while self.placed.len() < most {
            let Some((item, author, rule)) = self.choose(rules, &mut next) else { return };
            self.placed.push(author);
            place(item, rule);
        }
    }

    /// The item of the next position, with the rule that gave it.
    fn choose(
        &mut self,
        rules: Spacing,
        next: &mut impl FnMut() -> Option<(T, A)>,
    ) -> Option<(T, A, Rule)> {
        let position = self.placed.len();
        let barred_from = match position < rules.top {
            true => 0,
            false => position.saturating_sub(rules.distance),
        };
        let barred = self.placed.get(barred_from..).unwrap_or_default();
        if let Some(place) = self.passed.iter().position(|(_, author)| !barred.contains(author)) {
            let rule = if place == 0 { Rule::None } else { Rule::Spaced };
            let (item, author) = self.passed.remove(place);
            return Some((item, author, rule));
        }
        while let Some((item, author)) = next() {
            if !barred.contains(&author) {
                let rule = if self.passed.is_empty() { Rule::None } else { Rule::Spaced };
                return Some((item, author, rule));
            }
            self.passed.push((item, author));
        }
        if self.passed.is_empty() {
            return None;
        }
        let (item, author) = self.passed.remove(0);
        // Within the first positions the distance is part of the other rule: without it alone nothing
        // more is free, so both go at once.
        let rule = if position < rules.top { Rule::Top5Dropped } else { Rule::DistanceDropped };
        Some((item, author, rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Rule::{DistanceDropped, None as Best, Spaced, Top5Dropped};

    /// Spaces items named by their authors, one letter each; the number is the item's rank.
    fn spaced(authors: &str, most: usize) -> Vec<(usize, char, Rule)> {
        let mut items = authors.chars().enumerate().map(|(rank, author)| ((rank, author), author));
        let mut placed = Vec::new();
        Spacer::default().space(
            (Spacing { top: 5, distance: 2 }, most),
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
