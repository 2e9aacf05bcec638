//! The body of a request: read within a time and a length, with or without a declared one, and decoded.
//!
//! The limit holds for what is sent and for what comes out of every content coding, so that a small body cannot become a
//! large one. Codings are those of RFC 9110 that clients use (gzip, deflate, br, zstd), also several upon each other.

use std::io::{self, Read};
use std::time::Duration;

use brotli_decompressor::Decompressor as Brotli;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::{Stream, StreamExt, pin_mut};
use tokio::time::timeout;
use warp::http::HeaderMap;
use warp::hyper::body::Buf;
use zstd::stream::read::Decoder as Zstd;

use super::parameter::number;
use super::routes::header;
use super::{Fault, Refusal};

/// How many codings may lie upon each other.
const CODINGS_MAX: usize = 3;
/// The largest window that a zstd body may ask for, as a power of 2: RFC 9659 bids decoders take 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// What brotli reads ahead.
const BUFFER_BYTES: usize = 4 * 1024;

/// The bounds of a body.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Its length, before and after decoding.
    pub bytes_max: u64,
    /// How long it may take to come.
    pub wait: Duration,
}

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The body of a request that must be JSON.
pub async fn of_json<B: Buf>(
    parts: impl Stream<Item = Result<B, warp::Error>>,
    headers: &HeaderMap,
    bounds: Bounds,
) -> Result<Vec<u8>, Refusal> {
    let length = header(headers, "content-length")?.and_then(number);
    let body = read(parts, (header(headers, "content-encoding")?, length), bounds).await?;
    let kind = header(headers, "content-type")?.and_then(|value| value.split(';').next());
    let is_json = kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if is_json { Ok(body) } else { Err(Refusal::unsupported()) }
}

/// The body that `parts` make, decoded by the `content-encoding` of its request. One that says that it is too long is not
/// waited for.
pub async fn read<B: Buf>(
    parts: impl Stream<Item = Result<B, warp::Error>>,
    (encoding, length): (Option<&str>, Option<u64>),
    bounds: Bounds,
) -> Result<Vec<u8>, Refusal> {
    if length.is_some_and(|length| length > bounds.bytes_max) {
        return Err(Refusal::too_long(bounds.bytes_max));
    }
    let codings = codings(encoding.unwrap_or_default())?;
    let sent = timeout(bounds.wait, gather(parts, bounds.bytes_max)).await;
    let mut body = sent.map_err(|_| Refusal::slow())??;
    // The last one was applied last.
    for coding in codings.into_iter().rev() {
        body = decode(coding, &body, bounds.bytes_max)?;
    }
    Ok(body)
}

async fn gather<B: Buf>(
    parts: impl Stream<Item = Result<B, warp::Error>>,
    bytes_max: u64,
) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    pin_mut!(parts);
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(|e| unreadable(&e.to_string()))?;
        if (body.len() as u64).saturating_add(part.remaining() as u64) > bytes_max {
            return Err(Refusal::too_long(bytes_max));
        }
        while part.has_remaining() {
            let chunk = part.chunk();
            let length = chunk.len();
            body.extend_from_slice(chunk);
            part.advance(length);
        }
    }
    Ok(body)
}

/// The codings of a header, in the order in which they were applied.
fn codings(header: &str) -> Result<Vec<Coding>, Refusal> {
    let names = header.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut codings = Vec::new();
    for name in names {
        match name.to_ascii_lowercase().as_str() {
            "identity" => {}
            "gzip" | "x-gzip" => codings.push(Coding::Gzip),
            "deflate" => codings.push(Coding::Deflate),
            "br" => codings.push(Coding::Brotli),
            "zstd" => codings.push(Coding::Zstd),
            _ => return Err(Refusal::unsupported_coding(name)),
        }
    }
    if codings.len() > CODINGS_MAX {
        return Err(Refusal::unsupported_coding(header));
    }
    Ok(codings)
}

fn decode(coding: Coding, body: &[u8], bytes_max: u64) -> Result<Vec<u8>, Refusal> {
    let decoded = match coding {
        Coding::Gzip => bounded(MultiGzDecoder::new(body), bytes_max),
        // Named deflate is zlib's form; some clients send the bare one.
        Coding::Deflate if is_zlib(body) => bounded(ZlibDecoder::new(body), bytes_max),
        Coding::Deflate => bounded(DeflateDecoder::new(body), bytes_max),
        Coding::Brotli => bounded(Brotli::new(body, BUFFER_BYTES), bytes_max),
        Coding::Zstd => zstd(body).and_then(|decoder| bounded(decoder, bytes_max)),
    };
    let decoded = decoded.map_err(|e| unreadable(&format!("{coding:?}: {e}")))?;
    if decoded.len() as u64 > bytes_max { Err(Refusal::too_long(bytes_max)) } else { Ok(decoded) }
}

