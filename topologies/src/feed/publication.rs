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
