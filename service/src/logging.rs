//! What this process tells, on standard error: lines for people, or JSON objects for programs.
//!
//! It is put together here and nowhere else: one filter, and the layers behind it. A layer has no filter of its own, because that
//! loses lines: whoever logs by the crate `log` asks first whether a line is wanted, and a "no" stays behind for the next one, whosesoever it is.
//!
//! What is logged while a request is worked on bears its id, by its span. Names, words and tokens of users are in no line that is told unless somebody asks for more than `info`.

use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Level, Log, LogFormat};

/// What this process tells. How much of it may change while it runs.
pub struct Logging {
    /// What is told where nothing is set.
    usual: Level,
    filter: OnceLock<reload::Handle<EnvFilter, Registry>>,
}

impl Logging {
    /// Nothing yet; less than usual if the process `is_quiet`: where the engine runs inside of a command that a person reads, what
    /// goes well is no news.
    pub fn new(is_quiet: bool) -> Self {
        Self { usual: Level::usual(is_quiet), filter: OnceLock::new() }
    }

    /// Tells what `log` says from now on. What it said first of the form holds: spans that are open are written in it.
    pub fn follow(&self, log: &Log) {
        let level = log.level.as_ref().unwrap_or(&self.usual).filter();
        let Some(filter) = self.filter.get() else { return self.start(log.format, level) };
        if let Err(fault) = filter.reload(level) {
            tracing::error!(%fault, "what is told stays as it was");
        }
    }

    fn start(&self, format: LogFormat, level: EnvFilter) {
        let (filter, handle) = reload::Layer::new(level);
        // Where somebody tells already, that goes on.
        let _ = tracing_subscriber::registry().with(filter).with(lines(format)).try_init();
        let _ = self.filter.set(handle);
    }
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(stderr);
    match format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    }
}