fn zstd(body: &[u8]) -> io::Result<Zstd<'_, io::BufReader<&[u8]>>> {
    let mut decoder = Zstd::new(body)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Whether a body begins as zlib's form does (RFC 1950).
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// What `from` gives, and one byte more than `bytes_max` at most.
fn bounded(from: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    from.take(bytes_max.saturating_add(1)).read_to_end(&mut decoded)?;
    Ok(decoded)
}

fn unreadable(words: &str) -> Refusal {
    Refusal::invalid(vec![Fault::of("body", words)])
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use futures_util::stream::{self, pending};
    use warp::http::StatusCode;
    use warp::hyper::body::Bytes;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes_max: 1_000, wait: Duration::from_secs(30) };

    async fn read_as(encoding: &str, body: Vec<u8>) -> Result<Vec<u8>, StatusCode> {
        let halves = body.len() / 2;
        let parts = [body[..halves].to_vec(), body[halves..].to_vec()];
        let parts = stream::iter(parts.map(|part| Ok(Bytes::from(part))));
        read(parts, (Some(encoding), None), BOUNDS).await.map_err(|refusal| refusal.status)
    }

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(body: &[u8]) -> Vec<u8> {
        zstd::encode_all(body, 3).unwrap()
    }

    /// `hello` in brotli, by the reference encoder.
    const HELLO_BR: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

    #[tokio::test]
    async fn a_body_comes_out_of_each_coding_and_of_several() {
        let hello = b"hello".to_vec();
        for (encoding, body) in [
            ("", hello.clone()),
            ("identity", hello.clone()),
            ("gzip", gzip(&hello)),
            ("X-GZIP", gzip(&hello)),
            ("deflate", zlib(&hello)),
            ("deflate", deflate(&hello)),
            ("br", HELLO_BR.to_vec()),
            ("zstd", zstd(&hello)),
            ("gzip, zstd", zstd(&gzip(&hello))),
        ] {
            assert_eq!(read_as(encoding, body).await, Ok(hello.clone()), "{encoding}");
        }
    }

    #[tokio::test]
    async fn a_coding_that_nobody_knows_is_unsupported() {
        for encoding in ["compress", "gzip, snappy", "gzip,gzip,gzip,gzip"] {
            let answer = read_as(encoding, gzip(b"hello")).await;
            assert_eq!(answer, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{encoding}");
        }
    }

    #[tokio::test]
    async fn the_limit_holds_before_and_after_decoding() {
        let (most, more) = (vec![b' '; 1_000], vec![b' '; 1_001]);
        assert_eq!(read_as("", most.clone()).await, Ok(most.clone()));
        assert_eq!(read_as("", more.clone()).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        for (encoding, code) in
            [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", zlib), ("zstd", zstd)]
        {
            assert_eq!(read_as(encoding, code(&most)).await, Ok(most.clone()), "{encoding}");
            let bomb = read_as(encoding, code(&vec![b' '; 100_000])).await;
            assert_eq!(bomb, Err(StatusCode::PAYLOAD_TOO_LARGE), "{encoding}");
        }
    }

    #[tokio::test]
    async fn what_is_not_of_its_coding_is_a_bad_request() {
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            let answer = read_as(encoding, b"\xff\xff no such thing".to_vec()).await;
            assert_eq!(answer, Err(StatusCode::BAD_REQUEST), "{encoding}");
            let cut = gzip(b"hello, hello")[..12].to_vec();
            assert_eq!(read_as("gzip", cut).await, Err(StatusCode::BAD_REQUEST));
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_a_timeout() {
        let bounds = Bounds { wait: Duration::from_millis(1), ..BOUNDS };
        let never = pending::<Result<Bytes, warp::Error>>();
        let answer =
            read(never, (None, Some(1_000)), bounds).await.map_err(|refusal| refusal.status);
        assert_eq!(answer, Err(StatusCode::REQUEST_TIMEOUT));
    }

    #[tokio::test]
    async fn a_body_that_says_that_it_is_too_long_is_not_waited_for() {
        let never = pending::<Result<Bytes, warp::Error>>();
        let answer = read(never, (None, Some(1_001)), BOUNDS).await;
        assert_eq!(answer.map_err(|refusal| refusal.status), Err(StatusCode::PAYLOAD_TOO_LARGE));
    }
}
