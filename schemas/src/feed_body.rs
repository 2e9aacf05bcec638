//! A reader's feed, ranked: topic `feeds`, key the user, and the body of what Redis keeps.
//!
//! Little-endian: as_of i64, valid_until i64, weight_set u16, flags u16, n u16, then n items of 62
//! bytes: post, author, created_at i64, L C S E A u32, sources u8, rule u8. Items stand in the order they
//! were ranked as of `as_of`. The log carries integers, never scores. No items is an empty feed; an
//! absent key was never ranked.
//!
//! Flag 2 says that more than `v1` is computed from, for the weight set or the reader asks so: that follows the items, as the mean rate u32
//! (in millionths), the greatest affinity u32, what the reader multiplies freshness, engagement and affinity by u16 each (in hundredths), then for each item how often its author was passed by u8, and how often
//! it was served unseen u8.

use crate::ids::{PostId, UserId};
use crate::poison::{FieldFault, Poison};
use crate::preferences::{Scales, UNSCALED};
use crate::wire::{Cursor, Wire};

/// The number of weight set `v1`.
pub const V1: u16 = 1;

const WHAT: &str = "feed";
const HEAD_BYTES: usize = 22;
const ITEM_BYTES: usize = 62;
const COLD_START: u16 = 1;
const WITH_FACTS: u16 = 2;

/// Where a candidate came from; a set, since all sources of an item are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sources(u8);

impl Sources {
    /// No source.
    pub const NONE: Self = Self(0);
    /// F1: posts of followees.
    pub const FOLLOW: Self = Self(1);
    /// F2: the trending list.
    pub const TRENDING: Self = Self(2);
    /// F3: authors the reader interacts with.
    pub const AFFINITY: Self = Self(4);
    /// New posts that few have seen, by chance: none in `v1`.
    pub const EXPLORE: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::FOLLOW, "follow"),
        (Self::TRENDING, "trending"),
        (Self::AFFINITY, "affinity"),
        (Self::EXPLORE, "explore"),
    ];

    /// This set and `other`.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are in this set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names, as JSON has them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(source, _)| self.has(*source)).map(|(_, name)| name)
    }

    /// The bits, as the body has them.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set that has these bits; none if one of them is no source's.
    pub fn of_bits(bits: u8) -> Option<Self> {
        (bits <= 15).then_some(Self(bits))
    }
}

/// Which rule of spacing put an item where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rule {
    /// It was the best remaining.
    #[default]
    None = 0,
    /// Better ones were passed over for it; both rules kept.
    Spaced = 1,
    /// No item kept the distance to its author's last one.
    DistanceDropped = 2,
    /// No item was of an author new to the top five.
    Top5Dropped = 3,
    /// Its source has a share of the positions, and this is one of them.
    Reserved = 4,
}

impl Rule {
    const ALL: [Self; 5] =
        [Self::None, Self::Spaced, Self::DistanceDropped, Self::Top5Dropped, Self::Reserved];

    /// The rule of this number, as the body has it.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| *rule as u8 == number)
    }

    /// The name, as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Spaced => "spaced",
            Self::DistanceDropped => "distance_dropped",
            Self::Top5Dropped => "top5_dropped",
            Self::Reserved => "reserved",
        }
    }
}

/// One post in a feed, with all that its score is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedItem {
    /// The post.
    pub post: PostId,
    /// Who wrote it.
    pub author: UserId,
    /// When it was created, in ms UTC.
    pub created_at_ms: i64,
    /// L: likes that count.
    pub likes: u32,
    /// C: comments that count.
    pub comments: u32,
    /// S: shares.
    pub shares: u32,
    /// E: the larger of impressions and views.
    pub exposures: u32,
    /// A: the reader's interactions with the author within 90 days.
    pub affinity: u32,
    /// All the sources that brought it.
    pub sources: Sources,
    /// The rule that placed it.
    pub rule: Rule,
    /// How often the reader passed by posts of its author; 0 unless the weight set asks.
    pub ignored: u8,
    /// How often it was served and never reported as seen; 0 unless the weight set asks.
    pub unseen: u8,
}

/// What a weight set that asks for more than `v1` computes scores from, beside the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What live posts earn per exposure, together, in millionths.
    pub rate_mean_ppm: u32,
    /// The reader's interactions with the author they had most to do with.
    pub affinity_max: u32,
    /// What the reader has the terms multiplied by, in hundredths.
    pub scales: Scales,
}

impl Default for Facts {
    fn default() -> Self {
        Self { rate_mean_ppm: 0, affinity_max: 0, scales: UNSCALED }
    }
}

