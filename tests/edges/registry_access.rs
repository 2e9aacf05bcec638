//! A registry behind TLS that asks who is there: who trusts it and is known to it gets in, everybody else is told what is in
//! the way, and what they read waits.

use std::time::Duration;

use connectors::registry::{Registry, RegistrySettings, Subjects};
use schemas::{EVENTS_SCHEMA, Lookup, Payload, SchemaById};
use tempfile::TempDir;
use tests::{Authority, Part, Stack, poll_until};

const KNOWN: Option<(&str, &str)> = Some(("feedmill", "secret"));

/// A registry that speaks TLS alone, under this certificate, and knows one user.
fn secured(certified: &TempDir) -> Stack {
    let file = |name: &str| certified.path().join(name).display().to_string();
    let properties = [
        ("http.insecure-requests", "disabled"),
        ("http.ssl.certificate.files", &file("certificate")),
        ("http.ssl.certificate.key-files", &file("key")),
        ("http.auth.basic", "true"),
        ("http.auth.permission.all.paths", "/*"),
        ("http.auth.permission.all.policy", "authenticated"),
        ("security.users.embedded.enabled", "true"),
        ("security.users.embedded.plain-text", "true"),
        ("security.users.embedded.users.feedmill", "secret"),
    ];
    let builder = properties.into_iter().fold(Stack::of(&[Part::Registry]), |builder, of| {
        builder.registry_property(&format!("quarkus.{}", of.0), of.1)
    });
    builder.start().unwrap()
}

fn settings(
    stack: &Stack,
    ca: Option<&Authority>,
    login: Option<(&str, &str)>,
) -> RegistrySettings {
    RegistrySettings {
        urls: vec![stack.registry().to_owned()],
        login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
        ca: ca.map(|ca| ca.pem().as_bytes().to_vec()),
    }
}

/// What a reader of a record in the schema `id` meets first: the schema, or what the call failed with while the record waits.
fn met(settings: &RegistrySettings, id: u32) -> String {
    let registry = Registry::open(settings).unwrap();
    let value = [&[0][..], &id.to_be_bytes(), &[0]].concat();
    let first = poll_until(Duration::from_secs(30), || match registry.schema(id) {
        Lookup::Ready(_) => Some("the schema".to_owned()),
        Lookup::Unknown(why) => panic!("the record would be dead-lettered: {why}"),
        Lookup::Unavailable(_) => registry.failed(),
    });
    let first = first.unwrap();
    let waits = Payload::of(&value, &registry).is_err();
    assert_eq!(waits, first != "the schema");
    first
}

#[test]
fn who_trusts_a_registry_and_is_known_to_it_gets_in_and_others_are_told_what_is_in_the_way() {
    let (company, stranger) =
        (Authority::new("company").unwrap(), Authority::new("stranger").unwrap());
    let certified = company.certify().unwrap();
    let stack = secured(&certified);
    let inside = settings(&stack, Some(&company), KNOWN);
    let subject = EVENTS_SCHEMA.subject();
    let registered = Subjects::open(inside.clone()).unwrap();
    let registered = registered.register(&subject, EVENTS_SCHEMA.schema).unwrap();
    assert_eq!((registered.version, met(&inside, registered.id)), (1, "the schema".into()));

    let url = stack.registry();
    let origin = url.trim_end_matches("/apis/ccompat/v7");
    let untrusted = "invalid peer certificate: UnknownIssuer";
    let outside = (
        format!("http call to schema registry failed: {origin}: {untrusted}"),
        format!("no registry answers: {url}: {untrusted}"),
    );
    let refused = (
        "HTTP request to schema registry failed with status 401 Unauthorized".to_owned(),
        "the registry refuses: 401 Unauthorized".to_owned(),
    );
    let rows = [
        (settings(&stack, Some(&stranger), KNOWN), &outside),
        (settings(&stack, None, KNOWN), &outside),
        (settings(&stack, Some(&company), None), &refused),
        (settings(&stack, Some(&company), Some(("feedmill", "guess"))), &refused),
    ];
    for (settings, told) in rows {
        let subjects = Subjects::open(settings.clone()).unwrap();
        let fault = subjects.latest(&subject).unwrap_err();
        assert_eq!((met(&settings, registered.id), fault.to_string()), *told);
    }
}
