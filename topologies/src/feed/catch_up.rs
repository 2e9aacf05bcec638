//! Catching up: what changes ask for while the process lags is put off until it does not.
//!
//! A backlog may hold thousands of changes of one feed, and a feed made in the middle of it says what was, not what is. So a
//! reader is ranked once the backlog is worked off; who is online, at once and then every ten seconds meanwhile.
//! Whom a change concerns is noted by author, and read up at the end: that is a row an author instead of one a reader.
//! The notes are in memory only. A timer tells the next start that there were some: it ranks everybody instead.

use std::collections::BTreeMap;

use millstream::{Result, Timestamp};
use schemas::{TrendingKey, UserId};

use super::reader::{ReaderContext, ReaderProcessor};
use crate::layout::Pair;
use crate::reader::schedule::{Class, LAGGING_MS};

/// The timer that fires as long as something is put off.
pub(super) const PUT_OFF: TrendingKey = TrendingKey(1);

/// To look for an author's rows costs about as much as to read so many of others on the way.
const SKIPPED_MAX: usize = 16;

/// Whom changes concern that came while the process lagged.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    authors: BTreeMap<UserId, Class>,
    everybody: Option<Class>,
    /// Whether an earlier start of the task has put off what is not known here.
    unknown: bool,
    /// Whether the timer is set.
    marked: bool,
}

impl PutOff {
    fn author(&mut self, author: &UserId, class: Class) {
        let of = self.authors.entry(*author).or_insert(class);
        *of = class.sooner(*of);
    }

    fn everybody(&mut self, class: Class) {
        self.everybody = Some(self.everybody.map_or(class, |of| class.sooner(of)));
    }
}

impl ReaderProcessor {
    /// Notes that a change concerns the audience of `author`.
    pub(super) fn put_off_audience(
        &mut self,
        author: &UserId,
        class: Class,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        self.put_off.author(author, class);
        self.mark_put_off(cx)
    }

    /// Notes that a change concerns every reader.
    pub(super) fn put_off_everybody(
        &mut self,
        class: Class,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        self.put_off.everybody(class);
        self.mark_put_off(cx)
    }

    /// Notes that everybody who was not ranked since the start is to be.
    pub(super) fn put_off_all(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        self.put_off.unknown = true;
        self.mark_put_off(cx)
    }

    /// Notes that a reader has a ranking put off, or that somebody has.
    pub(super) fn mark_put_off(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        if std::mem::replace(&mut self.put_off.marked, true) {
            return Ok(());
        }
        let at = cx.wall_time().0.saturating_add(LAGGING_MS);
        cx.timers(self.everybody_due)?.owe_sooner(&PUT_OFF, Timestamp(at))
    }

    /// What an earlier start put off, if it did, is not known any more.
    pub(super) fn recall_put_off(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        self.put_off.unknown = cx.timers(self.everybody_due)?.deadline(&PUT_OFF).is_some();
        Ok(())
    }

    /// The process has lagged for so long that those who are online should see something.
    pub(super) fn rank_meanwhile(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        self.put_off.marked = false;
        self.mark_put_off(cx)?;
        let users = self.readers(cx, |reader, now| reader.presence.is_online(now))?;
        users.iter().try_for_each(|user| self.touch(user, Class::Urgent, cx))
    }

    /// Touches whom it was put off for.
    pub(super) fn catch_up(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        let put_off = std::mem::take(&mut self.put_off);
        cx.timers(self.everybody_due)?.cancel(&PUT_OFF)?;
        if put_off.unknown {
            self.rank_all_once(cx)?;
        }
        match put_off.everybody {
            Some(Class::Urgent) => self.touch_everybody(cx)?,
            Some(Class::Soft) => self.touch_everybody_softly(cx)?,
            None => {}
        }
        let readers = self.audiences(&put_off.authors, cx)?;
        readers.iter().try_for_each(|(user, class)| self.touch(user, *class, cx))?;
        let waiting = self.readers(cx, |reader, now| reader.schedule.is_put_off(now))?;
        waiting.iter().try_for_each(|user| self.touch(user, Class::Urgent, cx))
    }

    /// The readers in the audiences of all these authors, each once with the soonest of the classes. Most authors' rows lie side by
    /// side: they are read in one scan for as long as few of others lie between.
    fn audiences(
        &self,
        authors: &BTreeMap<UserId, Class>,
        cx: &mut ReaderContext<'_>,
    ) -> Result<BTreeMap<UserId, Class>> {
        let (audience, mut readers) = (cx.store(self.audience)?, BTreeMap::new());
        let Some((last, _)) = authors.last_key_value() else { return Ok(readers) };
        // Longer than any key of theirs.
        let end = [&last.0[..], &[u8::MAX; 17]].concat();
        let mut next = authors.iter().next();
        while let Some((first, _)) = next {
            let (mut between, mut rest) = (0, authors.range(first..).peekable());
            audience.scan_bytes(&first.0, Some(&end), |Pair(author, user), ()| {
                while rest.next_if(|(of, _)| *of < author).is_some() {}
                match rest.peek() {
                    None => return false,
                    Some((of, class)) if *of == author => {
                        let kept = readers.entry(*user).or_insert(**class);
                        *kept = class.sooner(*kept);
                    }
                    Some(_) => between += 1,
                }
                between < SKIPPED_MAX
            })?;
            // A scan that was not stopped has seen all rows there are.
            next = rest.next().filter(|_| between == SKIPPED_MAX);
        }
        Ok(readers)
    }
}
