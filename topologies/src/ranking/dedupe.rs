//! One post of each content: of posts with equal content the best one stays, which is the first in order.
//! Hash 0 stands for no content, which equals nothing.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use crate::live::IdHasher;

/// The contents seen so far in one ranking.
#[derive(Debug, Default)]
pub struct Contents(HashSet<u64, BuildHasherDefault<IdHasher>>);

impl Contents {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether this content was not seen before; it is from then on.
    pub fn is_new(&mut self, content_hash: u64) -> bool {
        content_hash == 0 || self.0.insert(content_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_content_is_new_and_the_others_are_not() {
        let mut contents = Contents::default();
        let new: Vec<_> = [1, 2, 1, 1, 3].map(|hash| contents.is_new(hash)).into();
        assert_eq!(new, [true, true, false, false, true]);
    }

    #[test]
    fn no_content_equals_nothing() {
        let mut contents = Contents::default();
        assert!(contents.is_new(0) && contents.is_new(0));
    }
}
