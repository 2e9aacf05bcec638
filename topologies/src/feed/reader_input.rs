//! What the sub-topology of readers takes in, each under the reader: facts, reads, and what they said of others or chose.

use millstream::{Builder, Rec, Stream};
use schemas::{Dismissal, Preferences, Read, ToUser, UserId, topic};

use super::Between;
use crate::layout::WireSerde;

/// One thing.
pub(super) enum ReaderInput {
    /// Something of `by-user`.
    Fact(ToUser),
    /// A read of the feed.
    Read(Read),
    /// Somebody is not to be suggested.
    Dismissal(Dismissal),
    /// What the reader chose.
    Chosen(Preferences),
}

impl ReaderInput {
    /// All of it, as it comes.
    pub(super) fn of(builder: &Builder, between: &Between) -> Stream<UserId, Self> {
        let facts = builder
            .from(&between.users)
            .flat_map("reader", |fact, out| out.emit(fact.key, &Self::Fact(*fact.value)));
        let reads = builder
            .stream(topic::READS.name, WireSerde, WireSerde)
            .flat_map("reader-reads", |read: Rec<'_, UserId, Read>, out| {
                out.emit(read.key, &Self::Read(read.value.clone()))
            });
        let dismissals = builder
            .stream(topic::DISMISSALS.name, WireSerde, WireSerde)
            .flat_map("reader-dismissals", |said, out| {
                out.emit(said.key, &Self::Dismissal(*said.value))
            });
        let chosen = builder.stream(topic::PREFERENCES.name, WireSerde, WireSerde).flat_map(
            "reader-preferences",
            |chosen: Rec<'_, UserId, Preferences>, out| {
                out.emit(chosen.key, &Self::Chosen(chosen.value.clone()))
            },
        );
        facts.merge(&reads).merge(&dismissals).merge(&chosen)
    }
}
