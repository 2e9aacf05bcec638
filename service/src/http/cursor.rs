//! Where a feed goes on: opaque to clients, signed, and bound to its reader.
//!
//! A cursor carries what its snapshot has left, post by post, so no server remembers anything for a client: pages neither
//! repeat nor skip a post however the ranking moves meanwhile, and any instance that has the key answers. It ages: one that
//! was not used for ten minutes is refused, and each page gives a new one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::{Cursor as Reader, Facts, Poison, PostId, Rule, Sources, UserId, Wire};

use crate::read::Algo;
use crate::secrets::{Secrets, SigningKeys};

/// How long a cursor is good that nobody uses.
pub const IDLE_MS_MAX: i64 = 600_000;
/// The form of what is signed.
const FORM: u8 = 1;
const TAG_BYTES: usize = 32;
const WITH_FACTS: u8 = 2;
/// What the key is made for: the same secret may sign other things.
const PURPOSE: &str = "feedmill cursor 1";

/// Where a feed goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Whose feed.
    pub user: UserId,
    /// What it was asked for by.
    pub algo: Algo,
    /// When it was given, ms UTC.
    pub issued_ms: i64,
    /// The weight set of the snapshot.
    pub weight_set: u16,
    /// The version of the snapshot; none if it has none.
    pub version: Option<u64>,
    /// Whether its reader was unknown.
    pub cold_start: bool,
    /// What its weight set asks for beyond `v1`.
    pub facts: Option<Facts>,
    /// What it is good for.
    pub rest: Rest,
}

/// What a cursor is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The next page: what is left of the snapshot, after so many.
    Older {
        /// How many came before.
        shown: u16,
        /// What is left, in its order.
        left: Vec<Left>,
    },
    /// What ranks above the snapshot since.
    Newer(Known),
}

/// What a client has, by [`mark`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The snapshot.
    pub base: Vec<u64>,
    /// What came above it since, the last so many.
    pub since: Vec<u64>,
}

/// A post that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub post: PostId,
    /// Why it is in the snapshot.
    pub sources: Sources,
    /// What spacing did.
    pub rule: Rule,
    /// Its place by score, from 1.
    pub rank: u8,
    /// How often its author was passed by; told only where the weight set asks.
    pub ignored: u8,
    /// How often it was served unseen; the same.
    pub unseen: u8,
}

/// What a post is known by where only sameness counts.
pub fn mark(post: &PostId) -> u64 {
    // The first half of an id may be a time.
    let [.., a, b, c, d, e, f, g, h] = post.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Why a cursor is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorFault {
    /// It is none.
    Malformed,
    /// It was not signed by this service, or changed.
    Forged,
    /// Another reader's.
    Foreign,
    /// It was not used for too long.
    Expired,
}

impl fmt::Display for CursorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "is no cursor of this service",
            Self::Forged => "was changed, or signed by another key",
            Self::Foreign => "is another reader's",
            Self::Expired => "has expired: it was not used for 10 minutes; begin again without it",
        })
    }
}

/// Signs cursors, and reads them.
#[derive(Clone)]
pub struct Cursors(SigningKeys);

impl Cursors {
    /// By what instances share; without it by a key of this process alone.
    pub fn new(secrets: Option<&Secrets>) -> Result<Self, String> {
        let keys = secrets.map(|secrets| Ok(secrets.keys(PURPOSE)));
        Ok(Self(keys.unwrap_or_else(SigningKeys::own)?))
    }

    /// The text that a client gets.
    pub fn write(&self, cursor: &Cursor) -> String {
        let mut bytes = Vec::new();
        cursor.encode(&mut bytes);
        let tag = self.0.sign(&bytes);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor that a client brings back.
    pub fn read(&self, text: &str, user: UserId, now_ms: i64) -> Result<Cursor, CursorFault> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorFault::Malformed)?;
        let end = bytes.len().checked_sub(TAG_BYTES).ok_or(CursorFault::Malformed)?;
        let (signed, tag) = bytes.split_at(end);
        if !self.0.have_signed(signed, tag) {
            return Err(CursorFault::Forged);
        }
        let cursor = Cursor::decode(signed).map_err(|_| CursorFault::Malformed)?;
        if cursor.user != user {
            return Err(CursorFault::Foreign);
        }
        if now_ms.saturating_sub(cursor.issued_ms) > IDLE_MS_MAX {
            return Err(CursorFault::Expired);
        }
        Ok(cursor)
    }
}

