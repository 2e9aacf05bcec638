//! Lists of partitions with offsets, as librdkafka passes them.
//!
//! Made by the crate, and read here: its elements panic at words beside an offset that are no UTF-8, and whoever commits
//! to a group may have written any.

use rdkafka::{Offset as Place, TopicPartitionList};
use rdkafka_sys as sys;

use super::{c_string, owned, plain};
use crate::broker::kafka::errors::told;
use crate::broker::{Call, Failure, Position};
use crate::record::{Offset, TopicPartition};

/// Where an assigned partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker::kafka) enum OffsetSpec {
    /// At this offset.
    At(Offset),
    /// After the last record.
    End,
    /// Nowhere: the list only names the partition.
    Unset,
}

impl OffsetSpec {
    fn place(self) -> Place {
        match self {
            Self::At(offset) => Place::Offset(offset.0),
            Self::End => Place::End,
            Self::Unset => Place::Invalid,
        }
    }
}

/// A list of partitions, owned.
#[derive(Debug)]
pub(in crate::broker::kafka) struct List {
    inner: TopicPartitionList,
    call: Call,
}

impl List {
    /// These partitions, in this order, for `call`.
    pub(in crate::broker::kafka) fn new<'a>(
        call: Call,
        partitions: impl IntoIterator<Item = (&'a TopicPartition, OffsetSpec)>,
    ) -> Result<Self, Failure> {
        Self::with_metadata(call, partitions.into_iter().map(|(of, place)| (of, place, "")))
    }

    /// The same, each with words that are committed beside its offset.
    pub(in crate::broker::kafka) fn with_metadata<'a>(
        call: Call,
        partitions: impl IntoIterator<Item = (&'a TopicPartition, OffsetSpec, &'a str)>,
    ) -> Result<Self, Failure> {
        let mut inner = TopicPartitionList::new();
        for (of, place, metadata) in partitions {
            // Looked at before: the crate panics at a name that C cannot read.
            c_string(call, &of.topic)?;
            let mut element = inner.add_partition(&of.topic, of.partition);
            element.set_offset(place.place()).map_err(|refused| told(call, refused))?;
            if !metadata.is_empty() {
                element.set_metadata(metadata);
            }
        }
        Ok(Self { inner, call })
    }

    /// The list, for calls of the crate.
    pub(in crate::broker::kafka) fn inner(&self) -> &TopicPartitionList {
        &self.inner
    }

    pub(super) fn raw(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.inner.ptr()
    }

    /// The offsets in the list's order; `None` where none is set. The first partition in error fails it.
    pub(in crate::broker::kafka) fn offsets(&self) -> Result<Vec<Option<Offset>>, Failure> {
        let positions = self.positions()?;
        Ok(positions.into_iter().map(|position| Some(position?.next)).collect())
    }

    /// The same, with the words that were committed beside them.
    pub(in crate::broker::kafka) fn positions(&self) -> Result<Vec<Option<Position>>, Failure> {
        // SAFETY: a live list that is not written to while borrowed.
        let elements = unsafe { elements(self.raw()) };
        elements
            .iter()
            .map(|element| {
                plain(self.call, element.err)?;
                let next = Offset(element.offset);
                Ok((element.offset >= 0).then(|| Position { next, metadata: metadata(element) }))
            })
            .collect()
    }
}

/// The words beside an offset.
fn metadata(element: &sys::rd_kafka_topic_partition_t) -> String {
    if element.metadata.is_null() {
        return String::new();
    }
    // SAFETY: so many bytes lie there while the list lives.
    let bytes =
        unsafe { std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// The elements of a list.
///
/// # Safety
/// `list` is null or a list that lives and is not written to during `'a`.
pub(super) unsafe fn elements<'a>(
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> &'a [sys::rd_kafka_topic_partition_t] {
    // SAFETY: the caller promises a live list; `elems` holds `cnt` elements, and is null only if that is 0.
    unsafe {
        let Some(list) = list.as_ref() else { return &[] };
        if list.elems.is_null() {
            return &[];
        }
        std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or_default())
    }
}

/// Topic and partition of each element, copied.
///
/// # Safety
/// As [`elements`].
pub(super) unsafe fn partitions(
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> Vec<TopicPartition> {
    // SAFETY: the caller promises a live list, whose topics are C strings.
    unsafe {
        elements(list)
            .iter()
            .map(|element| TopicPartition::new(owned(element.topic), element.partition))
            .collect()
    }
}
