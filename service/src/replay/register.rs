//! Where it stands is written: one key of topic `<first>-live`, of which the last value counts.
//!
//! A change is one record, so that there is no moment in which two applications are live, or none. It is written in a transaction
//! whose id is the same for whoever changes anything: of two who do at once, the one that began first is fenced, and has changed
//! nothing. Where the topic or its record is missing, the first application is live.

use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::Broker;
use millstream::{Clock, Exit, SystemClock, Topic};
use schemas::{application, topic};

use super::standing::{Standing, Verb};
use crate::commands::log_reader::LogReader;
use crate::commands::topics;
use crate::failed::Failed;
use crate::sole_writer::SoleWriter;

const KEY: &[u8] = b"standing";
/// How long the election of a leader may take. A cluster that is away takes longer to say so.
const LEADER_WAIT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Clone, Copy)]
pub struct Register<'a> {
    broker: &'a dyn Broker,
    first: &'a str,
}

impl<'a> Register<'a> {
    /// That of `app` and of all that are called after the same first one.
    pub fn of(broker: &'a dyn Broker, app: &'a str) -> Self {
        Self { broker, first: application::first(app) }
    }

    fn topic(self) -> Topic {
        topic::live(self.first).into()
    }

    /// As it stands now. Who leads a topic that was made a moment ago may not be known yet: that is waited for.
    pub fn read(self) -> Result<Standing, Failed> {
        let began = Instant::now();
        loop {
            match self.read_once() {
                Err(Failed(Exit::Unavailable, _)) if began.elapsed() < LEADER_WAIT => {
                    thread::sleep(LOOK_EVERY);
                }
                read => return read,
            }
        }
    }

    fn read_once(self) -> Result<Standing, Failed> {
        let mut standing = Standing::default();
        let Some(mut log) = self.log()? else { return Ok(standing) };
        while !log.is_at_end() {
            if let Some(found) = next(&mut log)? {
                standing = found;
            }
        }
        Ok(standing)
    }

    /// Its log, to be read from its beginning; none while there is no such topic.
    pub(super) fn log(self) -> Result<Option<LogReader>, Failed> {
        LogReader::of_one(self.broker, self.first, &self.topic())
    }

    /// Changes it, if it may be; answers what it is then.
    pub fn change(self, verb: Verb) -> Result<Standing, Failed> {
        let name = topic::live(self.first);
        topics::make(self.broker, self.first, &name)?;
        let id = format!("{}-live", self.first);
        // Whoever began before cannot commit any more, and what they committed is read now.
        let mut topic = SoleWriter::open(self.broker, &id, &[&name])?;
        let before = self.read()?;
        let after = before.after(verb).map_err(|words| Failed(Exit::Mismatch, words))?;
        if after != before {
            let value = serde_json::to_vec(&after).map_err(|e| e.to_string())?;
            topic.push(0, (KEY, &value), SystemClock.now());
            topic.commit()?;
        }
        Ok(after)
    }
}

/// The last word of what has come, if any has.
pub(super) fn next(log: &mut LogReader) -> Result<Option<Standing>, Failed> {
    let mut last = None;
    for batch in &log.poll()?.batches {
        for record in batch.iter().filter(|record| record.key == Some(KEY)) {
            let read = record.value.map_or(Ok(Standing::default()), serde_json::from_slice);
            let words =
                |e| format!("{}@{}: which application is live: {e}", batch.source(), record.offset);
            last = Some(read.map_err(|e| Failed(Exit::Mismatch, words(e)))?);
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream::broker::embedded::Embedded;

    use super::*;

    #[test]
    fn what_was_changed_is_read_by_everybody_and_what_is_refused_changes_nothing() {
        let broker = Embedded::new(Arc::new(SystemClock));
        let register = Register::of(&broker, "feed-replay-1");
        assert_eq!(register.read().unwrap(), Standing::default());
        let started = register.change(Verb::Start).unwrap();
        assert_eq!(Register::of(&broker, "feed").read().unwrap(), started);
        let refused = register.change(Verb::Switch { anyway: false });
        assert_eq!(refused.map_err(|Failed(exit, _)| exit), Err(Exit::Mismatch));
        assert_eq!(register.read().unwrap(), started);
        assert_eq!(register.change(Verb::Start).unwrap(), started, "begun again, it goes on");
    }
}
