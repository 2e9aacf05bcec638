//! What a reader chose: topic `preferences`, key the user, the last one counts.
//!
//! Format u8, at i64, flags u8 (1 following only), the three scales u16 in hundredths, the number of muted words u16, and each with
//! its length u8 before it. Words are told as they are compared: [`one_word`](crate::one_word).

use serde::Serialize;

use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

const FORMAT: u8 = 1;

/// What the terms of a score are multiplied by beside their weights, in hundredths: of freshness, engagement, affinity.
pub type Scales = [u16; 3];
/// As the weights are.
pub const UNSCALED: Scales = [100; 3];

/// All that a reader chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preferences {
    /// When, ms UTC.
    pub at_ms: i64,
    /// Whether only posts of followees are shown.
    pub following_only: bool,
    /// How much each term counts.
    pub scales: Scales,
    /// Posts that have one of these words are not shown.
    pub muted_words: Vec<String>,
}

impl Preferences {
    /// Whether there is a word that the reader does not want to read.
    pub fn mutes_words(&self) -> bool {
        !self.muted_words.is_empty()
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self { at_ms: 0, following_only: false, scales: UNSCALED, muted_words: Vec::new() }
    }
}

impl Wire for Preferences {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.at_ms.to_le_bytes());
        out.push(u8::from(self.following_only));
        self.scales.iter().for_each(|scale| out.extend_from_slice(&scale.to_le_bytes()));
        let words = self.muted_words.iter().filter(|word| u8::try_from(word.len()).is_ok());
        let count = u16::try_from(words.clone().count()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        for word in words.take(count.into()) {
            out.push(u8::try_from(word.len()).unwrap_or(0));
            out.extend_from_slice(word.as_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut of = Cursor::new("preferences", bytes);
        of.format(FORMAT)?;
        let (at_ms, following_only) = (of.i64("at")?, of.flag("following_only")?);
        let scales = [of.u16("freshness")?, of.u16("engagement")?, of.u16("affinity")?];
        let mut muted_words = Vec::new();
        for _ in 0..of.u16("words")? {
            let length = of.u8("length")?;
            muted_words.push(of.text("word", usize::from(length))?.to_owned());
        }
        of.end()?;
        Ok(Self { at_ms, following_only, scales, muted_words })
    }

    fn heap_bytes(&self) -> usize {
        let words = self.muted_words.iter().map(String::capacity).sum::<usize>();
        words + self.muted_words.capacity() * size_of::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    #[test]
    fn preferences_come_back() {
        let muted_words = vec!["spoiler".to_owned(), "мир".to_owned()];
        let scales = [50, 100, 200];
        let all = Preferences { at_ms: -1, following_only: true, scales, muted_words };
        assert_round_trip(&all, 18 + 8 + 7);
        assert_round_trip(&Preferences::default(), 18);
    }
}
