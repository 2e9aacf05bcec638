//! The words of a text, for readers who mute some: where they begin and end is Unicode's rule (UAX #29).
//!
//! Upper and lower case are one, and so are forms that look alike (NFKC, apostrophes, what is invisible). Scripts that are written
//! without spaces have a word of the rule for each letter, and words may be joined ("ice-cream"): so beside each word stand those
//! two that follow each other without a space, and a muted word of several is one that has all of its pairs.
//!
//! Of a word or pair a hash of 32 bits is kept: of a million posts that a reader with a hundred words looks at, some may be taken
//! for others. Of a text the first [`WORDS_MAX`] words count.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use crate::poison::Poison;
use crate::wire::{Cursor, Wire};

/// So many words of a text count.
const WORDS_MAX: usize = 1_000;
/// What joins two words into one, if it stands alone between them.
const JOINERS: [&str; 5] = ["", "-", ".", "'", "_"];
/// What nobody sees: the soft hyphen, the zero-width space and joiner of words, the mark of byte order.
const INVISIBLE: [char; 4] = ['\u{ad}', '\u{200b}', '\u{2060}', '\u{feff}'];
const APOSTROPHES: [char; 3] = ['\u{2018}', '\u{2019}', '\u{2bc}'];

/// The words of a post, as topic `post-words` has them: their number u16, and 4 bytes each, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Box<[u32]>);

/// A word that is muted: the hashes that a text has if it has the word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MutedWord(Box<[u32]>);

impl Words {
    /// Those of a text.
    pub fn of(text: &str) -> Self {
        let folded = folded(text);
        let mut hashes = Vec::new();
        let mut before: Option<(usize, &str)> = None;
        for (at, word) in words(&folded).take(WORDS_MAX) {
            hashes.push(hash(word));
            let gap = before.and_then(|(end, _)| folded.get(end..at));
            if let (Some((_, before)), true) = (before, gap.is_some_and(is_joiner)) {
                hashes.push(pair(before, word));
            }
            before = Some((at + word.len(), word));
        }
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes.into())
    }

    /// Whether any of these is among them.
    pub fn any_of(&self, muted: &[MutedWord]) -> bool {
        let has = |hash: &u32| self.0.binary_search(hash).is_ok();
        muted.iter().any(|word| word.0.iter().all(has))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A word by itself, as it is compared; none if the text is none, or more than one with a space or a sign between.
pub fn one_word(text: &str) -> Option<String> {
    let folded = folded(text);
    let word = folded.trim().trim_start_matches(['#', '@']);
    let word =
        word.trim_end_matches(|of: char| of.is_ascii_punctuation() && of != '+' && of != '#');
    let mut end = 0;
    for (at, part) in words(word) {
        if !word.get(end..at).is_some_and(|gap| is_joiner(gap) && (end > 0 || gap.is_empty())) {
            return None;
        }
        end = at + part.len();
    }
    (end > 0 && end == word.len()).then(|| word.to_owned())
}

impl MutedWord {
    /// Of a word as [`one_word`] tells it.
    pub fn of(word: &str) -> Self {
        let folded = folded(word);
        let parts: Vec<_> = words(&folded).map(|(_, word)| word).collect();
        Self(match parts.as_slice() {
            [one] => [hash(one)].into(),
            parts => parts.windows(2).map(|two| pair(two[0], two[1])).collect(),
        })
    }
}

/// The words of a folded text, each with the place where it begins: signs and spaces are none, pictures are.
fn words(folded: &str) -> impl Iterator<Item = (usize, &str)> {
    folded.split_word_bound_indices().filter(|(_, part)| part.chars().any(is_of_word))
}

fn is_of_word(of: char) -> bool {
    let is_sign = of.is_ascii()
        || of.is_whitespace()
        || of.is_control()
        || matches!(of, '\u{a1}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{2e00}'..='\u{2e7f}')
        || matches!(of, '\u{3000}'..='\u{303f}' | '\u{fe00}'..='\u{fe6f}');
    of.is_alphanumeric() || !is_sign
}

fn is_joiner(gap: &str) -> bool {
    JOINERS.contains(&gap)
}

/// A text as it is compared: by upper and then lower case, in which letters meet that differ in only one of them.
fn folded(text: &str) -> String {
    let seen = text.nfkc().filter(|of| !INVISIBLE.contains(of));
    let seen = seen.map(|of| if APOSTROPHES.contains(&of) { '\'' } else { of });
    let lower = seen.collect::<String>().to_uppercase().to_lowercase();
    // The dotted I of Turkish is an i with a dot above.
    lower.nfc().collect::<String>().replace("i\u{307}", "i")
}

fn hash(word: &str) -> u32 {
    finished(bytes(0xcbf2_9ce4_8422_2325, word))
}

fn pair(first: &str, second: &str) -> u32 {
    finished(bytes(bytes(bytes(0xcbf2_9ce4_8422_2325, first), "\0"), second))
}

/// FNV-1a.
fn bytes(hash: u64, text: &str) -> u64 {
    text.bytes()
        .fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A round of `MurmurHash3`'s finaliser, folded to 32 bits.
fn finished(hash: u64) -> u32 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> 32) as u32
}

impl Wire for Words {
    fn encode(&self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        let words = self.0.iter().take(count.into());
        words.for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut of = Cursor::new("post-words", bytes);
        let count = of.u16("n")?;
        let words = (0..count).map(|_| of.u32("word")).collect::<Result<_, _>>()?;
        of.end()?;
        Ok(Self(words))
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
        let word = one_word(word).unwrap_or_else(|| panic!("{word} is no word"));
        Words::of(text).any_of(&[MutedWord::of(&word)])
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
        assert!(has("STRASSE", "straße") && has("İSTANBUL", "istanbul"));
        assert!(has("I don\u{2019}t", "don't") && has("I don't", "don\u{2019}t"));
        assert!(has("sp\u{ad}oiler", "spoiler") && has("s\u{200b}poiler", "spoiler"));
    }

    #[test]
    fn a_word_of_a_script_without_spaces_is_found_where_its_letters_follow_each_other() {
        assert!(has("这是剧透内容", "剧透") && !has("透视剧", "剧透") && !has("剧，透", "剧透"));
        assert!(has("ไม่เอาสปอยล์นะ", "สปอยล์") && !has("ล์สปอย", "สปอยล์"));
        assert!(has("スポイラー注意", "スポイラー"));
    }

    #[test]
    fn joined_words_are_one_and_a_picture_is_a_word() {
        assert!(has("Some ice-cream, please", "Ice-Cream") && !has("ice and cream", "ice-cream"));
        assert!(has("It is 😀 today", "😀") && !has("It is 😁 today", "😀"));
        assert!(has("In the U.S.A. today", "U.S.A.") && has("see #tag", "#tag"));
    }

    #[test]
    fn a_muted_word_is_one_word() {
        assert_eq!(one_word("  Spoiler "), Some("spoiler".to_owned()));
        let none = ["", "two words", "!", "C++", "#", "a, b", "-a", "a--b"].map(one_word);
        assert_eq!(none, [const { None }; 8]);
    }

    #[test]
    fn the_words_of_a_text_come_back() {
        assert_round_trip(&Words::of("to be or not to be"), 2 + 4 * 4);
        assert!(Words::of(" ... ").is_empty());
    }
}
