//! Traces of records: where one stands, as records bear it in W3C's `traceparent`, and who is told of its steps.
//!
//! A step is what a task does with one traced record, or by a timer that was set for one. What a step sends bears it, in
//! a header or, in topics of our own, in the envelope. A timer remembers it in memory alone: after a restart the trace ends there.
//! What is emitted at a commit, and what a change of a broadcast leads to, is of many records, and of no trace. Where nobody is to
//! be told, no header is looked at.

use std::fmt;

use crate::record::{Header, Headers, encode_header};

/// A place in a trace that is followed; of others nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: [u8; 16],
    /// The step that made the record.
    pub span: [u8; 8],
}

/// The header.
const NAME: &str = "traceparent";
/// `00-<trace>-<span>-01`.
const TEXT_BYTES: usize = 55;

impl TraceContext {
    /// The place that a record bears, if its trace is followed.
    pub fn of(headers: Headers<'_>) -> Option<Self> {
        Self::parse(headers.last(NAME)?)
    }

    /// Reads a `traceparent`; none if it is none, or says that nobody follows the trace.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text.get(..TEXT_BYTES)?).ok()?;
        let mut parts = text.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let [flags] = bytes(parts.next()?)?;
        let place = Self { trace: bytes(trace)?, span: bytes(span)? };
        let is_valid = version.len() == 2
            && version != "ff"
            && place.trace.iter().any(|byte| *byte != 0)
            && place.span.iter().any(|byte| *byte != 0);
        (is_valid && flags & 1 == 1).then_some(place)
    }

    /// Appends the header to those of a record.
    pub fn write(self, out: &mut Vec<u8>) {
        encode_header(Header { name: NAME, value: Some(self.to_string().as_bytes()) }, out);
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        f.write_str("00-")?;
        hex(f, &self.trace)?;
        f.write_str("-")?;
        hex(f, &self.span)?;
        f.write_str("-01")
    }
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let is_hex = hex.len() == 2 * N && hex.bytes().all(|of| of.is_ascii_hexdigit());
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate().filter(|_| is_hex) {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    is_hex.then_some(bytes)
}

/// Who is told of the steps of traces.
pub trait Tracer: fmt::Debug + Send + Sync {
    /// A step of this name, with what is known of it, begins below the one that made its record.
    fn begin(&self, name: &str, parent: TraceContext, of: &[(&'static str, &str)])
    -> Box<dyn Step>;
}

/// A step that goes on; it ends when it is dropped.
pub trait Step: Send {
    /// What its records bear.
    fn context(&self) -> TraceContext;
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_place_comes_back_from_its_header() {
        let place = TraceContext::parse(TEXT.as_bytes()).unwrap();
        assert_eq!((place.trace[0], place.span[7], place.to_string()), (0x0a, 0x31, TEXT.into()));
        let mut headers = Vec::new();
        place.write(&mut headers);
        assert_eq!(TraceContext::of(Headers::from_bytes(&headers)), Some(place));
        assert_eq!(TraceContext::of(Headers::default()), None);
    }

    #[test]
    fn what_is_no_place_or_of_a_trace_that_nobody_follows_is_none() {
        let changed = |at: usize, to: &str| {
            let mut text = TEXT.to_owned();
            text.replace_range(at..at + to.len(), to);
            TraceContext::parse(text.as_bytes())
        };
        assert_eq!(changed(53, "00"), None, "nobody follows it");
        assert_eq!(changed(0, "ff"), None);
        assert_eq!(changed(3, "0x"), None);
        assert_eq!(changed(3, &"0".repeat(32)), None);
        assert_eq!(changed(36, &"0".repeat(16)), None);
        assert_eq!(TraceContext::parse(&TEXT.as_bytes()[..54]), None);
        assert!(changed(0, "01").is_some(), "a later version may have more");
    }
}
