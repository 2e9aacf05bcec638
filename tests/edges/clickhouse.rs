//! Tables are made once and by one; each record becomes a row once, whatever is sent twice or lost in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use connectors::clickhouse::{
    ClickHouseSettings, Letters, Limits, Migration, MigrationFault, Migrator, Progress, Reading,
    Sink, Sinking, run,
};
use millstream::broker::embedded::Embedded;
use millstream::broker::{
    Broker, Cleanup, Isolation, Join, Membership, OutRecord, Outgoing, Position, TopicIndex,
    TopicSpec, headers,
};
use millstream::{Clock, Header, Headers, Offset, SystemClock, Timestamp, Topic, TopicPartition};
use schemas::topic::{CDC_LIKES, CDC_POSTS, EVENTS, FEEDS, POSTS_LIVE};
use schemas::{
    Event, FEEDS_EPOCH, FeedBody, FeedItem, FeedVersion, NoRegistry, PostId, PostLine, SchemaById,
    UserId, VERSION, Wire,
};
use serde_json::{Value, json};
use tests::{Part, Stack, poll_until};
use tokio::runtime::Runtime;

const WAIT: Duration = Duration::from_secs(30);
const PARTITIONS: i32 = 2;
const AT_MS: i64 = 1_795_216_628_000;
const DAY_MS: i64 = 86_400_000;

pub fn settings(stack: &Stack) -> ClickHouseSettings {
    let (url, database) = (stack.clickhouse().to_owned(), "feedmill".to_owned());
    ClickHouseSettings { url, database, login: None }
}

/// What the server answers to a question, as text with tabs.
pub fn ask(stack: &Stack, question: &str) -> String {
    let url = format!("{}/?database=feedmill", stack.clickhouse());
    let client = reqwest::blocking::Client::new();
    let answer = client.post(url).body(question.to_owned()).send().unwrap();
    let (status, text) = (answer.status(), answer.text().unwrap());
    assert!(status.is_success(), "{question}: {text}");
    text.trim_end().to_owned()
}

fn create(broker: &Embedded, name: &str) {
    let (name, cleanup) = (name.into(), Cleanup::Delete(None));
    let spec = TopicSpec { name, partitions: PARTITIONS, cleanup };
    broker.admin().unwrap().create(&[spec]).unwrap();
}

/// A cluster with the sink's topics, and a ClickHouse with its tables.
pub struct World {
    pub stack: Stack,
    broker: Embedded,
    pub runtime: Runtime,
    schemas: Arc<dyn SchemaById>,
    progress: Progress,
}

impl World {
    /// One whose rows stay, however long ago they were.
    pub fn start() -> Self {
        let world = Self::that_forgets();
        for table in ["events", "user_author_90d"] {
            ask(&world.stack, &format!("ALTER TABLE {table} REMOVE TTL"));
        }
        world
    }

    fn that_forgets() -> Self {
        let stack = Stack::of(&[Part::ClickHouse]).start().unwrap();
        let runtime = Runtime::new().unwrap();
        runtime.block_on(Migrator::new(&settings(&stack)).migrate("a test")).unwrap();
        let broker = Embedded::new(Arc::new(SystemClock));
        let cdc = schemas::topic::ALL.iter().filter(|topic| topic.name.starts_with("cdc."));
        let names =
            cdc.map(|topic| topic.name).chain([EVENTS.name, FEEDS.name, "tasks", "letters"]);
        names.for_each(|name| create(&broker, name));
        let (schemas, progress) = (Arc::new(NoRegistry), Progress::default());
        Self { stack, broker, runtime, schemas, progress }
    }

    fn membership(&self) -> Box<dyn Membership> {
        let join = Join {
            group: "feedmill-clickhouse".into(),
            topic: "tasks".into(),
            instance: "one".into(),
            session_timeout: Duration::from_secs(10),
        };
        self.broker.membership(&join).unwrap()
    }

