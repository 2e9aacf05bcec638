//! The words of posts, as everybody hears of them: topic `post-words`, from the rows of posts, for as long as a post may have a line.
//!
//! What is kept of a post is how new its words are, until it is too old: of a row that is read again, older than what was
//! said, nothing is said. A post that is deleted keeps its words: it may come back, and its text is not always told again. One that
//! trends when it is older has no words any more.

use millstream::{
    Builder, Context, Due, Nullable, Processor, Rec, Result, Store, Timers, Timestamp,
};
use schemas::{Cdc, Payload, PostId, PostText, Words, topic};

use super::{FeedSettings, Raw};
use crate::ingest::epochs::CdcEpochs;
use crate::ingest::row::{RowVersion, is_newer};
use crate::layout::{KeySerde, RowSerde, WireSerde};

/// Words stay for so long beyond the line.
const SLACK_MS: i64 = 3_600_000;

type Input = Option<Payload>;
type WordsContext<'a> = Context<'a, PostId, Option<Words>>;

/// Adds them to the sub-topology that reads `rows`.
pub(super) fn attach(builder: &Builder, settings: &FeedSettings, rows: &Raw) {
    let versions = builder.store("word-rows", KeySerde, RowSerde);
    let ends = builder.timers("word-rows-end", KeySerde);
    let (epochs, policy) = (settings.cdc_epochs.clone(), settings.line_policy);
    let age_ms_max = policy.age_ms_max.saturating_add(SLACK_MS);
    rows.process("ingest-words", &[versions.into(), ends.into()], move || IngestWords {
        versions,
        ends,
        epochs: epochs.clone(),
        age_ms_max,
    })
    .to(&settings.topic(&topic::POST_WORDS), WireSerde, Nullable(WireSerde));
}

struct IngestWords {
    versions: Store<PostId, RowVersion>,
    ends: Timers<PostId>,
    epochs: CdcEpochs,
    age_ms_max: i64,
}

impl Processor for IngestWords {
    type KeyIn = Input;
    type ValueIn = Input;
    type KeyOut = PostId;
    type ValueOut = Option<Words>;

    /// What is no row of a post others have dead-lettered.
    fn process(&mut self, record: Rec<'_, Input, Input>, cx: &mut WordsContext<'_>) -> Result<()> {
        let decoded = Cdc::<PostText>::decode(record.key.as_ref(), record.value.as_ref());
        let Ok(Cdc::Change(change)) = decoded else { return Ok(()) };
        let (Some(row), None) = (change.live(), change.implausible(record.at.0)) else {
            return Ok(());
        };
        let (post, ends) = (row.post.id, row.post.created_at_ms.saturating_add(self.age_ms_max));
        if ends <= cx.wall_time().0 {
            return Ok(());
        }
        let next = RowVersion { mark: change.mark(self.epochs.at(record.at.0)), live: true };
        let versions = cx.store(self.versions)?;
        let stored = versions.get(&post)?.copied();
        if !is_newer(next, stored) {
            return Ok(());
        }
        versions.put(&post, next)?;
        cx.timers(self.ends)?.set(&post, Timestamp(ends))?;
        // Those that are not told again stay.
        let Some(words) = row.words() else { return Ok(()) };
        match (words.is_empty(), stored) {
            (true, None) => Ok(()),
            (true, Some(_)) => cx.forward(&post, &None),
            (false, _) => cx.forward(&post, &Some(words)),
        }
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut WordsContext<'_>) -> Result<()> {
        let Some(post) = due.of(self.ends) else { return Ok(()) };
        cx.store(self.versions)?.delete(post)?;
        cx.forward(post, &None)
    }
}