impl Wire for Cursor {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORM);
        out.extend_from_slice(&self.user.0);
        out.push(match self.algo {
            Algo::Ranked => 0,
            Algo::ClickHouse => 1,
            Algo::Timeline => 2,
        });
        out.extend_from_slice(&self.issued_ms.to_le_bytes());
        out.extend_from_slice(&self.weight_set.to_le_bytes());
        out.push(u8::from(self.cold_start) | if self.facts.is_some() { WITH_FACTS } else { 0 });
        if let Some(Facts { rate_mean_ppm, affinity_max, scales }) = self.facts {
            out.extend_from_slice(&rate_mean_ppm.to_le_bytes());
            out.extend_from_slice(&affinity_max.to_le_bytes());
            scales.iter().for_each(|scale| out.extend_from_slice(&scale.to_le_bytes()));
        }
        out.push(u8::from(self.version.is_some()));
        self.version.iter().for_each(|version| out.extend_from_slice(&version.to_le_bytes()));
        let length = |of: usize| u32::try_from(of).unwrap_or(u32::MAX).to_le_bytes();
        match &self.rest {
            Rest::Older { shown, left } => {
                out.push(0);
                out.extend_from_slice(&shown.to_le_bytes());
                out.extend_from_slice(&length(left.len()));
                for of in left {
                    out.extend_from_slice(&of.post.0);
                    out.extend_from_slice(&[of.sources.bits(), of.rule as u8, of.rank]);
                    if self.facts.is_some() {
                        out.extend_from_slice(&[of.ignored, of.unseen]);
                    }
                }
            }
            Rest::Newer(Known { base, since }) => {
                out.push(1);
                for marks in [base, since] {
                    out.extend_from_slice(&length(marks.len()));
                    marks.iter().for_each(|mark| out.extend_from_slice(&mark.to_le_bytes()));
                }
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut of = Reader::new("cursor", bytes);
        of.format(FORM)?;
        let user = UserId(of.bytes("user")?);
        let algo = match of.u8("algo")? {
            0 => Algo::Ranked,
            1 => Algo::ClickHouse,
            2 => Algo::Timeline,
            other => return Err(of.fault("algo", "0 to 2", other)),
        };
        let (issued_ms, weight_set) = (of.i64("issued")?, of.u16("weight_set")?);
        let flags = of.u8("flags")?;
        if flags > 1 | WITH_FACTS {
            return Err(of.fault("flags", "0 to 3", flags));
        }
        let (cold_start, with_facts) = (flags & 1 != 0, flags & WITH_FACTS != 0);
        let facts = match with_facts {
            true => Some(Facts {
                rate_mean_ppm: of.u32("mean")?,
                affinity_max: of.u32("A_max")?,
                scales: [of.u16("freshness")?, of.u16("engagement")?, of.u16("affinity")?],
            }),
            false => None,
        };
        let version = of.option("version", |of| of.u64("version"))?;
        let rest = match of.flag("is newer")? {
            false => Rest::Older {
                shown: of.u16("shown")?,
                left: of.list("left", |of| left(of, with_facts))?,
            },
            true => {
                let mut marks = || of.list("marks", |of| of.u64("mark"));
                Rest::Newer(Known { base: marks()?, since: marks()? })
            }
        };
        of.end()?;
        Ok(Self { user, algo, issued_ms, weight_set, version, cold_start, facts, rest })
    }
}

fn left(of: &mut Reader<'_>, with_facts: bool) -> Result<Left, Poison> {
    let post = PostId(of.bytes("post")?);
    let [sources, rule, rank] = of.bytes("place")?;
    let [ignored, unseen] = if with_facts { of.bytes("facts")? } else { [0; 2] };
    let unknown = |field, byte| of.fault(field, "what is known", byte);
    Ok(Left {
        post,
        sources: Sources::of_bits(sources).ok_or_else(|| unknown("sources", sources))?,
        rule: Rule::of_number(rule).ok_or_else(|| unknown("rule", rule))?,
        rank,
        ignored,
        unseen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: UserId = UserId([1; 16]);
    const NOW: i64 = 1_795_216_628_500;

    fn cursors() -> Cursors {
        Cursors::new(Secrets::of("open sesame").ok().as_ref()).unwrap()
    }

    fn cursor(posts: u8) -> Cursor {
        let left = |post| Left {
            post: PostId([post; 16]),
            sources: Sources::FOLLOW.with(Sources::TRENDING),
            rule: Rule::Spaced,
            rank: post,
            ignored: 0,
            unseen: 0,
        };
        Cursor {
            user: ME,
            algo: Algo::ClickHouse,
            issued_ms: NOW,
            weight_set: 1,
            version: Some(7),
            cold_start: true,
            facts: None,
            rest: Rest::Older { shown: 50, left: (1..=posts).map(left).collect() },
        }
    }

    #[test]
    fn what_is_written_comes_back_and_the_longest_fits_into_a_url() {
        let cursors = cursors();
        let known = Known { base: (0..100).collect(), since: (0..100).collect() };
        let newer = Cursor { rest: Rest::Newer(known), version: None, ..cursor(0) };
        let mut with_facts = Cursor {
            facts: Some(Facts { rate_mean_ppm: 5, affinity_max: 6, scales: [7, 8, 9] }),
            ..cursor(99)
        };
        let Rest::Older { left, .. } = &mut with_facts.rest else { return };
        left.iter_mut().for_each(|left| (left.ignored, left.unseen) = (left.rank, 3));
        for cursor in [cursor(0), cursor(99), newer, with_facts] {
            let text = cursors.write(&cursor);
            assert!(text.len() < 3_000, "{}", text.len());
            assert_eq!(cursors.read(&text, ME, NOW + IDLE_MS_MAX), Ok(cursor));
        }
    }

    #[test]
    fn one_that_is_no_cursor_changed_foreign_or_old_is_told_so() {
        let (cursors, text) = (cursors(), cursors().write(&cursor(3)));
        let read = |text: &str| cursors.read(text, ME, NOW).err();
        for text in ["", "abc", "!", "AAAA"] {
            assert_eq!(read(text), Some(CursorFault::Malformed), "{text}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let told = read(&changed);
            let is_told = [Some(CursorFault::Forged), Some(CursorFault::Malformed)].contains(&told);
            assert!(is_told, "{at}: {told:?}");
        }
        assert_eq!(read(&text[..text.len() - 4]), Some(CursorFault::Forged));
        let foreign = cursors.read(&text, UserId([2; 16]), NOW);
        assert_eq!(foreign, Err(CursorFault::Foreign));
        let old = cursors.read(&text, ME, NOW + IDLE_MS_MAX + 1);
        assert_eq!(old, Err(CursorFault::Expired));
        let other = Cursors::new(None).unwrap().read(&text, ME, NOW);
        assert_eq!(other, Err(CursorFault::Forged));
    }
}