    /// Runs a sink while `then` is done.
    pub fn sink_while<T>(&self, then: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        let letters = self.broker.producer(None, Arc::from([Topic::from("letters")])).unwrap();
        let reading =
            Reading { schemas: Arc::clone(&self.schemas), cdc_epoch: 0, record_bytes_max: 1 << 20 };
        let sinking = Sinking {
            membership: self.membership(),
            consumer: self
                .broker
                .consumer("feedmill-clickhouse", Isolation::ReadCommitted)
                .unwrap(),
            admin: self.broker.admin().unwrap(),
            letters: Letters::new(letters, PARTITIONS),
            sink: Sink::new(&settings(&self.stack), reading),
            limits: Limits {
                records_max: 1_000,
                bytes_max: 1 << 20,
                linger: Duration::from_millis(50),
                held_bytes_max: 8 << 20,
            },
            progress: &self.progress,
            stop: &stop,
        };
        thread::scope(|scope| {
            let stopping = Stopping(&stop);
            let running = scope.spawn(|| run(sinking, self.runtime.handle()));
            let done = then();
            drop(stopping);
            assert_eq!(running.join().unwrap(), Ok(()));
            done
        })
    }

    fn send(&self, (topic, partition): (&str, i32), key: Option<&[u8]>, value: Option<&[u8]>) {
        self.send_with(&[], (topic, partition), (key, value));
    }

    fn send_with(
        &self,
        with: &[Header<'_>],
        (topic, partition): (&str, i32),
        record: (Option<&[u8]>, Option<&[u8]>),
    ) {
        self.send_at(with, (topic, partition, SystemClock.now()), record);
    }

    fn send_at(
        &self,
        with: &[Header<'_>],
        (topic, partition, timestamp): (&str, i32, Timestamp),
        (key, value): (Option<&[u8]>, Option<&[u8]>),
    ) {
        let encoded = headers(with);
        let mut out = Outgoing::default();
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition,
            logged: false,
            timestamp,
            key,
            value,
            headers: Headers::from_bytes(&encoded),
        });
        let mut producer = self.broker.producer(None, Arc::from([Topic::from(topic)])).unwrap();
        producer.send(&out).unwrap();
        producer.flush(WAIT).unwrap();
    }

    fn send_event(&self, partition: i32, number: usize) {
        let event = json!({"user_id": id(1), "post_id": id(number), "action": "share", "event_time": AT_MS,
            "device": "phone", "ctx": {"position": number, "source": "redis"}});
        self.send(
            (EVENTS.name, partition),
            Some(id(1).as_bytes()),
            Some(event.to_string().as_bytes()),
        );
    }

    /// An event of this user whose record has this time; all of a user lie in one partition.
    pub fn send_event_at(&self, at_ms: i64, (user, event): (usize, &Value)) {
        let at = (EVENTS.name, user as i32 % PARTITIONS, Timestamp(at_ms));
        self.send_at(&[], at, (None, Some(event.to_string().as_bytes())));
    }

    fn send_row(&self, topic: &str, envelope: &Value) {
        self.send((topic, 0), None, Some(envelope.to_string().as_bytes()));
    }

    /// Waits until a question has this answer.
    pub fn until(&self, question: &str, answer: &str) {
        let found = poll_until(WAIT, || (ask(&self.stack, question) == answer).then_some(()));
        found.unwrap_or_else(|late| {
            panic!("{question}: {:?}, {late}; {:?}", ask(&self.stack, question), self.progress)
        });
    }

    /// Makes the group stand here.
    fn stand(&self, of: &TopicPartition, position: Position) {
        let mut membership = self.membership();
        poll_until(WAIT, || {
            membership.poll(Duration::ZERO, &mut |_, _| {}).unwrap();
            membership.metadata().is_member().then_some(())
        })
        .unwrap();
        membership.commit(&[(of.clone(), position)]).unwrap();
    }

    fn position(&self, of: &TopicPartition) -> Option<Position> {
        self.membership().committed(std::slice::from_ref(of)).unwrap().remove(0)
    }
}

/// Ends the sink also when a test fails.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn id(number: usize) -> String {
    format!("00000000-0000-7000-8000-{number:012}")
}

fn image(more: Value) -> Value {
    let mut image = json!({"created_at": "2026-11-20T23:17:08Z"});
    image.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    image
}

fn envelope(op: &str, lsn: u64, before: Value, after: Value) -> Value {
    json!({"op": op, "before": before, "after": after, "source": {"lsn": lsn}})
}

const COUNT: &str = "SELECT count(), uniqExact(partition, offset) FROM events";

