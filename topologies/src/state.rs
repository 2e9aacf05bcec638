//! The bytes of what each sub-topology keeps; [`layout`](crate::layout) has the forms.
//!
//! Fields stand in the order of their declaration. Times are i64, counts u32; what may be absent has a
//! flag before it, a list its length.
//!
//! What one user can make grow, and how far:
//!
//! | store | rows | bytes of a row, at most |
//! | --- | --- | --- |
//! | `user-rows`, `follow-rows`, `mute-rows`, `block-rows`, `like-rows`, `comment-rows` | one a row of the database, kept for ever | 54 |
//! | `event-ids` | one an event id of a user in 25 h of record time | 8 |
//! | `posts` | one a post, kept; of an unknown one for 7 days after the last done to it | 144 |
//! | `acts` | one a post and user, kept; of an unknown post for the same 7 days | [`INTERACTIONS_BYTES_MAX`] |
//! | `readers` | one a user | 231 |
//! | `follows`, `audience` | one a follower and followee | 8, 0 |
//! | `affinity` | one a user and author with an interaction in the window | [`DAYS_BYTES_MAX`] |
//! | `seen` | one a user and post seen in 25 h; of who is not ranked until the next ranking | 8 |
//! | `silences` | one a user and author of a mute, a block, or a wish for less in its time | 16 + [`DAYS_BYTES_MAX`] |
//! | `dismissed` | one a user and whoever is not to be suggested to them, kept for ever | 8 |
//! | `people`, `followers` | one a user; one a followee and follower | 3,102, 0 |
//! | `preferences` | one a user who chose something | 26,000 |
//! | `word-rows` | one a post until it is too old to have a line | 13 |
//! | `shown` | one a user and post shown or seen in 7 days, where that is remembered | 26 |
//! | `hidden` | one a user and post of which something was said in 90 days; as `seen` | 16 |

use schemas::{Cursor, Mark, Poison, PostId, PostImage, PostLine, Profile, UserId, Wire};
use serde::Serialize;

use crate::engagement::interactions::{Interactions, Less, Tally};
use crate::engagement::line::{Sent, Unsent};
use crate::engagement::post::{Counts, Post};
use crate::engagement::times::{Times, entries_max};
use crate::ingest::interaction_row::{InteractionImage, InteractionRow};
use crate::ingest::row::RowVersion;
use crate::layout::{put_list, put_option, put_time};
use crate::ranking::Shown;
use crate::reader::ReaderStatus;
use crate::reader::days::{DAYS_MAX, Days};
use crate::reader::floor::Floor;
use crate::reader::hidden::Hidden;
use crate::reader::presence::Presence;
use crate::reader::publish::Published;
use crate::reader::schedule::Schedule;
use crate::reader::silence::Silence;
use crate::suggestions::person::Person;
use crate::trending::buckets::Buckets;
use crate::trending::hot::Hot;

const LINE_BYTES: usize = 49;

/// The longest row of what one user did to one post, where affinity reaches back 90 days.
pub const INTERACTIONS_BYTES_MAX: usize = 2 + 3 * (1 + 4 + 12 * entries_max(90)) + 2 * 9;
/// The longest row of what one reader did to the posts of one author.
pub const DAYS_BYTES_MAX: usize = 4 + 8 * DAYS_MAX;

/// A time as a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Time(pub i64);

impl Wire for Time {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        number("time", bytes).map(Self)
    }
}

/// How many rows there are; below zero while a deletion has come before its insertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count(pub i64);

impl Wire for Count {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        number("count", bytes).map(Self)
    }
}

/// A value that is one number.
fn number(name: &'static str, bytes: &[u8]) -> Result<i64, Poison> {
    let mut fields = Cursor::new(name, bytes);
    let number = fields.i64(name)?;
    fields.end()?;
    Ok(number)
}

fn put_row_version(version: RowVersion, out: &mut Vec<u8>) {
    out.extend_from_slice(&version.mark.epoch.to_le_bytes());
    out.extend_from_slice(&version.mark.lsn.to_le_bytes());
    out.push(u8::from(version.live));
}

fn version(fields: &mut Cursor<'_>) -> Result<RowVersion, Poison> {
    let mark = Mark { epoch: fields.u32("epoch")?, lsn: fields.u64("lsn")? };
    Ok(RowVersion { mark, live: fields.flag("live")? })
}