/// A ranked feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedBody {
    /// The time it was ranked for, in ms UTC.
    pub as_of_ms: i64,
    /// Until when its membership holds if nothing happens, in ms UTC.
    pub valid_until_ms: i64,
    /// The number of the weight set; [`V1`].
    pub weight_set: u16,
    /// Whether the reader has no followee and no affinity.
    pub cold_start: bool,
    /// The items, best first; at most 65,535 (ranking keeps 100).
    pub items: Vec<FeedItem>,
    /// What is known beside them, if the weight set asks.
    pub facts: Option<Facts>,
}

impl Wire for FeedBody {
    /// Items beyond the 65,535th are left out, since the count has 16 bits.
    fn encode(&self, out: &mut Vec<u8>) {
        let n = u16::try_from(self.items.len()).unwrap_or(u16::MAX);
        out.reserve(HEAD_BYTES + usize::from(n) * ITEM_BYTES);
        out.extend_from_slice(&self.as_of_ms.to_le_bytes());
        out.extend_from_slice(&self.valid_until_ms.to_le_bytes());
        out.extend_from_slice(&self.weight_set.to_le_bytes());
        let facts = if self.facts.is_some() { WITH_FACTS } else { 0 };
        out.extend_from_slice(&(u16::from(self.cold_start) | facts).to_le_bytes());
        out.extend_from_slice(&n.to_le_bytes());
        self.items.iter().take(n.into()).for_each(|item| encode_item(item, out));
        if let Some(facts) = self.facts {
            out.extend_from_slice(&facts.rate_mean_ppm.to_le_bytes());
            out.extend_from_slice(&facts.affinity_max.to_le_bytes());
            facts.scales.iter().for_each(|scale| out.extend_from_slice(&scale.to_le_bytes()));
            self.items.iter().take(n.into()).for_each(|of| out.extend([of.ignored, of.unseen]));
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut slot = None;
        Self::decode_into(bytes, &mut slot)?;
        slot.ok_or_else(|| FieldFault::missing("body", "a feed").of(WHAT))
    }

    fn decode_into(bytes: &[u8], slot: &mut Option<Self>) -> Result<(), Poison> {
        let mut cursor = Cursor::new(WHAT, bytes);
        let body = slot.get_or_insert_default();
        body.items.clear();
        body.as_of_ms = cursor.i64("as_of")?;
        body.valid_until_ms = cursor.i64("valid_until")?;
        body.weight_set = cursor.u16("weight_set")?;
        let flags = cursor.u16("flags")?;
        if flags > COLD_START | WITH_FACTS {
            return Err(FieldFault::new("flags", "0 to 3", flags).of(WHAT));
        }
        body.cold_start = flags & COLD_START != 0;
        for _ in 0..cursor.u16("n")? {
            body.items.push(decode_item(&mut cursor)?);
        }
        body.facts = match flags & WITH_FACTS != 0 {
            true => Some(decode_facts(&mut cursor, &mut body.items)?),
            false => None,
        };
        cursor.end()
    }
}

fn encode_item(item: &FeedItem, out: &mut Vec<u8>) {
    out.extend_from_slice(&item.post.0);
    out.extend_from_slice(&item.author.0);
    out.extend_from_slice(&item.created_at_ms.to_le_bytes());
    for count in [item.likes, item.comments, item.shares, item.exposures, item.affinity] {
        out.extend_from_slice(&count.to_le_bytes());
    }
    out.push(item.sources.0);
    out.push(item.rule as u8);
}

fn decode_facts(cursor: &mut Cursor<'_>, items: &mut [FeedItem]) -> Result<Facts, Poison> {
    let (rate_mean_ppm, affinity_max) = (cursor.u32("rate_mean_ppm")?, cursor.u32("A_max")?);
    let scales = [cursor.u16("freshness")?, cursor.u16("engagement")?, cursor.u16("affinity")?];
    let facts = Facts { rate_mean_ppm, affinity_max, scales };
    for item in items {
        (item.ignored, item.unseen) = (cursor.u8("ignored")?, cursor.u8("unseen")?);
    }
    Ok(facts)
}

fn decode_item(cursor: &mut Cursor<'_>) -> Result<FeedItem, Poison> {
    let mut item = FeedItem {
        post: PostId(cursor.bytes("post")?),
        author: UserId(cursor.bytes("author")?),
        created_at_ms: cursor.i64("created_at")?,
        likes: cursor.u32("L")?,
        comments: cursor.u32("C")?,
        shares: cursor.u32("S")?,
        exposures: cursor.u32("E")?,
        affinity: cursor.u32("A")?,
        ..FeedItem::default()
    };
    let sources = cursor.u8("sources")?;
    item.sources = Sources::of_bits(sources)
        .ok_or_else(|| cursor.fault("sources", "bits 1, 2, 4, 8", sources))?;
    let rule = cursor.u8("rule")?;
    item.rule = Rule::of_number(rule).ok_or_else(|| cursor.fault("rule", "0 to 4", rule))?;
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assert_round_trip;

    fn body() -> FeedBody {
        let item = FeedItem {
            post: PostId([0x11; 16]),
            author: UserId([0x22; 16]),
            created_at_ms: 0x0102_0304_0506_0708,
            likes: 1,
            comments: 2,
            shares: 3,
            exposures: 4,
            affinity: 5,
            sources: Sources::FOLLOW.with(Sources::AFFINITY),
            rule: Rule::Top5Dropped,
            ..FeedItem::default()
        };
        let second = FeedItem { post: PostId([0x33; 16]), rule: Rule::Spaced, ..item };
        FeedBody {
            as_of_ms: 6,
            valid_until_ms: 7,
            weight_set: V1,
            cold_start: true,
            items: vec![item, second],
            facts: None,
        }
    }

    #[test]
    fn what_a_weight_set_asks_for_beyond_v1_follows_the_items() {
        let mut body = body();
        body.facts =
            Some(Facts { rate_mean_ppm: 50_000, affinity_max: 12, scales: [50, 100, 200] });
        (body.items[0].ignored, body.items[1].unseen) = (3, 2);
        assert_round_trip(&body, 22 + 2 * 62 + 14 + 2 * 2);
        assert_eq!(
            body.to_bytes()[22 + 2 * 62..],
            [0x50, 0xc3, 0, 0, 12, 0, 0, 0, 50, 0, 100, 0, 200, 0, 3, 0, 0, 2]
        );
    }

    #[test]
    fn sources_are_a_set_with_names() {
        let all = Sources::TRENDING.with(Sources::AFFINITY).with(Sources::FOLLOW);
        assert_eq!(all.names().collect::<Vec<_>>(), ["follow", "trending", "affinity"]);
        assert_eq!(Sources::EXPLORE.names().collect::<Vec<_>>(), ["explore"]);
        assert_eq!((all.with(Sources::FOLLOW), Sources::NONE.names().count()), (all, 0));
        assert!(all.has(Sources::TRENDING) && !Sources::FOLLOW.has(Sources::TRENDING));
        assert!(Sources::NONE.is_empty() && !Sources::TRENDING.is_empty());
        assert_eq!((Sources::NONE.bits(), Sources::TRENDING.bits(), all.bits()), (0, 2, 7));
    }

    #[test]
    fn rules_have_the_names_that_clients_see() {
        let names = ["none", "spaced", "distance_dropped", "top5_dropped", "reserved"];
        assert_eq!(Rule::ALL.map(Rule::name), names);
    }

    #[test]
    fn a_feed_comes_back_with_62_bytes_an_item() {
        assert_round_trip(&body(), 22 + 2 * 62);
        assert_round_trip(&FeedBody::default(), 22);
    }

    #[test]
    fn the_bytes_of_a_feed_are_these() {
        let one = FeedBody { items: body().items[..1].to_vec(), ..body() };
        let head = [6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0];
        let created = [8, 7, 6, 5, 4, 3, 2, 1];
        let counts = [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0];
        let expected =
            [&head[..], &[0x11; 16], &[0x22; 16], &created, &counts, &[5], &[3]].concat();
        assert_eq!(one.to_bytes(), expected);
    }

    #[test]
    fn decoding_into_a_slot_leaves_nothing_of_what_it_held() {
        let mut slot = Some(body());
        FeedBody::decode_into(&FeedBody::default().to_bytes(), &mut slot).unwrap();
        assert_eq!(slot, Some(FeedBody::default()));
    }

    #[test]
    fn a_count_that_promises_more_than_there_is_takes_no_memory() {
        let mut bytes = FeedBody::default().to_bytes();
        bytes[20..].copy_from_slice(&[255, 255]);
        let poison = FeedBody::decode(&bytes).unwrap_err();
        assert_eq!(poison.to_string(), "decode feed: post: expected more bytes, found 0 of 16");
    }

    #[test]
    fn sources_have_the_names_that_json_shows() {
        let all = Sources::FOLLOW.with(Sources::TRENDING).with(Sources::AFFINITY);
        assert_eq!(all.names().collect::<Vec<_>>(), ["follow", "trending", "affinity"]);
        assert_eq!(Sources::NONE.names().count(), 0);
    }
}
