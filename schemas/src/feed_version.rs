//! Which publication of a feed this is, and the value that Redis keeps.
//!
//! A reader counts the feeds it publishes; the count starts again when its state is rebuilt from topics,
//! and then a person raises the epoch. So of two publications the one with the higher (epoch, version)
//! is newer. In a record of `feeds` the two stand in headers, each a u64 in 8 bytes little-endian. In
//! Redis they stand first in the value, as 34 characters whose order as text is their order:
//! `F1`, the epoch in 12 digits, the version in 20; then the body, or `-` for no feed.

use std::str;

use crate::poison::{FieldFault, Poison};

/// The header of `feeds` that holds the epoch: u64, 8 bytes little-endian.
pub const FEEDS_EPOCH: &str = "feeds_epoch";
/// The header of `feeds` that holds the reader's own publish sequence: u64, 8 bytes little-endian.
pub const VERSION: &str = "version";

const WHAT: &str = "feed version";
const MAGIC: &str = "F1";
const NO_FEED: &[u8] = b"-";

/// The place of a publication in the order of one reader's publications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedVersion {
    /// The configured `feeds_epoch`.
    pub feeds_epoch: u32,
    /// The reader's own publish sequence, from 1.
    pub version: u64,
}

impl FeedVersion {
    /// How many bytes of a Redis value come before the body.
    pub const TEXT_BYTES: usize = 34;

    /// The same publication under an epoch that is higher by `by`: an application that takes another's place counts from 1 again,
    /// and what it publishes is newer nevertheless.
    pub fn raised(self, by: u32) -> Self {
        Self { feeds_epoch: self.feeds_epoch.saturating_add(by), ..self }
    }

    /// The value of header [`FEEDS_EPOCH`].
    pub fn epoch_header(self) -> [u8; 8] {
        u64::from(self.feeds_epoch).to_le_bytes()
    }

    /// The value of header [`VERSION`].
    pub fn version_header(self) -> [u8; 8] {
        self.version.to_le_bytes()
    }

    /// Reads the values of the two headers.
    pub fn from_headers(epoch: Option<&[u8]>, version: Option<&[u8]>) -> Result<Self, Poison> {
        let wide = header_number(FEEDS_EPOCH, epoch)?;
        let feeds_epoch = u32::try_from(wide)
            .map_err(|_| FieldFault::new(FEEDS_EPOCH, "32 bits", wide).of(WHAT))?;
        Ok(Self { feeds_epoch, version: header_number(VERSION, version)? })
    }

    /// The 34 characters that open a Redis value; their order as text is that of the versions.
    pub fn text(self) -> String {
        format!("{MAGIC}{:012}{:020}", self.feeds_epoch, self.version)
    }

    /// The version whose characters these are, if they are those of one.
    pub fn from_text(text: &[u8; Self::TEXT_BYTES]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?.strip_prefix(MAGIC)?;
        let (epoch, version) = text.split_at_checked(12)?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(epoch) || !digits(version) {
            return None;
        }
        Some(Self { feeds_epoch: epoch.parse().ok()?, version: version.parse().ok()? })
    }
}

fn header_number(name: &'static str, value: Option<&[u8]>) -> Result<u64, Poison> {
    const EXPECTED: &str = "8 bytes";
    let bytes = value.ok_or_else(|| FieldFault::missing(name, EXPECTED).of(WHAT))?;
    let number: [u8; 8] = bytes.try_into().map_err(|_| {
        FieldFault::new(name, EXPECTED, format_args!("{} bytes", bytes.len())).of(WHAT)
    })?;
    Ok(u64::from_le_bytes(number))
}

/// What Redis keeps under `feed:v1:{user}`, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisValue<'a> {
    /// Which publication.
    pub version: FeedVersion,
    /// The bytes of a [`FeedBody`](crate::FeedBody); `None`: the reader has no feed.
    pub body: Option<&'a [u8]>,
}

