//! How far the rebuilt application is in all that it reads, as its group's positions say. It joins no group.

use std::time::{Duration, Instant};

use millstream::broker::{Bounds, Broker, Isolation};
use millstream::{Topic, TopicPartition};
use schemas::topic::{ALL, Topic as Declared};

use super::inputs::Cut;
use super::progress::{CaughtUp, Progress};
use crate::backlog::Backlog;
use crate::config::Config;
use crate::failed::Failed;
use crate::worker;

/// Between two looks that are to show how fast it is, or that it stands still.
pub const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Looks again and again. How far it is, the inputs say; whether it is there, also the topics between its parts, which grow and
/// shrink meanwhile.
pub struct Look {
    inputs: Backlog,
    backlog: Backlog,
    before: Option<Before>,
    caught_up: CaughtUp,
    is_known: bool,
}

/// What a look saw.
struct Before {
    bounds: Vec<Bounds>,
    done: u64,
    when: Instant,
}

impl Look {
    /// Of the application that is configured; its topics have to be there.
    pub fn open(broker: &dyn Broker, config: &Config) -> Result<Self, Failed> {
        let topology = worker::topology(config)?;
        let inputs = topology.inputs();
        let all = [&inputs[..], &topology.internals()].concat();
        let [inputs, backlog] =
            [inputs, all].map(|topics| Backlog::in_topics(broker, &config.app, &topics));
        let (inputs, backlog) = (inputs?, backlog?);
        Ok(Self { inputs, backlog, before: None, caught_up: CaughtUp::default(), is_known: false })
    }

    /// How far it is; the first look does not know how fast.
    pub fn again(&mut self) -> Result<Progress, Failed> {
        let (inputs, bounds) = (self.inputs.bounds()?, self.backlog.bounds()?);
        let when = Instant::now();
        let span = |of: &Bounds| u64::try_from(of.end.0 - of.start.0).unwrap_or(0);
        let all: u64 = inputs.iter().map(span).sum();
        if let Some(before) = &self.before {
            let left = self.backlog.before(&before.bounds)?;
            self.caught_up.look(left, bounds.len() as u64);
        }
        let last = self.before.as_ref().map_or(0, |before| before.done);
        let left = self.inputs.before(&inputs)?;
        self.is_known |= left.is_some();
        let done = left.map_or(last, |left| all.saturating_sub(left));
        let since = self.before.as_ref().map(|before| (before.done, before.when.elapsed()));
        let since = since.unwrap_or((done, Duration::ZERO));
        self.before = Some(Before { bounds, done, when });
        Ok(Progress::between(since, (done, all)))
    }

    /// Whether its group has said where it is: one that was killed and goes on is not at the beginning.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether nothing was left at the last looks.
    pub fn has_caught_up(&self) -> bool {
        self.caught_up.is_so()
    }
}

/// The inputs of which the first records are gone.
pub fn cut(broker: &dyn Broker, config: &Config) -> Result<Vec<Cut>, Failed> {
    let inputs = worker::topology(config)?.inputs();
    let lost = |input: &Topic| lost(broker, &config.app, input);
    let mut cut = Vec::new();
    for input in &inputs {
        let declared: Option<&Declared> = ALL.iter().find(|of| *of.name == **input);
        let lost = lost(input)?;
        cut.extend(declared.and_then(|of| Cut::of(of, lost)));
    }
    Ok(cut)
}

/// How many offsets are gone from the beginning of a topic.
fn lost(broker: &dyn Broker, app: &str, topic: &Topic) -> Result<u64, Failed> {
    let partitions = broker.admin()?.partitions(std::slice::from_ref(topic))?;
    let mut consumer = broker.consumer(app, Isolation::ReadCommitted)?;
    let mut lost = 0;
    for partition in 0..partitions.first().copied().flatten().unwrap_or(0) {
        let bounds = consumer.bounds(&TopicPartition::new(topic.clone(), partition))?;
        lost += u64::try_from(bounds.start.0).unwrap_or(0);
    }
    Ok(lost)
}
