//! What a store remembers beside its data, written in the same batch: where its changelogs go on, how far
//! its inputs were read, which changelogs it was built from.
//!
//! In memory a column is a place; in bytes it is a name, so that a topology may gain, lose or reorder
//! stores. The form is versioned; reading it is total: whatever the bytes, an answer or a fault.

use std::sync::Arc;

use crate::error::{Fault, Result};
use crate::record::{Offset, Timestamp, TopicPartition};

const FORMAT: u8 = 1;

/// The checkpoint of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// By column: the next offset of its changelog to restore from. Shorter than the columns is fine.
    pub changelogs: Vec<Option<Offset>>,
    /// By column: the id of the genesis record of the changelog it was built from.
    pub genesis: Vec<Option<[u8; 16]>>,
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
            changelogs: Vec::new(),
            genesis: Vec::new(),
            inputs: Vec::new(),
            stream_time: Timestamp::MIN,
            committed_at: Timestamp::MIN,
        }
    }
}

impl Checkpoint {
    /// Appends the checkpoint, columns by the names given.
    pub fn encode(&self, columns: &[Arc<str>], out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.committed_at.0.to_le_bytes());
        out.extend_from_slice(&self.stream_time.0.to_le_bytes());
        out.extend_from_slice(&(columns.len() as u32).to_le_bytes());
        for (place, name) in columns.iter().enumerate() {
            encode_text(name, out);
            let changelog = self.changelogs.get(place).copied().flatten();
            out.extend_from_slice(&changelog.map_or(-1, |offset| offset.0).to_le_bytes());
            let genesis = self.genesis.get(place).copied().flatten();
            out.push(u8::from(genesis.is_some()));
            out.extend_from_slice(&genesis.unwrap_or_default());
        }
        out.extend_from_slice(&(self.inputs.len() as u32).to_le_bytes());
        for (input, offset) in &self.inputs {
            encode_text(&input.topic, out);
            out.extend_from_slice(&input.partition.to_le_bytes());
            out.extend_from_slice(&offset.0.to_le_bytes());
        }
    }

    /// Reads what [`Self::encode`] wrote, for these columns: one that was not there has no checkpoint, one
    /// that is not asked for is skipped. Other bytes are [`Fault::Fatal`]: the state is damaged.
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
        let mut checkpoint = Self {
            committed_at: Timestamp(i64::from_le_bytes(take(&mut rest)?)),
            stream_time: Timestamp(i64::from_le_bytes(take(&mut rest)?)),
            changelogs: vec![None; columns.len()],
            genesis: vec![None; columns.len()],
            inputs: Vec::new(),
        };
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let name = take_text(&mut rest)?;
            let changelog = i64::from_le_bytes(take(&mut rest)?);
            let [has_genesis] = take(&mut rest)?;
            let genesis = take::<16>(&mut rest)?;
            let Some(place) = columns.iter().position(|column| **column == *name) else { continue };
            *checkpoint.changelogs.get_mut(place)? = (changelog >= 0).then_some(Offset(changelog));
            *checkpoint.genesis.get_mut(place)? = (has_genesis == 1).then_some(genesis);
        }
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
            changelogs: vec![Some(Offset(7)), None],
            genesis: vec![None, Some([9; 16])],
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
    fn columns_are_found_by_name_when_the_topology_changed() {
        let moved = Checkpoint {
            changelogs: vec![None, None, Some(Offset(7))],
            genesis: vec![None, Some([9; 16]), None],
            ..checkpoint()
        };
        assert_eq!(Checkpoint::decode(&encoded(), &names(&["new", "due", "counts"])), Ok(moved));
        let fewer =
            Checkpoint { changelogs: vec![None], genesis: vec![Some([9; 16])], ..checkpoint() };
        assert_eq!(Checkpoint::decode(&encoded(), &names(&["due"])), Ok(fewer));
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
        let words = "checkpoint of the store has format 9, this program reads 1";
        assert_eq!(fault, Err(Fault::Fatal(words.into())));
    }
}