impl<'a> RedisValue<'a> {
    /// Appends the bytes to `out`.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.version.text().as_bytes());
        out.extend_from_slice(self.body.unwrap_or(NO_FEED));
    }

    /// Splits the bytes; the body itself is not looked at.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Poison> {
        const EXPECTED: &str = "F1, 12 and 20 digits";
        let head = bytes.split_first_chunk::<{ FeedVersion::TEXT_BYTES }>();
        let Some((head, body)) = head else {
            let found = format_args!("{} bytes", bytes.len());
            return Err(FieldFault::new("header", EXPECTED, found).of("redis value"));
        };
        let version = FeedVersion::from_text(head).ok_or_else(|| {
            FieldFault::new("header", EXPECTED, head.escape_ascii()).of("redis value")
        })?;
        Ok(Self { version, body: (body != NO_FEED).then_some(body) })
    }
}

/// The key under which Redis keeps the feed of `user`.
pub fn redis_key(user: crate::UserId) -> String {
    format!("feed:v1:{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: FeedVersion = FeedVersion { feeds_epoch: u32::MAX, version: u64::MAX };

    #[test]
    fn headers_come_back() {
        let (epoch, version) = (LAST.epoch_header(), LAST.version_header());
        assert_eq!(FeedVersion::from_headers(Some(&epoch), Some(&version)), Ok(LAST));
    }

    #[test]
    fn under_a_raised_epoch_the_first_publication_is_newer_than_the_last_before() {
        let last = FeedVersion { feeds_epoch: 3, version: u64::MAX };
        let first = FeedVersion { feeds_epoch: 3, version: 1 };
        assert!(last < first.raised(1) && last.raised(1) < first.raised(2));
    }

    #[test]
    fn a_version_with_a_sign_is_none() {
        let mut text = Vec::new();
        RedisValue { version: LAST, body: None }.encode(&mut text);
        assert!(RedisValue::decode(&text).is_ok());
        for place in [MAGIC.len(), MAGIC.len() + 12] {
            let mut signed = text.clone();
            signed[place] = b'+';
            assert!(RedisValue::decode(&signed).is_err(), "{}", signed.escape_ascii());
        }
    }

    #[test]
    fn a_feed_lies_under_its_users_id() {
        let key = redis_key(crate::UserId([0x11; 16]));
        assert_eq!(key, "feed:v1:11111111-1111-1111-1111-111111111111");
    }

    #[test]
    fn an_absent_header_is_named() {
        let poison = FeedVersion::from_headers(None, Some(&[0; 8])).unwrap_err();
        let found = "decode feed version: feeds_epoch: expected 8 bytes, found nothing";
        assert_eq!(poison.to_string(), found);
    }

    #[test]
    fn the_text_of_versions_sorts_as_they_do() {
        let versions = [(0, 1), (0, 9), (0, 10), (0, u64::MAX), (1, 0), (10, 0)]
            .map(|(feeds_epoch, version)| FeedVersion { feeds_epoch, version }.text());
        assert!(versions.is_sorted());
        assert_eq!(versions[0], "F100000000000000000000000000000001");
        assert_eq!(versions.map(|text| text.len()), [34; 6]);
    }

    #[test]
    fn a_redis_value_comes_back_with_and_without_a_feed() {
        let values = [Some(&b"body"[..]), None].map(|body| RedisValue { version: LAST, body });
        let bytes = values.map(|value| {
            let mut out = Vec::new();
            value.encode(&mut out);
            out
        });
        assert_eq!(bytes.each_ref().map(|bytes| RedisValue::decode(bytes)), values.map(Ok));
    }

    #[test]
    fn a_header_of_other_characters_is_poison() {
        let bytes = [&b"F1"[..], b"00000000+001", &[b'0'; 20]].concat();
        assert!(RedisValue::decode(&bytes).is_err());
        assert!(RedisValue::decode(b"F1").is_err());
    }
}
