//! Every value of every released version of a schema is read as it always was, and a changed schema is a new version.
//!
//! released/README.md says what the files are, and how a version is added.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value;

use crate::{
    Action, Event, EventWriter, Facts, FeedBody, FeedItem, Lookup, Payload, Published, Rule,
    SchemaById, Sources, Wire,
};

/// A released version of a schema.
struct Release {
    topic: &'static str,
    version: u32,
    folder: PathBuf,
    schema: String,
}

/// A value of a release.
struct Kept {
    /// `<topic>/<version>/<name>`.
    name: String,
    /// Its files, without what their names end with.
    stem: PathBuf,
    /// What it is read as.
    read: Value,
    /// What was written.
    written: Value,
}

impl Release {
    /// Those of a topic, the oldest first; their numbers leave none out.
    fn all_of(topic: &'static str) -> Vec<Self> {
        // Asked at run time: checkouts that share a target directory may share this program.
        let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let folder = Path::new(&package).join("released").join(topic);
        let count = u32::try_from(fs::read_dir(&folder).unwrap().count()).unwrap();
        let release = |version: u32| {
            let folder = folder.join(version.to_string());
            let schema = fs::read_to_string(folder.join("schema.avsc")).unwrap();
            Self { topic, version, folder, schema }
        };
        (1..=count).map(release).collect()
    }

    fn all() -> impl Iterator<Item = Self> {
        Published::ALL.into_iter().flat_map(|of| Self::all_of(of.topic.name))
    }

    fn newest(of: &Published) -> Self {
        Self::all_of(of.topic.name).pop().unwrap()
    }

    fn kept(&self) -> Vec<Kept> {
        let entries = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let told = entries.filter(|path| path.extension().is_some_and(|end| end == "json"));
        told.map(|path| self.kept_at(&path)).collect()
    }

    fn kept_at(&self, path: &Path) -> Kept {
        let told: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        Kept {
            name: format!("{}/{}/{name}", self.topic, self.version),
            stem: path.with_extension(""),
            read: told["read"].clone(),
            written: told.get("written").unwrap_or(&told["read"]).clone(),
        }
    }

    /// What is wrong with a value: what it is read as instead, or why it is not read.
    fn fault(&self, kept: &Kept) -> Option<String> {
        let bytes = kept.bytes();
        let found = match self.topic {
            "events" => self.event(&bytes).map(|found| (found == kept.read, found.to_string())),
            "feeds" => FeedBody::decode(&bytes)
                .map(|found| (found == feed_of(&kept.read), format!("{found:?}")))
                .map_err(|poison| poison.to_string()),
            other => panic!("released values of an unknown topic {other}"),
        };
        match found {
            Ok((true, _)) => None,
            Ok((false, found)) => Some(format!("{}: read as {found}", kept.name)),
            Err(fault) => Some(format!("{}: {fault}", kept.name)),
        }
    }

    /// An event and its trace, in the words of the topic's JSON.
    fn event(&self, bytes: &[u8]) -> Result<Value, String> {
        let payload = Payload::of(bytes, self)?;
        let (event, trace) =
            Event::decode_with_trace(&payload).map_err(|poison| poison.to_string())?;
        Ok(serde_json::from_str(&event.to_json(&trace)).unwrap())
    }

    /// The bytes of a value that is told in words.
    fn bytes_of(&self, written: &Value) -> Vec<u8> {
        let value = avro_of(&self.schema, written);
        match self.topic {
            "events" => {
                let schema = Schema::parse_str(&self.schema).unwrap();
                let writer = GenericDatumWriter::builder(&schema).build().unwrap();
                let datum = writer.write_value_to_vec(value).unwrap();
                [&[0][..], &self.version.to_be_bytes(), &datum].concat()
            }
            "feeds" => feed_of(written).to_bytes(),
            other => panic!("released values of an unknown topic {other}"),
        }
    }
}

/// A release is its own registry: its number is its id.
impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} version {}", self.topic, self.version)
    }
}

impl SchemaById for Release {
    fn schema(&self, id: u32) -> Lookup {
        assert_eq!(id, self.version);
        Lookup::Ready(Arc::new(self.schema.parse().unwrap()))
    }
}

