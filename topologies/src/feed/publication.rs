//! What topic `feeds` carries: a body, or the word that there is none, and in headers which publication.

use millstream::{Fault, Header, Rec, Result, Serde, encode_header};
use schemas::{FEEDS_EPOCH, FeedBody, FeedVersion, UserId, VERSION, Wire};

/// One publication of a reader's feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Which one.
    pub version: FeedVersion,
    /// The feed; none: the reader is inactive or gone.
    pub body: Option<FeedBody>,
}

/// The serde of a publication; the version is in headers, so a decoded one has none.
#[derive(Clone, Copy, Debug)]
pub struct Body;

impl Serde<Publication> for Body {
    fn encode(&self, publication: &Publication, out: &mut Vec<u8>) {
        if let Some(body) = &publication.body {
            body.encode(out);
        }
    }

    fn decode(&self, bytes: &[u8], _version: u8, slot: &mut Option<Publication>) -> Result<()> {
        let stored = slot.get_or_insert_default();
        stored.version = FeedVersion::default();
        FeedBody::decode_into(bytes, &mut stored.body)
            .map_err(|poison| Fault::Reject(poison.to_string()))
    }

    fn decode_null(&self, slot: &mut Option<Publication>) -> Result<()> {
        *slot = Some(Publication::default());
        Ok(())
    }

    fn is_null(&self, publication: &Publication) -> bool {
        publication.body.is_none()
    }
}

/// Appends the headers of a publication.
pub(super) fn headers(record: Rec<'_, UserId, Publication>, out: &mut Vec<u8>) {
    let version = record.value.version;
    let fields = [(FEEDS_EPOCH, version.epoch_header()), (VERSION, version.version_header())];
    for (name, value) in fields {
        encode_header(Header { name, value: Some(&value) }, out);
    }
}

#[cfg(test)]
mod tests {
    use millstream::{Headers, Timestamp};

    use super::*;

    fn publication(body: Option<FeedBody>) -> Publication {
        Publication { version: FeedVersion { feeds_epoch: 3, version: 9 }, body }
    }

    #[test]
    fn a_publication_comes_back_without_its_version_and_over_whatever_was_there() {
        let body = FeedBody { as_of_ms: 5, valid_until_ms: 6, ..FeedBody::default() };
        let mut bytes = Vec::new();
        Body.encode(&publication(Some(body.clone())), &mut bytes);
        let plain = Publication { version: FeedVersion::default(), body: Some(body) };
        for former in [None, Some(publication(None)), Some(publication(Some(FeedBody::default())))]
        {
            let mut slot = former;
            Body.decode(&bytes, 0, &mut slot).unwrap();
            assert_eq!(slot.as_ref(), Some(&plain));
        }
        assert!(Body.decode(b"short", 0, &mut None).is_err());
    }

    #[test]
    fn that_there_is_no_feed_is_a_null_and_comes_back_as_none() {
        let feeds = [None, Some(FeedBody::default())].map(|body| Body.is_null(&publication(body)));
        assert_eq!(feeds, [true, false]);
        let mut slot = Some(publication(Some(FeedBody::default())));
        Body.decode_null(&mut slot).unwrap();
        assert_eq!(slot, Some(Publication::default()));
    }

    #[test]
    fn headers_say_which_publication_it_is() {
        let (user, publication) = (UserId([1; 16]), publication(None));
        let mut out = Vec::new();
        headers(Rec { key: &user, value: &publication, at: Timestamp(0) }, &mut out);
        let value = |name| {
            let found = Headers::from_bytes(&out).find(|header| header.name == name);
            found.and_then(|header| header.value)
        };
        let told = FeedVersion::from_headers(value(FEEDS_EPOCH), value(VERSION));
        assert_eq!(told, Ok(publication.version));
    }
}
