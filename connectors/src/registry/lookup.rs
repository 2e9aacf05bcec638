//! Schemas by their ids, for those who read.
//!
//! A schema is fetched once and never changes; so many are kept that a topic with more would be a fault of its producer.
//! Whoever asks never waits: a thread fetches, and until it has, the schema is unavailable. Only the registry's own word that
//! it has no such schema makes one unknown, and that word is asked for again after a while; whatever else it answers (a log-in
//! refused, a fault of its own) may be mended, and nothing is given up for it.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use schema_registry_converter::blocking::schema_registry::{SrSettings, get_schema_by_id};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType};
use schemas::{Lookup, SchemaById, WriterSchema};

use super::{CALL_MAX, RegistrySettings, http_client};
use crate::causes::deepest;

/// How many schemas are kept.
const KEPT_MAX: usize = 10_000;
/// How long it waits after a call that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long it is believed that there is no such schema.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// See the module.
pub struct Registry(Arc<Shared>);

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    asked: Condvar,
}

#[derive(Default)]
struct Known {
    found: HashMap<u32, Found>,
    wanted: BTreeSet<u32>,
    /// What the last call failed with, if it did.
    failed: Option<String>,
    closing: bool,
}

enum Found {
    Schema(Arc<WriterSchema>),
    /// None, in words; known since.
    Nothing(String, Instant),
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Begins to fetch what will be asked for; fails, in words, if the settings name no registry.
    pub fn open(settings: &RegistrySettings) -> Result<Self, String> {
        let [first, others @ ..] = &settings.urls[..] else { return Err("no URL".into()) };
        let mut builder = SrSettings::new_builder(first.clone());
        for url in others {
            builder.add_url(url.clone());
        }
        if let Some((user, password)) = &settings.login {
            builder.set_basic_authorization(user, Some(password));
        }
        let http = http_client(settings.ca.as_deref())?;
        let client = builder.set_timeout(CALL_MAX).build_with(http).map_err(|error| error.error)?;
        let shared = Arc::new(Shared::default());
        let spawned = thread::Builder::new().name("registry".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.fetch_all(&client)
        });
        spawned.map_err(|error| error.to_string())?;
        Ok(Self(shared))
    }

    /// What the last call failed with; none if it did not.
    pub fn failed(&self) -> Option<String> {
        self.0.known.lock().failed.clone()
    }
}

/// Ends the thread, which is not waited for: it may wait for an answer that nobody needs any more.
impl Drop for Registry {
    fn drop(&mut self) {
        self.0.known.lock().closing = true;
        self.0.asked.notify_all();
    }
}

impl SchemaById for Registry {
    fn schema(&self, id: u32) -> Lookup {
        let mut known = self.0.known.lock();
        match known.found.get(&id) {
            Some(Found::Schema(schema)) => return Lookup::Ready(Arc::clone(schema)),
            Some(Found::Nothing(why, since)) if since.elapsed() < UNKNOWN_FOR => {
                return Lookup::Unknown(why.clone());
            }
            Some(Found::Nothing(..)) | None => {}
        }
        if known.wanted.insert(id) {
            self.0.asked.notify_one();
        }
        let why = known.failed.clone().unwrap_or_else(|| "the registry is asked for it".into());
        Lookup::Unavailable(why)
    }
}

impl Shared {
    /// The next that is wanted after the one tried last, so that one that fails keeps no other from being fetched; none
    /// once nobody asks any more.
    fn wait(&self, last: u32) -> Option<u32> {
        let mut known = self.known.lock();
        loop {
            if known.closing {
                return None;
            }
            let next = known.wanted.range(last.saturating_add(1)..).next();
            if let Some(id) = next.or_else(|| known.wanted.first()) {
                return Some(*id);
            }
            self.asked.wait(&mut known);
        }
    }

    fn fetch_all(&self, client: &SrSettings) {
        let mut last = 0;
        while let Some(id) = self.wait(last) {
            last = id;
            match fetch(client, id) {
                Ok(found) => self.known.lock().take_in(id, found),
                Err(why) => self.pause(why),
            }
        }
    }

    fn pause(&self, why: String) {
        let mut known = self.known.lock();
        if known.failed.as_ref() != Some(&why) {
            tracing::warn!(
                why,
                "the schema registry does not answer; records in Avro may wait for it"
            );
        }
        known.failed = Some(why);
        self.asked.wait_while_for(&mut known, |known| !known.closing, AGAIN_AFTER);
    }
}

impl Known {
    fn take_in(&mut self, id: u32, found: Found) {
        if self.failed.take().is_some() {
            tracing::info!("the schema registry answers again");
        }
        self.wanted.remove(&id);
        if self.found.len() >= KEPT_MAX {
            self.found.clear();
        }
        self.found.insert(id, found);
    }
}

/// What a call failed with, in one line. The schema's own address is left out: several that fail alike are one failure.
fn failure(error: &SRCError) -> String {
    let said = &error.error;
    let Some(cause) = error.source() else { return said.clone() };
    // The crate's words for an answer that is no error of a registry's.
    if cause.downcast_ref::<RawError>().is_some_and(|raw| raw.error_code == 0) {
        return said.clone();
    }
    let url = cause.downcast_ref::<reqwest::Error>().and_then(reqwest::Error::url);
    let at = url.map(|url| format!("{}: ", url.origin().ascii_serialization()));
    format!("{said}: {}{}", at.unwrap_or_default(), deepest(cause))
}

/// Asks for one schema; fails, in words, if the registry does not say whether it has it.
fn fetch(client: &SrSettings, id: u32) -> Result<Found, String> {
    let nothing = |why: String| Ok(Found::Nothing(why, Instant::now()));
    let schema = match get_schema_by_id(id, client) {
        Ok(schema) => schema,
        Err(error) if error.error.contains("status 404") => {
            return nothing("the registry has no such schema".into());
        }
        Err(error) => return Err(failure(&error)),
    };
    if schema.schema_type != SchemaType::Avro {
        return nothing(format!("it is no schema of Avro, but {:?}", schema.schema_type));
    }
    if !schema.references.is_empty() {
        return nothing("it refers to other schemas, which is not supported".into());
    }
    match WriterSchema::from_str(&schema.schema) {
        Ok(schema) => Ok(Found::Schema(Arc::new(schema))),
        Err(why) => nothing(format!("its schema cannot be used: {why}")),
    }
}
