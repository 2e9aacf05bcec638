//! Writes what this instance says of itself, and hears what the others do: topic `<app>-instances`, two threads.
//!
//! It is written every second and as soon as tasks have moved; a clean stop is said too. Kafka that is away is waited for: what
//! was heard grows old meanwhile, and so does what others heard of this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use connectors::backoff::Backoff;
use millstream::broker::{
    Broker, Call, Code, Consumer, Failure, Isolation, OutRecord, Outgoing, Producer, TopicIndex,
};
use millstream::{Clock, Headers, Role, TaskId, Timestamp, Topic, TopicPartition};
use schemas::topic;

use super::OwnStores;
use super::announcement::{Announcement, Signer};
use super::directory::Directory;
use crate::again;

/// How often it is said, and how often is looked whether tasks have moved.
const EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a record may wait for its acknowledgement.
const WAIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(200);
/// Between two attempts after Kafka failed.
fn pauses() -> Backoff {
    Backoff::new(Duration::from_millis(200), Duration::from_secs(5))
}

/// What both threads work with.
#[derive(Clone)]
pub struct Announcing {
    /// The cluster.
    pub broker: Arc<dyn Broker>,
    /// The application, which names the topic.
    pub app: String,
    /// What this process shows.
    pub own: Arc<dyn OwnStores>,
    /// Who shows what.
    pub directory: Arc<Directory>,
    /// Where this instance is asked; nowhere if nobody can know.
    pub url: Option<String>,
    /// Signs and verifies.
    pub signer: Signer,
    /// Whose time announcements bear.
    pub clock: Arc<dyn Clock>,
}

/// What was said last.
struct Said {
    name: String,
    roles: Vec<(TaskId, Role)>,
    when: Instant,
}

impl Announcing {
    /// Starts the threads, which end when `stop` is set; the first has said by its end that this instance stops.
    pub fn start(self, stop: &Arc<AtomicBool>) -> std::io::Result<thread::JoinHandle<()>> {
        let (hearing, stopped) = (self.clone(), Arc::clone(stop));
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("instances").spawn(move || {
            let once = || hearing.hear(&stopped);
            again::until_done(&stopped, "instances are not heard of", pauses(), once);
        })?;
        let stopped = Arc::clone(stop);
        named("announce").spawn(move || {
            let once = || self.say(&stopped);
            again::until_done(&stopped, "this instance is not announced", pauses(), once);
        })
    }

    fn topic(&self) -> Topic {
        topic::instances(&self.app).into()
    }

    /// Says what this process shows, until it stops, and then that.
    fn say(&self, stop: &AtomicBool) -> Result<(), Failure> {
        let Some(url) = &self.url else { return Ok(()) };
        self.wait_for_worker(stop);
        let mut producer = self.broker.producer(None, Arc::from([self.topic()]))?;
        let mut said: Option<Said> = None;
        while !stop.load(Ordering::Relaxed) {
            thread::park_timeout(LOOK_EVERY);
            // Where no worker runs, nothing is shown: what was said grows old.
            let Ok((query, name)) = self.own.stores() else { continue };
            let roles = query.roles();
            let is_news = said
                .as_ref()
                .is_none_or(|said| said.when.elapsed() >= EVERY || said.roles != roles);
            if is_news {
                let announcement = Announcement::of(url, &query.stores(), self.clock.now());
                // What cannot be written as JSON there is none of.
                let Ok(value) = self.signer.write(&name, &announcement) else { continue };
                self.send(&mut *producer, &name, Some(&value))?;
                said = Some(Said { name, roles, when: Instant::now() });
            }
        }
        match said {
            Some(Said { name, .. }) => self.send(&mut *producer, &name, None),
            None => Ok(()),
        }
    }

    /// Waits for the worker: as long as Kafka keeps it from starting, it is the worker that says so.
    fn wait_for_worker(&self, stop: &AtomicBool) {
        while self.own.stores().is_err() && !stop.load(Ordering::Relaxed) {
            thread::park_timeout(LOOK_EVERY);
        }
    }

    fn send(
        &self,
        producer: &mut dyn Producer,
        name: &str,
        value: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let mut outgoing = Outgoing::default();
        outgoing.push(OutRecord {
            topic: TopicIndex(0),
            partition: 0,
            logged: false,
            timestamp: self.clock.now(),
            key: Some(name.as_bytes()),
            value,
            headers: Headers::default(),
        });
        producer.send(&outgoing)?;
        producer.flush(WAIT).map(drop)
    }