#[test]
fn tables_are_made_once_by_one_process_and_a_changed_file_is_told() {
    let stack = Stack::of(&[Part::ClickHouse]).start().unwrap();
    let runtime = Runtime::new().unwrap();
    let migrator = Migrator::new(&settings(&stack));
    let pending = || runtime.block_on(migrator.pending());
    let migrate = || runtime.block_on(migrator.migrate("a test"));
    assert_eq!(pending(), Ok(Migration::ALL.to_vec()));
    assert_eq!(migrate(), Ok(Migration::ALL.to_vec()));
    assert_eq!((pending(), migrate()), (Ok(vec![]), Ok(vec![])));
    let tables = "SELECT count() FROM system.tables WHERE database = 'feedmill' AND NOT endsWith(engine, 'View')";
    assert_eq!(ask(&stack, tables), "19");
    // Cut off after its tables and before it was noted.
    ask(&stack, "DELETE FROM migrations WHERE number = 4");
    assert_eq!(migrate().unwrap().len(), 1);
    ask(
        &stack,
        "ALTER TABLE migrations UPDATE checksum = 'x' WHERE number = 2 SETTINGS mutations_sync = 1",
    );
    let changed =
        MigrationFault::Mismatch("migration 2-events was done with other statements".into());
    assert_eq!(migrate(), Err(changed));
}

#[test]
fn a_migration_waits_for_another_and_a_lock_that_was_left_over_is_told_and_given_up() {
    let stack = Stack::of(&[Part::ClickHouse]).start().unwrap();
    let runtime = Runtime::new().unwrap();
    let migrator = Migrator::new(&settings(&stack));
    runtime.block_on(migrator.migrate("a test")).unwrap();
    ask(&stack, "CREATE TABLE migrating (by String) ENGINE = Null COMMENT 'host-7, since noon'");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime.block_on(migrator.migrate("a test")));
        let locked = waiting.join().unwrap().unwrap_err().to_string();
        let told = "another migration is under way: host-7, since noon; if there is none any more, `feedmill";
        assert!(locked.starts_with(told), "{locked}");
    });
    runtime.block_on(migrator.unlock()).unwrap();
    assert_eq!(runtime.block_on(migrator.migrate("a test")), Ok(vec![]));
}

#[test]
fn every_kind_of_record_becomes_the_row_that_it_says() {
    let world = World::start();
    world.send_event(1, 7);
    let post = image(json!({"id": id(7), "user_id": id(9), "content": "hello"}));
    world.send_row(CDC_POSTS.name, &envelope("c", 5, Value::Null, post));
    let like = |post: usize| image(json!({"id": id(3), "post_id": id(post), "user_id": id(1)}));
    world.send_row(CDC_LIKES.name, &envelope("c", 6, Value::Null, like(7)));
    world.send_row(CDC_LIKES.name, &envelope("u", 8, like(7), like(8)));
    // An older image that comes late.
    world.send_row(CDC_LIKES.name, &envelope("r", 7, Value::Null, like(7)));
    let version = FeedVersion { feeds_epoch: 1, version: 4 };
    let (epoch, sequence) = (version.epoch_header(), version.version_header());
    let with = [
        Header { name: FEEDS_EPOCH, value: Some(&epoch) },
        Header { name: VERSION, value: Some(&sequence) },
    ];
    let item = FeedItem { post: PostId([7; 16]), affinity: 3, ..FeedItem::default() };
    let body = FeedBody { as_of_ms: AT_MS, items: vec![item; 2], ..FeedBody::default() };
    world.send_with(&with, (FEEDS.name, 0), (Some(&UserId([1; 16]).0), Some(&body.to_bytes())));
    world.sink_while(|| {
        let event = "SELECT user_id, post_id, action, event_time, device, position, source, weight_set, partition, offset FROM events";
        let (user, post) = (id(1), id(7));
        let row = format!("{user}\t{post}\tshare\t2026-11-20 23:17:08.000\tphone\t7\tredis\t\\N\t1\t0");
        world.until(event, &row);
        let liked = "SELECT id, post_id, version, is_deleted FROM likes FINAL";
        world.until(liked, &format!("{}\t{}\t8\t0", id(3), id(8)));
        let posts = "SELECT id, user_id, content_hash FROM posts FINAL";
        world.until(posts, &format!("{}\t{}\t{}", id(7), id(9), schemas::content_hash("hello")));
        let feed = "SELECT feeds_epoch, version, is_gone, length(items.post_id), items.affinity FROM feeds";
        world.until(feed, "1\t4\t0\t2\t[3,3]");
        let hour = "SELECT post_id, hour, sum(shares), sum(views) FROM post_metrics_1h GROUP BY ALL";
        world.until(hour, &format!("{}\t2026-11-20 23:00:00\t1\t0", id(7)));
        let acts = "SELECT author_id, day, action, is_event, argMaxMerge(is_deleted) FROM user_author_90d \
            WHERE post_id = toUUID('00000000-0000-7000-8000-000000000007') GROUP BY ALL ORDER BY is_event";
        let author = id(9);
        let acts_of = format!("{author}\t2026-11-20\tlike\t0\t0\n{author}\t2026-11-20\tshare\t1\t0");
        world.until(acts, &acts_of);
        // Taken back: one row less, and one reader's affinity less.
        world.send_row(CDC_LIKES.name, &envelope("d", 9, like(8), Value::Null));
        world.until("SELECT count() FROM likes FINAL", "0");
    });
    assert_eq!(world.progress.dead_letters.load(Ordering::Relaxed), 0);
}