impl Kept {
    fn bytes(&self) -> Vec<u8> {
        let file = self.stem.with_extension("value");
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}

/// A value in words as one of this schema: what it leaves out has the default, what the schema does not know is refused.
fn avro_of(schema: &str, told: &Value) -> AvroValue {
    let schema = Schema::parse_str(schema).unwrap();
    let resolved = AvroValue::try_from(told.clone()).unwrap().resolve(&schema).unwrap();
    let AvroValue::Record(fields) = &resolved else { panic!("{told} is no record") };
    let unknown =
        told.as_object().unwrap().keys().find(|told| !fields.iter().any(|(name, _)| name == *told));
    assert_eq!(unknown, None, "the schema has no such field");
    resolved
}

/// A feed in the words of its schema.
fn feed_of(told: &Value) -> FeedBody {
    let number = |of: &Value| of.as_i64().unwrap();
    let small = |of: &Value| u32::try_from(number(of)).unwrap();
    let told_or_0 = |of: &Value| u8::try_from(of.as_i64().unwrap_or(0)).unwrap();
    let facts = told.get("rate_mean_ppm").filter(|rate| !rate.is_null()).map(|rate| Facts {
        rate_mean_ppm: small(rate),
        affinity_max: small(&told["affinity_max"]),
        scales: [0, 1, 2].map(|term| u16::try_from(number(&told["scales"][term])).unwrap()),
    });
    let item = |of: &Value| FeedItem {
        post: of["post"].as_str().unwrap().parse().unwrap(),
        author: of["author"].as_str().unwrap().parse().unwrap(),
        created_at_ms: number(&of["created_at"]),
        likes: small(&of["likes"]),
        comments: small(&of["comments"]),
        shares: small(&of["shares"]),
        exposures: small(&of["exposures"]),
        affinity: small(&of["affinity"]),
        sources: sources_of(number(&of["sources"])),
        rule: rule_of(of["rule"].as_str().unwrap()),
        ignored: told_or_0(&of["ignored"]),
        unseen: told_or_0(&of["unseen"]),
    };
    FeedBody {
        as_of_ms: number(&told["as_of"]),
        valid_until_ms: number(&told["valid_until"]),
        weight_set: u16::try_from(number(&told["weight_set"])).unwrap(),
        cold_start: told["cold_start"].as_bool().unwrap(),
        items: told["items"].as_array().unwrap().iter().map(item).collect(),
        facts,
    }
}

fn sources_of(bits: i64) -> Sources {
    let all = [
        (1, Sources::FOLLOW),
        (2, Sources::TRENDING),
        (4, Sources::AFFINITY),
        (8, Sources::EXPLORE),
    ];
    let set = all.into_iter().filter(|(bit, _)| bits & bit != 0);
    set.fold(Sources::NONE, |set, (_, source)| set.with(source))
}

fn rule_of(name: &str) -> Rule {
    let all = [Rule::None, Rule::Spaced, Rule::DistanceDropped, Rule::Top5Dropped, Rule::Reserved];
    all.into_iter().find(|rule| rule.name() == name).unwrap()
}

/// Why a version may not follow the one before, in words; none if who reads by it reads what was written by that.
fn incompatible(old: &str, new: &str) -> Option<String> {
    let [old, new] = [old, new].map(|text| Schema::parse_str(text).unwrap());
    match SchemaCompatibility::can_read(&old, &new) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some("what some values have is gone".into()),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn every_value_of_every_released_version_is_read_as_it_was_when_it_was_released() {
    for release in Release::all() {
        let kept = release.kept();
        let faults: Vec<_> = kept.iter().filter_map(|kept| release.fault(kept)).collect();
        assert_eq!(faults, Vec::<String>::new());
        assert!(!kept.is_empty(), "{release:?} has no value");
    }
}

#[test]
fn a_released_value_in_words_is_one_of_its_schema() {
    for release in Release::all() {
        for kept in release.kept() {
            avro_of(&release.schema, &kept.read);
            avro_of(&release.schema, &kept.written);
        }
    }
}

#[test]
fn events_are_kept_for_every_action_with_every_field_and_with_none_that_may_be_left_out() {
    let newest = Release::newest(&Published::ALL[0]);
    let told: Vec<_> = newest.kept().into_iter().map(|kept| kept.written).collect();
    let kept_for = |action: Action| told.iter().any(|told| told["action"] == action.name());
    assert_eq!(Action::ALL.into_iter().find(|action| !kept_for(*action)), None);
    let schema: Value = serde_json::from_str(&newest.schema).unwrap();
    let fields = schema["fields"].as_array().unwrap();
    let counts: Vec<_> = told.iter().map(|told| told.as_object().unwrap().len()).collect();
    let required = fields.iter().filter(|field| field.get("default").is_none()).count();
    assert_eq!(counts.iter().min(), Some(&required));
    assert_eq!(counts.iter().max(), Some(&fields.len()));
}

#[test]
fn the_newest_release_of_a_schema_is_the_schema_as_it_is() {
    for of in Published::ALL {
        let newest = Release::newest(&of);
        assert!(
            newest.schema == of.schema,
            "schemas/avro/{}.avsc is not its version {}: what is released stays, a changed schema is a new version; \
             schemas/released/README.md says how one is added",
            newest.topic,
            newest.version
        );
    }
}

#[test]
fn who_reads_by_a_release_reads_what_was_written_by_the_one_before() {
    for of in Published::ALL {
        for pair in Release::all_of(of.topic.name).windows(2) {
            let fault = incompatible(&pair[0].schema, &pair[1].schema);
            assert_eq!(fault, None, "{:?} after {:?}", pair[1], pair[0]);
        }
        let without_default = r#""fields": [{"name":"later","type":"string"},"#;
        let later = of.schema.replacen("\"fields\": [", without_default, 1);
        assert!(incompatible(of.schema, &later).is_some_and(|why| why.contains("later")));
    }
}

#[test]
fn our_own_writers_write_the_bytes_that_are_kept() {
    for of in Published::ALL {
        let newest = Release::newest(&of);
        let as_read = newest.kept().into_iter().filter(|kept| kept.read == kept.written);
        for kept in as_read {
            let written = match newest.topic {
                "events" => {
                    let json = kept.read.to_string();
                    let (event, trace) = Event::check(json.as_bytes(), None).unwrap();
                    EventWriter::new(newest.version).unwrap().write(&event, &trace).unwrap()
                }
                _ => feed_of(&kept.read).to_bytes(),
            };
            assert!(written == kept.bytes(), "{}", kept.name);
        }
    }
}

#[test]
#[ignore = "writes what a new release lacks: released/README.md"]
fn the_values_of_releases_that_are_only_told_in_words_are_written() {
    for release in Release::all() {
        for kept in release.kept() {
            let file = kept.stem.with_extension("value");
            if !file.exists() {
                fs::write(&file, release.bytes_of(&kept.written)).unwrap();
            }
        }
    }
}
