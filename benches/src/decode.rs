//! `script/bench decode`: what it takes to read a change as a real Debezium wrote it, in each format.
//!
//! A program of its own, because it counts allocations, which costs every other figure a little. The changes are the
//! captured ones of `schemas/golden`; the figure is for one of them.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use allocation_counter::measure;
use benches::{Broken, Result, Teller};
use schemas::{
    Cdc, Comment, Follow, Like, Lookup, Payload, Post, Row, SchemaById, User, WriterSchema,
};
use serde::Serialize;

/// How each folder of `schemas/golden` is called.
const FORMATS: [(&str, &str); 3] =
    [("full", "json"), ("full-schema", "json with its schema"), ("full-avro", "avro")];
const ROUNDS: u32 = 20_000;
const WARM_UP: u32 = 500;

/// The schemas of the capture.
#[derive(Debug)]
struct Captured(BTreeMap<u32, Arc<WriterSchema>>);

impl SchemaById for Captured {
    fn schema(&self, id: u32) -> Lookup {
        let known = self.0.get(&id).cloned();
        known.map_or_else(|| Lookup::Unknown("none has it".into()), Lookup::Ready)
    }
}

/// What one change takes in one format.
#[derive(Serialize)]
struct Figure {
    bench: &'static str,
    format: &'static str,
    changes: usize,
    bytes: usize,
    nanos: f64,
    allocations: f64,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bench, format, changes, bytes, nanos, allocations } = self;
        write!(f, "{bench:<12} {format:<21} {nanos:.0} ns, {allocations:.1} allocations, ")?;
        write!(f, "{bytes} bytes each, of {changes} changes")
    }
}

/// One record: its key, and its value unless it is a tombstone.
type Record = (Option<Vec<u8>>, Option<Vec<u8>>);
type Decode = fn(Option<&Payload>, Option<&Payload>) -> bool;

fn decode<R: Row>(key: Option<&Payload>, value: Option<&Payload>) -> bool {
    black_box(Cdc::<R>::decode(key, value)).is_ok()
}

const TABLES: [(&str, Decode); 5] = [
    ("cdc.users", decode::<User>),
    ("cdc.posts", decode::<Post>),
    ("cdc.follows", decode::<Follow>),
    ("cdc.comments", decode::<Comment>),
    ("cdc.likes", decode::<Like>),
];

fn main() -> ExitCode {
    let teller = Teller { json: std::env::args().any(|word| word == "--json") };
    let done = FORMATS.iter().try_for_each(|(folder, format)| teller.tell(&of(folder, format)?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("bench: {broken}");
            ExitCode::FAILURE
        }
    }
}

fn of(folder: &str, format: &'static str) -> Result<Figure> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/golden");
    let schemas = captured(&golden.join("full-avro/schemas"))?;
    let mut records = Vec::new();
    for (topic, decode) in TABLES {
        let read = read(&golden.join(folder).join(topic))?;
        records.extend(read.into_iter().map(|record| (decode, record)));
    }
    let mut payloads = [Payload::default(), Payload::default()];
    // A truncate is no change of a row.
    records.retain(|(decode, record)| take(record, &mut payloads, &schemas, *decode));
    let mut round = || {
        let taken =
            |(decode, record): &(Decode, Record)| take(record, &mut payloads, &schemas, *decode);
        black_box(records.iter().all(taken))
    };
    (0..WARM_UP).for_each(|_| assert_whole(round()));
    let began = Instant::now();
    (0..ROUNDS).for_each(|_| assert_whole(round()));
    let took = began.elapsed();
    let allocated = measure(|| assert_whole(round()));
    let changes = records.len();
    let bytes: usize =
        records.iter().filter_map(|(_, (_, value))| value.as_ref()).map(Vec::len).sum();
    Ok(Figure {
        bench: "decode",
        format,
        changes,
        bytes: bytes / changes,
        nanos: took.as_nanos() as f64 / f64::from(ROUNDS) / changes as f64,
        allocations: allocated.count_total as f64 / changes as f64,
    })
}

/// What was read once is read again.
fn assert_whole(is_whole: bool) {
    assert!(is_whole, "a change that was read cannot be read again");
}

/// Reads a record as a source does, into the payloads of the one before.
fn take(
    (key, value): &Record,
    payloads: &mut [Payload; 2],
    schemas: &Captured,
    decode: Decode,
) -> bool {
    let [of_key, of_value] = payloads;
    let filled = |bytes: &Option<Vec<u8>>, payload: &mut Payload| {
        bytes.as_ref().is_none_or(|bytes| payload.fill(bytes, schemas).is_ok())
    };
    filled(key, of_key)
        && filled(value, of_value)
        && decode(key.as_ref().map(|_| &*of_key), value.as_ref().map(|_| &*of_value))
}

fn captured(folder: &Path) -> Result<Captured> {
    let broken = |words: String| Broken(format!("{}: {words}", folder.display()));
    let mut known = BTreeMap::new();
    for path in files(folder)? {
        let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| broken("a schema without an id".into()))?;
        let text = fs::read_to_string(&path).map_err(|error| broken(error.to_string()))?;
        known.insert(id, Arc::new(text.parse().map_err(broken)?));
    }
    Ok(Captured(known))
}

fn read(folder: &Path) -> Result<Vec<Record>> {
    let mut stems: Vec<_> =
        files(folder)?.into_iter().map(|file| file.with_extension("")).collect();
    stems.sort();
    stems.dedup();
    let part = |stem: &PathBuf, extension| fs::read(stem.with_extension(extension)).ok();
    Ok(stems.iter().map(|stem| (part(stem, "key"), part(stem, "value"))).collect())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()
    });
    listed.map_err(|cause| Broken::while_doing(&folder.display().to_string(), cause))
}
