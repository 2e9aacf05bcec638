//! Writes what this instance says of itself, and hears what the others do: topic `<app>-instances` of the application that its
//! worker runs, two threads.
//!
//! It is written every second and as soon as tasks have moved; a clean stop is said too. Kafka that is away is waited for: what
//! was heard grows old meanwhile, and so does what others heard of this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use connectors::backoff::Backoff;
use millstream::broker::{
    Broker, Call, Code, Failure, Isolation, OutRecord, Outgoing, Producer, TopicIndex,
};
use millstream::{Clock, Headers, Role, SystemClock, TaskId, Topic, TopicPartition};
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

    /// Says what this process shows, until it stops, and then that.
    fn say(&self, stop: &AtomicBool) -> Result<(), Failure> {
        let Some(url) = &self.url else { return Ok(()) };
        let Some(app) = self.wait_for_worker(stop) else { return Ok(()) };
        let topic = Topic::from(topic::instances(&app));
        let mut producer = self.broker.producer(None, Arc::from([topic]))?;
        let mut said: Option<Said> = None;
        while !stop.load(Ordering::Relaxed) {
            thread::park_timeout(LOOK_EVERY);
            // Where no worker runs, nothing is shown: what was said grows old.
            let Ok((query, name)) = self.own.stores() else { continue };
            if query.app() != app {
                return Err(other_application());
            }
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

    /// Waits for the worker, whose application it answers: as long as Kafka keeps it from starting, it is the worker that says so.
    fn wait_for_worker(&self, stop: &AtomicBool) -> Option<String> {
        while !stop.load(Ordering::Relaxed) {
            if let Ok((query, _)) = self.own.stores() {
                return Some(query.app().to_owned());
            }
            thread::park_timeout(LOOK_EVERY);
        }
        None
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

    /// Hears what is said in the application of the worker.
    fn hear(&self, stop: &AtomicBool) -> Result<(), Failure> {
        let Some(app) = self.wait_for_worker(stop) else { return Ok(()) };
        let (directory, signer) = (Arc::clone(&self.directory), self.signer.clone());
        let hearing = Hearing { app: app.clone(), directory, signer };
        let is_its = || self.own.stores().is_ok_and(|(query, _)| query.app() != app);
        match hearing.hear(&*self.broker, || stop.load(Ordering::Relaxed) || is_its()) {
            Ok(()) if !stop.load(Ordering::Relaxed) => Err(other_application()),
            heard => heard,
        }
    }
}

/// The worker has moved to another application: it is said and heard in the topic of that.
fn other_application() -> Failure {
    Failure::new(Call::Admin, Code::UnknownTopic, "the worker runs another application")
}

/// Hears who shows what in one application.
#[derive(Clone)]
pub struct Hearing {
    /// The application, which names the topic.
    pub app: String,
    /// Who shows what.
    pub directory: Arc<Directory>,
    /// Verifies.
    pub signer: Signer,
}

impl Hearing {
    /// From the beginning on, until `ends`: the topic keeps the last word of each.
    pub fn hear(&self, broker: &dyn Broker, ends: impl Fn() -> bool) -> Result<(), Failure> {
        let topic = Topic::from(topic::instances(&self.app));
        let found = broker.admin()?.partitions(std::slice::from_ref(&topic))?;
        if found.first().copied().flatten().is_none() {
            return Err(Failure::new(Call::Admin, Code::UnknownTopic, &*topic));
        }
        let mut consumer = broker.consumer(&self.app, Isolation::ReadCommitted)?;
        let partition = TopicPartition::new(topic, 0);
        let start = consumer.bounds(&partition)?.start;
        consumer.assign(&[(partition, start)])?;
        while !ends() {
            let polled = consumer.poll(POLL)?;
            let now = SystemClock.now();
            polled.batches.iter().for_each(|batch| self.directory.take(batch, &self.signer, now));
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
        let builder = Builder::new("feedmill");
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
