//! Kafka's frames: a length of four bytes, then that many bytes.

use std::io::{self, Read};

/// A request's kind, by its number in Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api(pub i16);

impl Api {
    /// Records are read.
    pub const FETCH: Self = Self(1);
    /// Records are written.
    pub const PRODUCE: Self = Self(0);
    /// Who is there, and who leads what.
    pub const METADATA: Self = Self(3);
    /// A member says that it lives.
    pub const HEARTBEAT: Self = Self(12);
    /// A transactional id is registered, older owners are fenced.
    pub const INIT_PRODUCER_ID: Self = Self(22);
    /// A transaction is committed or aborted.
    pub const END_TXN: Self = Self(26);
    /// Offsets are added to a transaction.
    pub const TXN_OFFSET_COMMIT: Self = Self(28);
}

/// What the head of a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) api: Api,
    pub(super) correlation: i32,
    pub(super) client: Option<String>,
}

/// The bytes of a frame, without its length.
pub(super) type Frame = Vec<u8>;

/// The longest frame that is believed; anything beyond it is not Kafka speaking.
const FRAME_BYTES_MAX: u32 = 256 << 20;

/// The next frame; `None` when the other side has closed.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_be_bytes(length);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("a frame of {length} bytes is not Kafka's")));
    }
    let mut frame = vec![0; length as usize];
    from.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// The head of a request; `None` if it is too short to have one.
pub(super) fn request(frame: &[u8]) -> Option<Request> {
    let (api, rest) = frame.split_first_chunk()?;
    let (_version, rest) = rest.split_first_chunk::<2>()?;
    let (correlation, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    // A length of -1 means that the client has no name.
    let name = usize::try_from(i16::from_be_bytes(*length)).ok().and_then(|end| rest.get(..end));
    Some(Request {
        api: Api(i16::from_be_bytes(*api)),
        correlation: i32::from_be_bytes(*correlation),
        client: name.map(|name| String::from_utf8_lossy(name).into_owned()),
    })
}

/// The correlation id of an answer.
pub(super) fn correlation(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|id| i32::from_be_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_request_is_read_as_kafka_writes_it() {
        let end_txn = [0, 26, 0, 5, 0, 0, 1, 2, 0, 3, b'a', b'p', b'p', 0, 9, 9];
        let head = Request { api: Api::END_TXN, correlation: 258, client: Some("app".into()) };
        assert_eq!(request(&end_txn), Some(head));
    }

    #[test]
    fn a_client_without_a_name_is_none() {
        let produce = [0, 0, 0, 9, 0, 0, 0, 7, 255, 255, 0];
        let head = Request { api: Api::PRODUCE, correlation: 7, client: None };
        assert_eq!(request(&produce), Some(head));
    }

    #[test]
    fn a_closed_connection_ends_the_frames() {
        let mut bytes: &[u8] = &[0, 0, 0, 2, 5, 6];
        assert_eq!(read(&mut bytes).unwrap(), Some(vec![5, 6]));
        assert_eq!(read(&mut bytes).unwrap(), None);
    }
}