#[test]
fn a_stretch_that_was_inserted_and_not_passed_is_inserted_no_second_time() {
    let world = World::start();
    let of = TopicPartition::new(EVENTS.name, 0);
    for number in 0..10 {
        world.send_event(0, number);
    }
    world.sink_while(|| world.until(COUNT, "10\t10"));
    assert_eq!(world.position(&of), Some(Offset(10).into()));
    // As if it had died before it told the group; and more has come meanwhile.
    for number in 10..15 {
        world.send_event(0, number);
    }
    let begun = Position { next: Offset(0), metadata: "inserting up to 10".to_owned() };
    world.stand(&of, begun);
    world.sink_while(|| world.until(COUNT, "15\t15"));
    assert_eq!(world.position(&of), Some(Offset(15).into()));
    let hours = "SELECT sum(shares) FROM post_metrics_1h";
    assert_eq!(ask(&world.stack, hours), "15");
}

#[test]
fn what_is_missing_of_a_stretch_that_the_server_believes_to_have_is_inserted() {
    let world = World::start();
    let of = TopicPartition::new(EVENTS.name, 0);
    for number in 0..10 {
        world.send_event(0, number);
    }
    world.sink_while(|| world.until(COUNT, "10\t10"));
    // A crash that lost rows and kept their token.
    ask(&world.stack, "DELETE FROM events WHERE offset < 4 SETTINGS mutations_sync = 1");
    let begun = Position { next: Offset(0), metadata: "inserting up to 10".to_owned() };
    world.stand(&of, begun.clone());
    world.sink_while(|| world.until(COUNT, "10\t10"));
    ask(&world.stack, "DELETE FROM events WHERE 1 SETTINGS mutations_sync = 1");
    world.stand(&of, begun);
    world.sink_while(|| world.until(COUNT, "10\t10"));
}

/// How much is in the table, and how much the views made of it.
const SHARES: &str = "SELECT count(), (SELECT sum(shares) FROM post_metrics_1h), \
    (SELECT uniqExact(id) FROM user_author_90d) FROM events";

#[test]
fn an_insert_that_ended_between_two_weeks_is_completed_and_so_is_what_views_make_of_it() {
    let world = World::start();
    let monday = (AT_MS / DAY_MS + 3) / 7 * 7 * DAY_MS - 3 * DAY_MS;
    for number in 0..10 {
        let at_ms = monday + (number as i64 - 4) * 60_000;
        let event = json!({"user_id": id(2), "post_id": id(number), "action": "share", "event_time": at_ms});
        world.send_event_at(at_ms, (2, &event));
    }
    // Its second part was not written, and no view was told of any.
    let views = ["post_metrics_1h_of_events", "user_author_90d_of_events"];
    for view in views {
        ask(&world.stack, &format!("DETACH TABLE {view}"));
    }
    world.sink_while(|| world.until("SELECT count() FROM events", "10"));
    ask(&world.stack, "ALTER TABLE events DROP PARTITION '2026-11-16'");
    for view in views {
        ask(&world.stack, &format!("ATTACH TABLE {view}"));
    }
    assert_eq!(ask(&world.stack, SHARES), "4\t0\t0");
    let of = TopicPartition::new(EVENTS.name, 0);
    let begun = Position { next: Offset(0), metadata: "inserting up to 10".to_owned() };
    world.stand(&of, begun);
    world.sink_while(|| world.until(SHARES, "10\t10\t10"));
}

