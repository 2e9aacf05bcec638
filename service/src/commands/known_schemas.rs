//! The registry's schemas, for a command that does one thing: it waits for one that it needs.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use connectors::registry::Registry;
use millstream::Exit;
use schemas::{NoRegistry, Payload, SchemaById};

use crate::config::Config;
use crate::failed::Failed;
use crate::needs;

/// How long a schema may take to come, and how often it is asked for.
const WAIT: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(50);

/// See the module.
pub struct KnownSchemas(Arc<dyn SchemaById>);

impl KnownSchemas {
    /// Those of the registry that is configured, or none.
    pub fn open(config: &Config) -> Result<Self, Failed> {
        let settings = needs::registry(config).map_err(|words| Failed(Exit::Usage, words))?;
        let Some(settings) = settings else { return Ok(Self(Arc::new(NoRegistry))) };
        let registry = Registry::open(&settings);
        let registry = registry.map_err(|words| Failed(Exit::Usage, format!("registry: {words}")));
        Ok(Self(Arc::new(registry?)))
    }

    /// Takes bytes in, once their schema is there.
    pub fn fill(&self, payload: &mut Payload, bytes: Option<&[u8]>) -> Result<(), Failed> {
        let began = Instant::now();
        while let Err(words) = payload.fill(bytes.unwrap_or_default(), &*self.0) {
            if began.elapsed() > WAIT {
                return Err(Failed(Exit::Unavailable, words));
            }
            thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// For whoever decodes by itself; what was filled once is known.
    pub fn by_id(&self) -> Arc<dyn SchemaById> {
        Arc::clone(&self.0)
    }
}
