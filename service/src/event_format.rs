//! How events that come over HTTP are written to their topic: in JSON, or in Avro under the id that the registry has for
//! our schema.
//!
//! The id is asked for on a thread of its own, until it is had; before that no event is taken, because none could be
//! written. Nothing is registered here: who may do that is not a matter of a process that serves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use connectors::backoff::Backoff;
use connectors::registry::{RegistrySettings, Subjects};
use schemas::{EVENTS_SCHEMA, Event, EventWriter, Trace};

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub enum EventFormat {
    /// In JSON.
    Json,
    /// In Avro.
    Avro(Arc<Writing>),
}

/// What is known of our schema.
#[derive(Debug, Default)]
pub struct Writing {
    writer: OnceLock<EventWriter>,
    /// Why it is not known yet.
    why_not: Mutex<String>,
}

impl EventFormat {
    /// In Avro, once the registry knows our schema; asks until then, or until `stop`.
    pub fn avro(registry: RegistrySettings, stop: Arc<AtomicBool>) -> std::io::Result<Self> {
        let writing = Arc::new(Writing::default());
        let ask = {
            let writing = Arc::clone(&writing);
            // Its client must not be made where futures run.
            move || match Subjects::open(registry) {
                Ok(subjects) => writing.learn(&subjects, &stop),
                Err(why) => writing.set_why_not(why),
            }
        };
        thread::Builder::new().name("event-schema".to_owned()).spawn(ask)?;
        Ok(Self::Avro(writing))
    }

    /// An event as its topic carries it; fails, in words, if it cannot be written now.
    pub fn write(&self, event: &Event, trace: &Trace<'_>) -> Result<Vec<u8>, String> {
        match self {
            Self::Json => Ok(event.to_json(trace).into_bytes()),
            Self::Avro(writing) => match writing.writer.get() {
                Some(writer) => writer.write(event, trace),
                None => Err(writing.why_not()),
            },
        }
    }

    /// Whether events can be written.
    pub fn look(&self) -> Result<(), String> {
        match self {
            Self::Avro(writing) if writing.writer.get().is_none() => {
                Err(format!("no event is taken: {}", writing.why_not()))
            }
            Self::Avro(_) | Self::Json => Ok(()),
        }
    }
}

impl Writing {
    fn learn(&self, subjects: &Subjects, stop: &AtomicBool) {
        let mut backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        while !stop.load(Ordering::Relaxed) {
            match ask(subjects) {
                Ok(writer) => return drop(self.writer.set(writer)),
                Err(why) => self.set_why_not(why),
            }
            backoff.pause(stop);
        }
    }

    fn why_not(&self) -> String {
        self.why_not.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another reason is told.
    fn set_why_not(&self, why: String) {
        let mut known = self.why_not.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != why {
            tracing::warn!(why, "events cannot be written in avro yet; none is taken");
            *known = why;
        }
    }
}

fn ask(subjects: &Subjects) -> Result<EventWriter, String> {
    let subject = EVENTS_SCHEMA.subject();
    let found = subjects.find(&subject, EVENTS_SCHEMA.schema).map_err(|fault| fault.to_string())?;
    let found = found.ok_or_else(|| {
        format!("{subject} has not the schema of this version: `feedmill schema register`")
    })?;
    EventWriter::new(found.id)
}
