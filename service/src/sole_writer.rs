//! The only one at a time who writes what is set at run time: weight sets and flags, and which application is live.
//!
//! Whoever opens it fences whoever had it: of two who change something at once the first one's commit is refused, so that one
//! is told of the other and nothing is replaced unseen. What was read after it was opened is all that there was.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, Code, Failure, OutRecord, Outgoing, Producer, TopicIndex};
use millstream::{Exit, Headers, Timestamp, Topic};

use crate::failed::Failed;

const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// See the module.
pub struct SoleWriter {
    producer: Box<dyn Producer>,
    names: String,
    outgoing: Outgoing,
}

impl SoleWriter {
    /// Fences whoever had this identity; writes to these topics, which have one partition each.
    pub fn open(broker: &dyn Broker, id: &str, topics: &[&str]) -> Result<Self, Failed> {
        let names = topics.join(", ");
        let opened = || -> Result<_, Failure> {
            let topics: Arc<[Topic]> = topics.iter().map(|name| Topic::from(*name)).collect();
            let mut producer = broker.producer(Some(id), topics)?;
            producer.init(ACKNOWLEDGED_WITHIN)?;
            Ok(producer)
        };
        let producer = opened().map_err(|failure| failed(&names, &failure))?;
        Ok(Self { producer, names, outgoing: Outgoing::default() })
    }

    /// Has a record written by the next commit, to the topic at this place of those it was opened for.
    pub fn push(&mut self, topic: u16, (key, value): (&[u8], &[u8]), timestamp: Timestamp) {
        self.outgoing.push(OutRecord {
            topic: TopicIndex(topic),
            partition: 0,
            logged: false,
            timestamp,
            key: Some(key),
            value: Some(value),
            headers: Headers::default(),
        });
    }

    /// Writes all of it or nothing.
    pub fn commit(&mut self) -> Result<(), Failed> {
        let mut sent = || -> Result<(), Failure> {
            self.producer.begin()?;
            self.producer.send(&self.outgoing)?;
            self.producer.flush(ACKNOWLEDGED_WITHIN)?;
            self.producer.commit().map(drop)
        };
        let sent = sent();
        self.outgoing.clear();
        sent.map_err(|failure| match failure.code == Code::Fenced {
            true => {
                let words = "somebody else changed something meanwhile; look at it, and try again";
                Failed(Exit::Mismatch, words.to_owned())
            }
            false => failed(&self.names, &failure),
        })
    }
}

fn failed(names: &str, failure: &Failure) -> Failed {
    Failed(failure.exit(), format!("{names}: {failure}"))
}
