//! What a store remembers beside its data, written in the same batch: where its changelog goes on, how far
//! its inputs were read, which changelog it was built from.
//!
//! In bytes it names the columns that it is of, so that a topology may gain, lose or reorder stores: with a column that
//! was not there, the changelog is read from its beginning. The form is versioned; reading it is total: whatever
//! the bytes, an answer or a fault.

use std::sync::Arc;

use crate::error::{Fault, Result};
use crate::record::{Offset, Timestamp, TopicPartition};

const FORMAT: u8 = 2;

/// The checkpoint of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The next offset of its changelog to restore from.
    pub changelog: Option<Offset>,
    /// The id of the genesis record of the changelog it was built from.
    pub genesis: Option<[u8; 16]>,
    /// The next offset to process of every input.
    pub inputs: Vec<(TopicPartition, Offset)>,
    /// The largest time that was processed.
    pub stream_time: Timestamp,
    /// The wall time of the commit.
    pub committed_at: Timestamp,
}

impl Default for Checkpoint {
    /// The checkpoint of a store that holds nothing.
    fn default() -> Self {
        Self {
            changelog: None,
            genesis: None,
            inputs: Vec::new(),
            stream_time: Timestamp::MIN,
            committed_at: Timestamp::MIN,
        }
    }
}

impl Checkpoint {
    /// Appends the checkpoint of a store with columns of these names.
    pub fn encode(&self, columns: &[Arc<str>], out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.committed_at.0.to_le_bytes());
        out.extend_from_slice(&self.stream_time.0.to_le_bytes());
        out.extend_from_slice(&self.changelog.map_or(-1, |offset| offset.0).to_le_bytes());
        out.push(u8::from(self.genesis.is_some()));
        out.extend_from_slice(&self.genesis.unwrap_or_default());
        out.extend_from_slice(&(columns.len() as u32).to_le_bytes());
        columns.iter().for_each(|name| encode_text(name, out));
        out.extend_from_slice(&(self.inputs.len() as u32).to_le_bytes());
        for (input, offset) in &self.inputs {
            encode_text(&input.topic, out);
            out.extend_from_slice(&input.partition.to_le_bytes());
            out.extend_from_slice(&offset.0.to_le_bytes());
        }
    }

    /// Reads what [`Self::encode`] wrote, for these columns: if one of them was not there, there is no place in
    /// the changelog to go on from. Other bytes are [`Fault::Fatal`]: the state is damaged.
    pub fn decode(bytes: &[u8], columns: &[Arc<str>]) -> Result<Self> {
        let damaged =
            || Fault::Fatal(format!("checkpoint of the store is damaged ({} bytes)", bytes.len()));
        match bytes.split_first() {
            Some((&FORMAT, rest)) => Self::parse(rest, columns).ok_or_else(damaged),
            Some((format, _)) => Err(Fault::Fatal(format!(
                "checkpoint of the store has format {format}, this program reads {FORMAT}"
            ))),
            None => Err(damaged()),
        }
    }

    fn parse(bytes: &[u8], columns: &[Arc<str>]) -> Option<Self> {
        let mut rest = bytes;
        let committed_at = Timestamp(i64::from_le_bytes(take(&mut rest)?));
        let stream_time = Timestamp(i64::from_le_bytes(take(&mut rest)?));
        let changelog = i64::from_le_bytes(take(&mut rest)?);
        let [has_genesis] = take(&mut rest)?;
        let genesis = (take::<16>(&mut rest)?, has_genesis == 1);
        let mut there = Vec::new();
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            there.push(take_text(&mut rest)?);
        }
        let is_whole = columns.iter().all(|name| there.contains(&&**name));
        let mut checkpoint = Self {
            committed_at,
            stream_time,
            changelog: (changelog >= 0 && is_whole).then_some(Offset(changelog)),
            genesis: genesis.1.then_some(genesis.0),
            inputs: Vec::new(),
        };
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let topic = take_text(&mut rest)?;
            let partition = i32::from_le_bytes(take(&mut rest)?);
            let offset = Offset(i64::from_le_bytes(take(&mut rest)?));
            checkpoint.inputs.push((TopicPartition::new(topic, partition), offset));
        }
        rest.is_empty().then_some(checkpoint)
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let size = u32::from_le_bytes(take(rest)?) as usize;
    let (text, left) = rest.split_at_checked(size)?;
    *rest = left;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<Arc<str>> {
        of.iter().map(|name| Arc::from(*name)).collect()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            changelog: Some(Offset(7)),
            genesis: Some([9; 16]),
            inputs: vec![(TopicPartition::new("lines", 3), Offset(42))],
            stream_time: Timestamp(-5),
            committed_at: Timestamp(1_000),
        }
    }

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        checkpoint().encode(&names(&["counts", "due"]), &mut bytes);
        bytes
    }

    #[test]
    fn marks_come_back_as_they_were() {
        assert_eq!(Checkpoint::decode(&encoded(), &names(&["counts", "due"])), Ok(checkpoint()));
    }

    #[test]
    fn marks_that_say_nothing_come_back_as_they_were() {
        let mut bytes = Vec::new();
        Checkpoint::default().encode(&[], &mut bytes);
        assert_eq!(Checkpoint::decode(&bytes, &[]), Ok(Checkpoint::default()));
        let first = Checkpoint { changelog: Some(Offset(0)), ..Checkpoint::default() };
        bytes.clear();
        first.encode(&[], &mut bytes);
        assert_eq!(Checkpoint::decode(&bytes, &[]), Ok(first), "nothing of the log was read");
    }

    #[test]
    fn with_a_column_that_was_not_there_the_log_is_read_from_its_beginning() {
        let anew = Checkpoint { changelog: None, ..checkpoint() };
        let decoded = |columns: &[&str]| Checkpoint::decode(&encoded(), &names(columns));
        assert_eq!(decoded(&["new", "due", "counts"]), Ok(anew));
        assert_eq!(decoded(&["due", "counts"]), Ok(checkpoint()));
        assert_eq!(decoded(&["due"]), Ok(checkpoint()));
    }

    #[test]
    fn every_cut_and_every_tail_is_a_fault() {
        let bytes = encoded();
        let columns = names(&["counts", "due"]);
        let cuts =
            (0..bytes.len()).filter(|&cut| Checkpoint::decode(&bytes[..cut], &columns).is_ok());
        assert_eq!(cuts.count(), 0);
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Checkpoint::decode(&longer, &columns), Err(Fault::Fatal(_))));
    }

    #[test]
    fn an_unknown_format_is_named() {
        let fault = Checkpoint::decode(&[9, 1], &[]);
        let words = "checkpoint of the store has format 9, this program reads 2";
        assert_eq!(fault, Err(Fault::Fatal(words.into())));
    }
}
