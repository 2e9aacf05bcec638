//! What a reader said against a post: it is hidden while the last word is not that this was taken back.

use serde::Serialize;

/// When it was said last, and taken back last, ms UTC; each the latest, in whatever order they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hidden {
    /// That it is not to be shown.
    pub said_at: i64,
    /// That it may be.
    pub undone_at: i64,
}

impl Default for Hidden {
    fn default() -> Self {
        Self { said_at: i64::MIN, undone_at: i64::MIN }
    }
}

impl Hidden {
    /// Since when the post is hidden, if it is; of two words at one time the later is that it may be shown.
    pub fn since(&self) -> Option<i64> {
        (self.said_at > self.undone_at).then_some(self.said_at)
    }

    /// When anything was said last.
    pub fn last(&self) -> i64 {
        self.said_at.max(self.undone_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_decides_and_of_two_at_once_the_taking_back() {
        let since = |said_at, undone_at| Hidden { said_at, undone_at }.since();
        assert_eq!(
            [since(5, i64::MIN), since(5, 4), since(5, 5), since(5, 6)],
            [Some(5), Some(5), None, None]
        );
        assert_eq!(Hidden::default().since(), None);
    }
}