#[test]
fn what_the_table_has_deleted_by_its_age_is_not_taken_for_lost() {
    let world = World::that_forgets();
    let now_ms = SystemClock.now().0;
    for at_ms in [now_ms - 120 * DAY_MS, now_ms] {
        let event =
            json!({"user_id": id(2), "post_id": id(7), "action": "share", "event_time": at_ms});
        world.send_event_at(at_ms, (2, &event));
    }
    let shares = "SELECT count(), (SELECT sum(shares) FROM post_metrics_1h) FROM events";
    world.sink_while(|| world.until(shares, "1\t2"));
    let of = TopicPartition::new(EVENTS.name, 0);
    let begun = Position { next: Offset(0), metadata: "inserting up to 2".to_owned() };
    world.stand(&of, begun);
    let passed = || (world.position(&of) == Some(Offset(2).into())).then_some(());
    world.sink_while(|| poll_until(WAIT, passed)).unwrap();
    assert_eq!(ask(&world.stack, shares), "1\t2");
}

#[test]
fn an_outage_holds_everything_up_and_loses_nothing() {
    let mut world = World::start();
    for number in 0..5 {
        world.send_event(0, number);
    }
    world.sink_while(|| world.until(COUNT, "5\t5"));
    world.stack.kill(Part::ClickHouse).unwrap();
    for number in 5..3_000 {
        world.send_event((number % 2) as i32, number);
    }
    world.sink_while(|| {
        let fault = poll_until(WAIT, || world.progress.fault()).unwrap();
        assert!(fault.starts_with("clickhouse is unavailable: "), "{fault}");
        poll_until(WAIT, || {
            (world.progress.waiting_ms.load(Ordering::Relaxed) > 100).then_some(())
        })
        .unwrap();
    });
    let of = TopicPartition::new(EVENTS.name, 0);
    assert_eq!(world.position(&of).map(|position| position.next), Some(Offset(5)));
    world.stack.start(Part::ClickHouse).unwrap();
    world.sink_while(|| world.until(COUNT, "3000\t3000"));
    assert_eq!(world.progress.fault(), None);
}

#[test]
fn a_server_that_stands_still_is_told_and_what_was_on_its_way_is_there_once_when_it_goes_on() {
    let world = World::start();
    world.send_event(0, 0);
    world.sink_while(|| {
        world.until(COUNT, "1\t1");
        world.stack.pause(Part::ClickHouse).unwrap();
        for number in 1..2_000 {
            world.send_event(0, number);
        }
        let fault = poll_until(2 * WAIT, || world.progress.fault()).unwrap();
        assert!(fault.starts_with("clickhouse is unavailable: "), "{fault}");
        world.stack.resume(Part::ClickHouse).unwrap();
        world.until(COUNT, "2000\t2000");
    });
    assert_eq!(ask(&world.stack, "SELECT sum(shares) FROM post_metrics_1h"), "2000");
}

#[test]
fn a_topic_that_is_made_while_the_sink_runs_is_read() {
    let world = World::start();
    world.send_event(0, 0);
    world.sink_while(|| {
        world.until(COUNT, "1\t1");
        create(&world.broker, POSTS_LIVE.name);
        let line = PostLine { likes: 7, ..PostLine::default() }.to_bytes();
        world.send((POSTS_LIVE.name, 1), Some(&[3; 16]), Some(&line));
        world.until("SELECT likes, is_deleted FROM post_lines FINAL", "7\t0");
        world.send((POSTS_LIVE.name, 1), Some(&[3; 16]), None);
        world.until("SELECT count() FROM post_lines FINAL", "0");
    });
}

