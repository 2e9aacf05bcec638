//! Catching up: what changes ask for while the process lags is put off until it does not.
//!
//! A backlog may hold thousands of changes of one feed, and a feed made in the middle of it says what was, not what is. So a
//! reader is ranked at first sight, and then once the backlog is worked off; who is online, every ten seconds meanwhile.
//! Whom a change concerns is noted by author, and read up at the end: that is a row an author instead of one a reader.
//! The notes are in memory only. A timer tells the next start that there were some: it ranks everybody instead.

use std::collections::BTreeMap;

use millstream::{Result, Timestamp};
use schemas::{TrendingKey, UserId};

use super::reader::{ReaderContext, ReaderProcessor};
use crate::reader::schedule::{Class, LAGGING_MS};

/// The timer that fires as long as something is put off.
pub(super) const PUT_OFF: TrendingKey = TrendingKey(1);

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
        let mut authors = put_off.authors.iter();
        authors.try_for_each(|(author, class)| self.touch_audience(author, *class, cx))?;
        let waiting = self.readers(cx, |reader, now| reader.schedule.is_put_off(now))?;
        waiting.iter().try_for_each(|user| self.touch(user, Class::Urgent, cx))
    }
}