    /// Hears what is said, from the beginning on: the topic keeps the last word of each.
    fn hear(&self, stop: &AtomicBool) -> Result<(), Failure> {
        self.wait_for_worker(stop);
        let topic = self.topic();
        let found = self.broker.admin()?.partitions(std::slice::from_ref(&topic))?;
        if found.first().copied().flatten().is_none() {
            return Err(Failure::new(Call::Admin, Code::UnknownTopic, &*topic));
        }
        let mut consumer = self.broker.consumer(&self.app, Isolation::ReadCommitted)?;
        let partition = TopicPartition::new(topic, 0);
        let start = consumer.bounds(&partition)?.start;
        consumer.assign(&[(partition, start)])?;
        while !stop.load(Ordering::Relaxed) {
            self.take(&mut *consumer)?;
        }
        Ok(())
    }

    fn take(&self, consumer: &mut dyn Consumer) -> Result<(), Failure> {
        for batch in &consumer.poll(POLL)?.batches {
            for record in batch.iter() {
                let name = record.key.and_then(|key| std::str::from_utf8(key).ok());
                let Some(name) = name else { continue };
                let said = record.value.map(|value| self.signer.read(name, value)).transpose();
                match said {
                    Ok(said) => self.directory.heard(name.to_owned(), said),
                    Err(why) => {
                        let at: Timestamp = record.timestamp;
                        tracing::warn!(name, why, at_ms = at.0, "an announcement is not heard");
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::tests::poll_until;
    use millstream::broker::embedded::Embedded;
    use millstream::testing::Driver;
    use millstream::{Builder, I64, Query, SystemClock, Utf8};

    use super::*;
    use crate::commands::topics;
    use crate::read::StateFault;
    use crate::secrets::Secrets;

    const LONG: Duration = Duration::from_secs(30);

    struct Own(Query, &'static str);

    impl OwnStores for Own {
        fn stores(&self) -> Result<(Query, String), StateFault> {
            Ok((self.0.clone(), self.1.to_owned()))
        }
    }

    /// Starts to announce under this name, signed by this secret; what it hears goes to the directory.
    fn announce(
        broker: &Embedded,
        driver: &Driver,
        (name, secret): (&'static str, &str),
    ) -> (Arc<Directory>, Arc<AtomicBool>) {
        let (directory, stop) = (Arc::<Directory>::default(), Arc::<AtomicBool>::default());
        let announcing = Announcing {
            broker: Arc::new(broker.clone()),
            app: "feedmill".into(),
            own: Arc::new(Own(driver.query(0).unwrap(), name)),
            directory: Arc::clone(&directory),
            url: Some(format!("http://{name}")),
            signer: Signer::of(Secrets::of(secret).ok().as_ref()),
            clock: Arc::new(SystemClock),
        };
        announcing.start(&stop).unwrap();
        (directory, stop)
    }

    fn names(directory: &Directory) -> Vec<String> {
        let there = directory.instances(SystemClock.now());
        there.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn instances_hear_of_each_other_and_of_a_stop_and_of_nobody_who_has_another_secret() {
        let builder = Builder::new("app");
        builder.stream("words", Utf8, Utf8).count("counts", Utf8).to("out", Utf8, I64);
        let mut driver = Driver::of(builder.build().unwrap()).partitions(2).start().unwrap();
        driver.settle().unwrap();
        let broker = Embedded::new(Arc::new(SystemClock));
        topics::create(&mut *broker.admin().unwrap(), "feedmill", 1).unwrap();
        let (hears, _rogue) = announce(&broker, &driver, ("rogue", "guess"));
        poll_until(LONG, || (names(&hears) == ["rogue"]).then_some(())).unwrap();
        let (one, _stop) = announce(&broker, &driver, ("one", "open sesame"));
        let (two, stop) = announce(&broker, &driver, ("two", "open sesame"));
        let knows = |of: &Directory, known: &[&str]| (names(of) == known).then_some(());
        poll_until(LONG, || knows(&one, &["one", "two"]).and(knows(&two, &["one", "two"])))
            .unwrap();
        let at = one.urls(("counts", 1), "one", SystemClock.now());
        assert_eq!(at, ["http://two"], "the rogue shows it too");
        stop.store(true, Ordering::Relaxed);
        poll_until(LONG, || knows(&one, &["one"])).unwrap();
    }
}
