//! The words of a text, for readers who mute some: where they begin and end is Unicode's rule (UAX #29), upper and lower case are
//! one, and so are forms that look alike (NFKC).
//!
//! Of a word a hash of 32 bits is kept: of a million posts that a reader with a hundred words looks at, one may be taken for
//! another. Of a text the first [`WORDS_MAX`] words count.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use crate::poison::{FieldFault, Poison};
use crate::wire::Wire;

/// So many words of a text count.
const WORDS_MAX: usize = 1_000;

/// The words of a post, as topic `post-words` has them: 4 bytes each, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Box<[u32]>);

impl Words {
    /// Those of a text.
    pub fn of(text: &str) -> Self {
        let normal = normal(text);
        let mut words: Vec<_> = normal.unicode_words().take(WORDS_MAX).map(hash).collect();
        words.sort_unstable();
        words.dedup();
        Self(words.into())
    }

    /// Whether any of `muted`, which are ascending, is among them.
    pub fn any_of(&self, muted: &[u32]) -> bool {
        muted.iter().any(|word| self.0.binary_search(word).is_ok())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A word by itself, as it is compared; none if the text is none, or more than one.
pub fn one_word(text: &str) -> Option<String> {
    let normal = normal(text.trim());
    let mut words = normal.unicode_words();
    let (first, second) = (words.next()?, words.next());
    (second.is_none() && first == normal).then(|| first.to_owned())
}

/// What of a word is kept.
pub fn word_hash(word: &str) -> u32 {
    hash(&normal(word))
}

fn normal(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase()
}

/// FNV-1a, folded to 32 bits with `MurmurHash3`'s finaliser.
fn hash(word: &str) -> u32 {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> 32) as u32
}

impl Wire for Words {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let (words, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            let fault = FieldFault::new("words", "4 bytes each", bytes.len());
            return Err(fault.of("post-words"));
        }
        Ok(Self(words.iter().map(|word| u32::from_le_bytes(*word)).collect()))
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    fn has(text: &str, word: &str) -> bool {
        Words::of(text).any_of(&[word_hash(word)])
    }

    #[test]
    fn a_word_is_found_by_its_bounds_and_not_inside_of_another() {
        assert!(has("The cat, they say.", "cat") && has("#cat!", "cat") && has("cat", "cat"));
        assert!(!has("A category of concatenated cats", "cat"));
        assert!(has("It's don't that counts", "don't") && !has("don't", "don"));
        assert!(has("3.14 is pi", "3.14"));
    }

    #[test]
    fn case_and_form_do_not_matter_in_any_script() {
        assert!(has("STRASSENBAHN", "strassenbahn") && has("ΣΊΣΥΦΟΣ", "σίσυφος"));
        assert!(has("cafe\u{301}", "café") && has("ｆｕｌｌ width", "full"));
        assert!(has("Привет, мир", "МИР"));
    }

    #[test]
    fn a_muted_word_is_one_word() {
        assert_eq!(one_word("  Spoiler "), Some("spoiler".to_owned()));
        assert_eq!(["", "two words", "ice-cream", "!", "#tag"].map(one_word), [const { None }; 5]);
    }

    #[test]
    fn the_words_of_a_text_come_back_and_a_cut_one_is_poison() {
        assert_round_trip(&Words::of("to be or not to be"), 4 * 4);
        assert!(Words::decode(&[1, 2, 3]).is_err());
        assert!(Words::of(" ... ").is_empty());
    }
}