impl Wire for RowVersion {
    fn encode(&self, out: &mut Vec<u8>) {
        put_row_version(*self, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("row's version", bytes);
        let version = version(&mut fields)?;
        fields.end()?;
        Ok(version)
    }
}

impl Wire for InteractionRow {
    fn encode(&self, out: &mut Vec<u8>) {
        put_row_version(self.version, out);
        put_option(self.image, out, |image, out| {
            out.extend_from_slice(&image.post.0);
            out.extend_from_slice(&image.user.0);
            out.extend_from_slice(&image.at_ms.to_le_bytes());
        });
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("row", bytes);
        let version = version(&mut fields)?;
        let image = fields.option("image", |fields| {
            let (post, user) = (PostId(fields.bytes("post")?), UserId(fields.bytes("user")?));
            Ok(InteractionImage { post, user, at_ms: fields.i64("at")? })
        })?;
        fields.end()?;
        Ok(Self { version, image })
    }
}

fn put_times(times: &Times, out: &mut Vec<u8>) {
    out.push(u8::from(times.is_bucketed()));
    put_list(times.all(), out, |(time, count), out| {
        out.extend_from_slice(&time.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
    });
}

fn times(fields: &mut Cursor<'_>) -> Result<Times, Poison> {
    let bucketed = fields.flag("bucketed")?;
    let entry = |fields: &mut Cursor<'_>| Ok((fields.i64("time")?, fields.u32("count")?));
    Ok(Times::of(bucketed, fields.list("times", entry)?))
}

fn tally(fields: &mut Cursor<'_>) -> Result<Tally, Poison> {
    Ok(Tally { from_database: fields.flag("from_database")?, times: times(fields)? })
}

impl Wire for Interactions {
    fn encode(&self, out: &mut Vec<u8>) {
        for tally in [&self.likes, &self.comments] {
            out.push(u8::from(tally.from_database));
            put_times(&tally.times, out);
        }
        put_times(&self.shares, out);
        // Rows of before there were wishes end here, and so do those without one.
        if self.less != Less::default() {
            put_time(self.less.said_at, out);
            put_time(self.less.undone_at, out);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("interactions", bytes);
        let (likes, comments) = (tally(&mut fields)?, tally(&mut fields)?);
        let shares = times(&mut fields)?;
        let mut less = Less::default();
        if !fields.is_at_end() {
            less.said_at = fields.option("said", |fields| fields.i64("said_at"))?;
            less.undone_at = fields.option("undone", |fields| fields.i64("undone_at"))?;
        }
        fields.end()?;
        Ok(Self { likes, comments, shares, less })
    }

    fn heap_bytes(&self) -> usize {
        let times = [&self.likes.times, &self.comments.times, &self.shares];
        times.map(Times::heap_bytes).iter().sum()
    }
}

impl Wire for Post {
    fn encode(&self, out: &mut Vec<u8>) {
        put_option(self.version, out, put_row_version);
        put_option(self.image, out, |image, out| {
            out.extend_from_slice(&image.author.0);
            out.extend_from_slice(&image.created_at_ms.to_le_bytes());
            put_option(image.content_hash, out, |hash, out| {
                out.extend_from_slice(&hash.to_le_bytes());
            });
        });
        let Counts { likes, comments, shares, impressions, views } = self.counts;
        for count in [likes, comments, shares, impressions, views] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        put_option(self.sent.line, out, |line, out| line.encode(out));
        put_option(self.sent.unsent, out, |unsent, out| {
            out.extend_from_slice(&unsent.first_ms.to_le_bytes());
            out.extend_from_slice(&unsent.last_ms.to_le_bytes());
        });
        put_time(self.waits_until, out);
        put_time(self.trends_until, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("post", bytes);
        let version = fields.option("version", version)?;
        let image = fields.option("image", |fields| {
            let author = UserId(fields.bytes("author")?);
            let created_at_ms = fields.i64("created_at")?;
            let content_hash = fields.option("content", |fields| fields.u64("content_hash"))?;
            Ok(PostImage { author, created_at_ms, content_hash })
        })?;
        let counts = Counts {
            likes: fields.u32("L")?,
            comments: fields.u32("C")?,
            shares: fields.u32("S")?,
            impressions: fields.u32("I")?,
            views: fields.u32("V")?,
        };
        let line = fields
            .option("line", |fields| PostLine::decode(&fields.bytes::<LINE_BYTES>("line")?))?;
        let unsent = fields.option("unsent", |fields| {
            Ok(Unsent { first_ms: fields.i64("first")?, last_ms: fields.i64("last")? })
        })?;
        let waits_until = fields.option("waits", |fields| fields.i64("waits_until"))?;
        let trends_until = fields.option("trends", |fields| fields.i64("trends_until"))?;
        fields.end()?;
        Ok(Self { version, image, counts, sent: Sent { line, unsent }, waits_until, trends_until })
    }
}

impl Wire for Hot {
    fn encode(&self, out: &mut Vec<u8>) {
        put_option(self.live, out, |(author, created_at_ms), out| {
            out.extend_from_slice(&author.0);
            out.extend_from_slice(&created_at_ms.to_le_bytes());
        });
        for row in self.buckets.rows() {
            put_list(row, out, |(bucket, points), out| {
                out.extend_from_slice(&bucket.to_le_bytes());
                out.extend_from_slice(&points.to_le_bytes());
            });
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("points", bytes);
        let live = fields.option("live", |fields| {
            Ok((UserId(fields.bytes("author")?), fields.i64("created_at")?))
        })?;
        let mut row =
            || fields.list("buckets", |fields| Ok((fields.i64("bucket")?, fields.u32("points")?)));
        let rows = [row()?, row()?, row()?];
        fields.end()?;
        Ok(Self { live, buckets: Buckets::of(rows) })
    }

    fn heap_bytes(&self) -> usize {
        self.buckets.heap_bytes()
    }
}

fn put_days(days: &Days, out: &mut Vec<u8>) {
    put_list(days.all(), out, |(day, count), out| {
        out.extend_from_slice(&day.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
    });
}

fn days(fields: &mut Cursor<'_>) -> Result<Days, Poison> {
    let days = fields.list("days", |fields| Ok((fields.i32("day")?, fields.i32("count")?)))?;
    Ok(Days::of(days))
}

impl Wire for Days {
    fn encode(&self, out: &mut Vec<u8>) {
        put_days(self, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("days", bytes);
        let days = days(&mut fields)?;
        fields.end()?;
        Ok(days)
    }

    fn heap_bytes(&self) -> usize {
        Days::heap_bytes(self)
    }
}

impl Wire for Silence {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mutes.to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        put_days(&self.less, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("silence", bytes);
        let (mutes, blocks) = (fields.i64("mutes")?, fields.i64("blocks")?);
        let less = days(&mut fields)?;
        fields.end()?;
        Ok(Self { mutes, blocks, less })
    }

    fn heap_bytes(&self) -> usize {
        self.less.heap_bytes()
    }
}

impl Wire for Hidden {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.said_at.to_le_bytes());
        out.extend_from_slice(&self.undone_at.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("hidden", bytes);
        let hidden = Self { said_at: fields.i64("said_at")?, undone_at: fields.i64("undone_at")? };
        fields.end()?;
        Ok(hidden)
    }
}

impl Wire for Shown {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.served);
        out.extend_from_slice(&self.served_at_ms.to_le_bytes());
        out.push(self.impressions);
        out.extend_from_slice(&self.impressed_at_ms.to_le_bytes());
        out.extend_from_slice(&self.acted_at_ms.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("shown", bytes);
        let shown = Self {
            served: fields.u8("served")?,
            served_at_ms: fields.i64("served_at")?,
            impressions: fields.u8("impressions")?,
            impressed_at_ms: fields.i64("impressed_at")?,
            acted_at_ms: fields.i64("acted_at")?,
        };
        fields.end()?;
        Ok(shown)
    }
}

impl Wire for Person {
    fn encode(&self, out: &mut Vec<u8>) {
        put_option(self.mark, out, |mark, out| {
            put_row_version(RowVersion { mark, live: self.live }, out);
        });
        out.extend_from_slice(&self.followers.to_le_bytes());
        self.profile.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("person", bytes);
        let version = fields.option("row", version)?;
        let followers = fields.i64("followers")?;
        let profile = Profile::decode(&mut fields)?;
        fields.end()?;
        let live = version.is_some_and(|version| version.live);
        let mark = version.map(|version| version.mark);
        Ok(Self { mark, live, profile, followers })
    }

    fn heap_bytes(&self) -> usize {
        self.profile.heap_bytes()
    }
}

impl Wire for ReaderStatus {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.presence.active_until.to_le_bytes());
        out.extend_from_slice(&self.presence.online_until.to_le_bytes());
        let Schedule { grid, urgent, soft, expires, missed, ranked } = self.schedule;
        [grid, urgent, soft, expires, ranked].into_iter().for_each(|time| put_time(time, out));
        out.push(u8::from(missed));
        out.extend_from_slice(&self.published.version.to_le_bytes());
        put_option(self.published.body_hash, out, |body_hash, out| {
            out.extend_from_slice(&body_hash.to_le_bytes());
        });
        out.extend_from_slice(&self.published.valid_until.to_le_bytes());
        // Rows of before there were floors end here, and so do those without one.
        for word in self.floor.iter().flat_map(Floor::words) {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let mut fields = Cursor::new("reader", bytes);
        let presence = Presence {
            active_until: fields.i64("active_until")?,
            online_until: fields.i64("online_until")?,
        };
        let time = |fields: &mut Cursor<'_>| fields.option("due", |fields| fields.i64("due"));
        let schedule = Schedule {
            grid: time(&mut fields)?,
            urgent: time(&mut fields)?,
            soft: time(&mut fields)?,
            expires: time(&mut fields)?,
            ranked: time(&mut fields)?,
            missed: fields.flag("missed")?,
        };
        let published = Published {
            version: fields.u64("version")?,
            body_hash: fields.option("body_hash", |fields| fields.u64("body_hash"))?,
            valid_until: fields.i64("valid_until")?,
        };
        let mut floor = None;
        if !fields.is_at_end() {
            let mut words = [0; 18];
            for word in &mut words {
                *word = fields.u64("floor")?;
            }
            floor = Some(Floor::of_words(words));
        }
        fields.end()?;
        Ok(Self { presence, schedule, published, floor })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use millstream::Serde;
    use schemas::{Delta, RowKind};

    use super::*;
    use crate::engagement::interactions::Kind;
    use crate::engagement::times::AsOf;
    use crate::layout::{Pair, WireSerde};

    /// Checks that a value comes back, and that no shortened or lengthened form of it does.
    fn assert_comes_back<T: Wire + PartialEq + Debug>(value: &T) {
        let bytes = value.to_bytes();
        assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
        let short: Vec<_> =
            (0..bytes.len()).filter(|len| T::decode(&bytes[..*len]).is_ok()).collect();
        assert_eq!(short, Vec::<usize>::new());
        assert!(T::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    const VERSION: RowVersion = RowVersion { mark: Mark { epoch: 1, lsn: 77 }, live: true };

    #[test]
    fn rows_come_back() {
        let image = InteractionImage { post: PostId([1; 16]), user: UserId([2; 16]), at_ms: -5 };
        assert_comes_back(&VERSION);
        assert_comes_back(&InteractionRow { version: VERSION, image: Some(image) });
        assert_comes_back(&InteractionRow { version: VERSION, image: None });
        assert_comes_back(&Time(-1));
        assert_comes_back(&Count(-1));
        assert_comes_back(&Pair(PostId([1; 16]), UserId([2; 16])));
    }

    #[test]
    fn interactions_and_days_come_back() {
        let (mut interactions, mut days, mut out) =
            (Interactions::default(), Days::default(), Vec::new());
        assert_comes_back(&interactions);
        let as_of = AsOf { now_ms: 100, days: 90 };
        interactions.row((RowKind::Comment, 5, Some(Delta::Plus)), as_of, &mut out);
        interactions.row((RowKind::Like, 7, None), as_of, &mut out);
        interactions.event((schemas::Action::Share, 9), as_of, &mut out);
        assert_comes_back(&interactions);
        days.add(20_000, 3, 0);
        assert_comes_back(&days);
    }

    #[test]
    fn a_row_weighs_what_it_keeps_in_memory_its_lists_too() {
        let (mut interactions, mut days, mut hot) =
            (Interactions::default(), Days::default(), Hot::default());
        let (now_ms, mut out) = (20_000 * 86_400_000, Vec::new());
        for n in 0..60 {
            let at_ms = now_ms - n * 3_600_000;
            let as_of = AsOf { now_ms, days: 90 };
            interactions.event((schemas::Action::Share, at_ms), as_of, &mut out);
            interactions.row((RowKind::Comment, at_ms, Some(Delta::Plus)), as_of, &mut out);
            hot.buckets.add(at_ms, 1, now_ms);
            days.add(20_000 + i32::try_from(n).unwrap(), 1, 0);
        }
        let serde = WireSerde;
        let weights = [serde.weight(&interactions), serde.weight(&days), serde.weight(&hot)];
        // Times and buckets take 16 bytes each, days 8.
        let least = [2 * 60 * 16, 60 * 8, 25 * 16];
        assert!(weights.iter().zip(least).all(|(weight, least)| *weight >= least), "{weights:?}");
        assert!(
            weights.iter().zip(least).all(|(weight, least)| *weight < 3 * least),
            "{weights:?}"
        );
    }

    #[test]
    fn the_longest_rows_are_as_long_as_the_documentation_says() {
        assert_eq!((INTERACTIONS_BYTES_MAX, DAYS_BYTES_MAX), (38_375, 4_100));
    }

    #[test]
    fn no_sequence_of_events_and_rows_makes_a_longer_row_of_interactions_than_the_bound() {
        let (mut interactions, mut out) = (Interactions::default(), Vec::new());
        let now_ms = 20_000 * 86_400_000;
        let as_of = AsOf { now_ms, days: 90 };
        for n in 0..6_000 {
            let at_ms = now_ms + (n - 1_500) * 60_000 - n % 2 * (n % 90) * 86_400_000;
            interactions.event((schemas::Action::Share, at_ms), as_of, &mut out);
            interactions.row((RowKind::Comment, at_ms, Some(Delta::Plus)), as_of, &mut out);
            interactions.row((RowKind::Like, at_ms, Some(Delta::Plus)), as_of, &mut out);
            out.clear();
        }
        let bytes = interactions.to_bytes().len();
        assert!((10_000..=INTERACTIONS_BYTES_MAX).contains(&bytes), "{bytes}");
        let shares = interactions.counted().filter(|(kind, ..)| *kind == Kind::Share);
        assert_eq!(shares.map(|(_, _, count)| count).sum::<u32>(), 6_000);
    }

    #[test]
    fn a_post_comes_back() {
        let (author, content_hash) = (UserId([3; 16]), Some(9));
        let image = Some(PostImage { author, created_at_ms: 12, content_hash });
        let counts = Counts { likes: 1, comments: 2, shares: 3, impressions: 4, views: 5 };
        let unsent = Some(Unsent { first_ms: 1, last_ms: 2 });
        let sent = Sent { line: Some(PostLine { author, ..PostLine::default() }), unsent };
        let (version, trends_until) = (Some(VERSION), Some(6));
        let post = Post { version, image, counts, sent, waits_until: None, trends_until };
        assert_comes_back(&post);
        assert_comes_back(&Post { waits_until: Some(4), ..Post::default() });
    }

    #[test]
    fn what_was_said_against_posts_and_authors_comes_back() {
        let mut interactions = Interactions::default();
        interactions.less.said_at = Some(5);
        assert_eq!(Interactions::decode(&interactions.to_bytes()), Ok(interactions));
        let mut less = Days::default();
        less.add(20_000, 1, 0);
        assert_comes_back(&Silence { mutes: 1, blocks: -1, less });
        assert_comes_back(&Silence::default());
        assert_comes_back(&Hidden { said_at: 5, undone_at: i64::MIN });
    }

    #[test]
    fn a_row_of_interactions_without_a_wish_is_that_of_before_there_were_any() {
        let bytes = Interactions::default().to_bytes();
        assert_eq!(bytes, [0; 17]);
        assert_eq!(Interactions::decode(&bytes), Ok(Interactions::default()));
    }

    #[test]
    fn a_person_comes_back() {
        assert_comes_back(&Person::default());
        let username = schemas::Text::Some("mira".into());
        let profile = Profile { username, ..Profile::default() };
        let mark = Some(Mark { epoch: 1, lsn: 7 });
        assert_comes_back(&Person { mark, live: true, profile, followers: -1 });
    }

    #[test]
    fn points_come_back() {
        let mut buckets = Buckets::default();
        buckets.add(1_000, 7, 2_000);
        assert_comes_back(&Hot { live: Some((UserId([3; 16]), 12)), buckets });
        assert_comes_back(&Hot::default());
    }

    #[test]
    fn a_reader_comes_back() {
        let mut reader = ReaderStatus::default();
        assert_comes_back(&reader);
        reader.presence.mark_read(1_000);
        reader.schedule.ranked(1_000, (2_000, 3_000));
        reader.published = Published { version: 5, body_hash: Some(6), valid_until: 7 };
        assert_comes_back(&reader);
        reader.floor = Some(Floor::of_words([9; 18]));
        assert_eq!(ReaderStatus::decode(&reader.to_bytes()), Ok(reader));
    }
}
