//! Schemas are fetched while records wait, are kept while the registry is away, and are unknown only by its own word.

use std::time::Duration;

use connectors::registry::{Registry, RegistrySettings, SubjectFault, Subjects};
use schema_registry_converter::blocking::schema_registry::{SrSettings, post_schema};
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};
use schemas::{EVENTS_SCHEMA, Lookup, Payload, SchemaById};
use tests::{Part, Stack, poll_until};

const SCHEMA: &str = r#"{"type":"record","name":"Event","fields":[{"name":"a","type":"string"}]}"#;

fn register(stack: &Stack, subject: &str, kind: SchemaType, schema: &str) -> u32 {
    let settings = SrSettings::new(stack.registry().to_owned());
    let supplied = SuppliedSchema::new(None, kind, schema.to_owned());
    post_schema(&settings, subject.to_owned(), supplied).unwrap().id
}

fn open(urls: &[&str]) -> Registry {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    Registry::open(&RegistrySettings { urls, ..RegistrySettings::default() }).unwrap()
}

/// What the registry says of a schema in the end, in a word; words of a fault follow.
fn told(registry: &Registry, id: u32) -> String {
    let known = || match registry.schema(id) {
        Lookup::Ready(_) => Some("ready".to_owned()),
        Lookup::Unknown(why) => Some(format!("unknown: {why}")),
        Lookup::Unavailable(_) => None,
    };
    poll_until(Duration::from_secs(30), known).unwrap()
}

#[test]
fn a_schema_is_fetched_once_and_kept_while_the_registry_is_away() {
    let mut stack = Stack::of(&[Part::Registry]).start().unwrap();
    let (first, second) = (
        register(&stack, "events-value", SchemaType::Avro, SCHEMA),
        register(&stack, "others-value", SchemaType::Avro, &SCHEMA.replace("Event", "Other")),
    );
    let registry = open(&["http://127.0.0.1:9", stack.registry()]);
    assert!(matches!(registry.schema(first), Lookup::Unavailable(_)), "it is asked for now");
    assert_eq!(told(&registry, first), "ready");
    assert_eq!(told(&registry, 7_777), "unknown: the registry has no such schema");
    stack.kill(Part::Registry).unwrap();
    assert_eq!(told(&registry, first), "ready");
    poll_until(Duration::from_secs(30), || {
        assert!(matches!(registry.schema(second), Lookup::Unavailable(_)));
        registry.failed()
    })
    .unwrap();
    stack.start(Part::Registry).unwrap();
    assert_eq!((told(&registry, second), registry.failed()), ("ready".into(), None));
}

#[test]
fn what_is_no_schema_of_ours_is_unknown_with_the_reason() {
    let stack = Stack::of(&[Part::Registry]).start().unwrap();
    let json = register(
        &stack,
        "json-value",
        SchemaType::Json,
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}"#,
    );
    let registry = open(&[stack.registry()]);
    assert_eq!(told(&registry, json), "unknown: it is no schema of Avro, but Json");
    let value = [&[0][..], &json.to_be_bytes(), &[1]].concat();
    let payload = Payload::of(&value, &registry).unwrap();
    assert!(format!("{payload:?}").contains("it is no schema of Avro"));
}

#[test]
fn settings_without_a_url_open_nothing() {
    assert_eq!(Registry::open(&RegistrySettings::default()).unwrap_err(), "no URL");
}

#[test]
fn our_schema_is_registered_once_and_only_what_its_readers_can_read_may_follow_it() {
    let stack = Stack::of(&[Part::Registry]).start().unwrap();
    let urls = vec!["http://127.0.0.1:9".to_owned(), stack.registry().to_owned()];
    let subjects =
        Subjects::open(RegistrySettings { urls, ..RegistrySettings::default() }).unwrap();
    let subject = EVENTS_SCHEMA.subject();
    assert_eq!(subjects.latest(&subject), Ok(None));
    subjects.check(&subject, EVENTS_SCHEMA.schema).unwrap();
    let first = subjects.register(&subject, EVENTS_SCHEMA.schema).unwrap();
    assert_eq!(subjects.register(&subject, EVENTS_SCHEMA.schema), Ok(first.clone()));
    assert_eq!((first.version, subjects.latest(&subject)), (1, Ok(Some(first.clone()))));

    let with = |field: &str| EVENTS_SCHEMA.schema.replacen("\"fields\": [", field, 1);
    let required = with(r#""fields": [{"name":"session","type":"string"},"#);
    let optional =
        with(r#""fields": [{"name":"session","type":["null","string"],"default":null},"#);
    let incompatible = |called: Result<(), SubjectFault>| match called {
        Err(SubjectFault::Incompatible(words)) => assert!(words.contains("'session'"), "{words}"),
        other => panic!("{other:?}"),
    };
    incompatible(subjects.check(&subject, &required));
    incompatible(subjects.register(&subject, &required).map(drop));
    let second = subjects.register(&subject, &optional).unwrap();
    assert_eq!((second.version, second.id == first.id), (2, false));
    assert!(matches!(subjects.check(&subject, "{"), Err(SubjectFault::Refused(_))));
    assert_eq!(subjects.names().unwrap(), std::slice::from_ref(&subject));

    // Held to BACKWARD, the registry refuses it whoever asks.
    let settings = SrSettings::new(stack.registry().to_owned());
    let supplied = SuppliedSchema::new(None, SchemaType::Avro, required);
    assert!(post_schema(&settings, subject, supplied).is_err());
}
