//! The configuration in force, and the values of it that may change while the process runs.
//!
//! Whoever needs such a value holds a [`Live`] and asks it each time; so there is one place that says what holds, and a change of
//! it is everybody's at once.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Config;

/// The configuration in force. Cheap to clone; all clones are of the same.
#[derive(Clone)]
pub struct InForce(Arc<ArcSwap<Config>>);

impl InForce {
    /// `config`, until another one is.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// As it is now.
    pub fn config(&self) -> Arc<Config> {
        self.0.load_full()
    }

    /// Puts another one in force.
    pub fn set(&self, config: Config) {
        self.0.store(Arc::new(config));
    }

    /// A value of it. Of settings that need a restart it says what held at the start.
    pub fn live<T>(&self, of: impl Fn(&Config) -> T + Send + Sync + 'static) -> Live<T> {
        let all = Arc::clone(&self.0);
        Live::asking(move || of(&all.load()))
    }
}

/// One that nobody changes.
impl From<&Config> for InForce {
    fn from(config: &Config) -> Self {
        Self::new(config.clone())
    }
}

/// A value that may be another one whenever it is asked for.
pub struct Live<T>(Arc<dyn Fn() -> T + Send + Sync>);

impl<T> Live<T> {
    /// What `ask` answers.
    pub fn asking(ask: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// What it is now.
    pub fn get(&self) -> T {
        (self.0)()
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// One that stays as it is.
impl<T: Clone + Send + Sync + 'static> From<T> for Live<T> {
    fn from(value: T) -> Self {
        Self::asking(move || value.clone())
    }
}
