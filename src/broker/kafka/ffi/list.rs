//! Lists of partitions with offsets, as librdkafka passes them.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use rdkafka_sys as sys;

use super::{c_string, owned, plain};
use crate::broker::{Call, Code, Failure, Position};
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
    fn number(self) -> i64 {
        match self {
            Self::At(offset) => offset.0,
            Self::End => i64::from(sys::RD_KAFKA_OFFSET_END),
            Self::Unset => i64::from(sys::RD_KAFKA_OFFSET_INVALID),
        }
    }
}

/// A list of partitions, owned.
#[derive(Debug)]
pub(in crate::broker::kafka) struct List {
    raw: NonNull<sys::rd_kafka_topic_partition_list_t>,
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
        let partitions = partitions.into_iter();
        let size = c_int::try_from(partitions.size_hint().0).unwrap_or_default();
        // SAFETY: allocates; aborts the process rather than answer null.
        let raw = unsafe { sys::rd_kafka_topic_partition_list_new(size) };
        let Some(raw) = NonNull::new(raw) else {
            return Err(Failure::new(call, Code::Other(0), "no memory for a list"));
        };
        let list = Self { raw, call };
        for (of, place, metadata) in partitions {
            let topic = c_string(call, &of.topic)?;
            // SAFETY: a live list and a C string, which it copies; the element lives in the list.
            unsafe {
                let element = sys::rd_kafka_topic_partition_list_add(
                    raw.as_ptr(),
                    topic.as_ptr(),
                    of.partition,
                );
                (*element).offset = place.number();
                set_metadata(&mut *element, metadata);
            }
        }
        Ok(list)
    }

    pub(super) fn raw(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.raw.as_ptr()
    }

    /// The offsets in the list's order; `None` where none is set. The first partition in error fails it.
    pub(in crate::broker::kafka) fn offsets(&self) -> Result<Vec<Option<Offset>>, Failure> {
        let positions = self.positions()?;
        Ok(positions.into_iter().map(|position| Some(position?.next)).collect())
    }

    /// The same, with the words that were committed beside them.
    pub(in crate::broker::kafka) fn positions(&self) -> Result<Vec<Option<Position>>, Failure> {
        // SAFETY: a live list that is not written to while borrowed.
        let elements = unsafe { elements(self.raw.as_ptr()) };
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

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: ours, once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.raw.as_ptr()) };
    }
}

/// Puts words beside an offset, in memory that the list frees.
fn set_metadata(element: &mut sys::rd_kafka_topic_partition_t, words: &str) {
    if words.is_empty() {
        return;
    }
    // SAFETY: asks for as many bytes as are written to, if there are any; a handle is not needed to allocate.
    unsafe {
        let place = sys::rd_kafka_mem_malloc(ptr::null_mut(), words.len());
        if !place.is_null() {
            ptr::copy_nonoverlapping(words.as_ptr(), place.cast(), words.len());
            (element.metadata, element.metadata_size) = (place, words.len());
        }
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