#[test]
fn a_row_that_the_server_does_not_take_is_a_dead_letter_and_the_others_are_rows() {
    let world = World::start();
    let constraint = "ALTER TABLE events ADD CONSTRAINT not_seven CHECK position != 7";
    ask(&world.stack, constraint);
    for number in 0..20 {
        world.send_event(0, number);
    }
    world.send((EVENTS.name, 0), None, Some(b"no event"));
    world.sink_while(|| world.until(COUNT, "19\t19"));
    let counted = [&world.progress.dead_letters, &world.progress.none];
    assert_eq!(counted.map(|count| count.load(Ordering::Relaxed)), [1, 1]);
    let mut reader = world.broker.consumer("a test", Isolation::ReadCommitted).unwrap();
    reader.assign(&[(TopicPartition::new("letters", 0), Offset(0))]).unwrap();
    let batches = poll_until(WAIT, || {
        let polled = reader.poll(Duration::ZERO).unwrap();
        (!polled.batches.is_empty()).then_some(polled.batches)
    })
    .unwrap();
    let letter = batches[0].get(0).unwrap();
    let header = |name| String::from_utf8_lossy(letter.headers.last(name).unwrap()).into_owned();
    let from = ["__dlq.topic", "__dlq.offset", "__dlq.node"].map(header);
    assert_eq!(from, ["events", "7", "clickhouse"]);
    assert!(header("__dlq.error").contains("not_seven"), "{}", header("__dlq.error"));
    assert!(Event::decode(&schemas::Payload::json(letter.value.unwrap())).is_ok());
}

/// What ingest dead-letters or passes by: a TRUNCATE, a message, a tombstone, what a connector tells of itself, a time that
/// cannot be meant, no event.
#[test]
fn what_says_nothing_of_a_row_is_counted_and_is_neither_a_row_nor_a_dead_letter() {
    let world = World::start();
    let soon = "2126-11-20T23:17:08Z";
    let like = |id_of: usize, created_at: &str| {
        let like = json!({"post_id": id(7), "user_id": id(1), "created_at": created_at});
        let mut like = image(like);
        like["id"] = json!(id(id_of));
        envelope("c", 6, Value::Null, like)
    };
    let no_rows = [
        json!({"op": "t", "source": {"lsn": 9}}),
        json!({"op": "m", "source": {"lsn": 9}, "message": {"prefix": "p", "content": "AA=="}}),
        json!({"source": {"lsn": 9}, "databaseName": "d", "ddl": "DROP TABLE likes", "tableChanges": []}),
        json!({"ts_ms": 5}),
        json!({"status": "BEGIN", "id": "571:5", "event_count": null, "data_collections": null, "ts_ms": 1}),
        json!({"op": "d", "source": {"lsn": 9}}),
        like(4, soon),
        json!("no envelope"),
    ];
    for value in &no_rows {
        world.send_row(CDC_LIKES.name, value);
    }
    world.send((CDC_LIKES.name, 0), Some(b"a deleted row's"), None);
    world.send_row(CDC_LIKES.name, &like(3, "2026-11-20T23:17:08Z"));
    world.sink_while(|| world.until("SELECT id FROM likes FINAL", &id(3)));
    let counted = [&world.progress.none, &world.progress.dead_letters];
    let none = no_rows.len() as u64 + 1;
    assert_eq!(counted.map(|count| count.load(Ordering::Relaxed)), [none, 0]);
}

#[test]
fn missing_tables_are_told_with_the_command_that_makes_them() {
    let world = World::start();
    ask(&world.stack, "DROP TABLE events");
    world.send_event(0, 1);
    let like = image(json!({"id": id(3), "post_id": id(7), "user_id": id(1)}));
    world.send_row(CDC_LIKES.name, &envelope("c", 6, Value::Null, like));
    world.sink_while(|| {
        let fault = poll_until(WAIT, || world.progress.fault().filter(|f| f.contains("events")));
        let fault = fault.unwrap();
        assert!(fault.starts_with("clickhouse refuses: Code: 60"), "{fault}");
        assert!(fault.ends_with("`feedmill clickhouse migrate` makes the tables"), "{fault}");
        world.until("SELECT count() FROM likes FINAL", "1");
        // What was lost is made again by the command that was named.
        let migrator = Migrator::new(&settings(&world.stack));
        let made = world.runtime.block_on(migrator.migrate("a test")).unwrap();
        assert_eq!(made.iter().map(|of| of.number).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        world.until(COUNT, "1\t1");
    });
    let migrator = Migrator::new(&settings(&world.stack));
    assert_eq!(world.runtime.block_on(migrator.pending()), Ok(vec![]));
    assert_eq!(ask(&world.stack, "SELECT count() FROM migrations"), "6");
}
