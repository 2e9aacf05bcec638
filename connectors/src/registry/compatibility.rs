//! Whether what was written by one schema can be read by another, and which field is in the way.

use std::error::Error;

use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, RecordSchema};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use crate::causes::causes;

/// Whether who reads by `new` reads all that was written by `old`; which field is in the way.
pub(super) fn explain(old: &str, new: &str) -> Result<(), String> {
    let (Ok(old), Ok(new)) = (Schema::parse_str(old), Schema::parse_str(new)) else {
        return Ok(());
    };
    match SchemaCompatibility::can_read(&old, &new) {
        Ok(Compatibility::Full) => Ok(()),
        Ok(Compatibility::Partial) => Err(in_the_way("", &old, &new).unwrap_or_else(|| {
            "a symbol of an enum or a branch of a union is gone, and values may have it".to_owned()
        })),
        Err(error) => Err(in_the_way("", &old, &new).unwrap_or_else(|| chain(&error))),
    }
}

/// Whether who reads by `ours` reads anything that is written by `theirs`; which field is in the way. Symbols that we do not know
/// are none: values that have them are told one by one.
pub fn readable(ours: &str, theirs: &str) -> Result<(), String> {
    let theirs = Schema::parse_str(theirs).map_err(|error| chain(&error))?;
    let ours = Schema::parse_str(ours).map_err(|error| chain(&error))?;
    match SchemaCompatibility::can_read(&theirs, &ours) {
        Ok(Compatibility::Full | Compatibility::Partial) => Ok(()),
        Err(error) => Err(in_the_way("", &theirs, &ours).unwrap_or_else(|| chain(&error))),
    }
}

/// The first field of `new` by which not all that was written by `old` can be read, and why; none if it is another reason.
fn in_the_way(path: &str, old: &Schema, new: &Schema) -> Option<String> {
    match (old, new) {
        _ if is_read(old, new) => None,
        (Schema::Record(old), Schema::Record(new)) => of_record(path, old, new),
        (Schema::Enum(old), Schema::Enum(new)) => of_enum(path, old, new),
        (Schema::Union(old), new) => {
            old.variants().iter().find_map(|branch| of_branch(path, branch, new))
        }
        (old, new) => of_branch(path, old, new),
    }
}

fn is_read(old: &Schema, new: &Schema) -> bool {
    matches!(SchemaCompatibility::can_read(old, new), Ok(Compatibility::Full))
}

fn of_record(path: &str, old: &RecordSchema, new: &RecordSchema) -> Option<String> {
    if old.name.name() != new.name.name() {
        return Some(format!("{}'{}' was {}", at(path), new.name.name(), old.name.name()));
    }
    new.fields.iter().find_map(|field| {
        let path =
            if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        match old.fields.iter().find(|of| of.name == field.name) {
            Some(of) => in_the_way(&path, &of.schema, &field.schema),
            None if field.default.is_none() => {
                Some(format!("field '{path}' is not in what was written, and has no default"))
            }
            None => None,
        }
    })
}

fn of_enum(path: &str, old: &EnumSchema, new: &EnumSchema) -> Option<String> {
    let gone = old.symbols.iter().filter(|symbol| !new.symbols.contains(symbol));
    let gone: Vec<_> = gone.map(String::as_str).collect();
    let words = "gone, and values may have it";
    (!gone.is_empty())
        .then(|| format!("{}a symbol of an enum ({}) is {words}", at(path), gone.join(", ")))
}

/// A branch of what was written, against the branches of what is read.
fn of_branch(path: &str, old: &Schema, new: &Schema) -> Option<String> {
    if is_read(old, new) {
        return None;
    }
    let branches = match new {
        Schema::Union(new) => new.variants(),
        new => std::slice::from_ref(new),
    };
    let same = |branch: &&Schema| std::mem::discriminant(*branch) == std::mem::discriminant(old);
    match (branches.iter().find(same), old) {
        (Some(branch), Schema::Record(_) | Schema::Enum(_)) => in_the_way(path, old, branch),
        _ => {
            let kinds: Vec<_> = branches.iter().map(kind).collect();
            Some(format!(
                "{}what was {} cannot be read as {}",
                at(path),
                kind(old),
                kinds.join(" or ")
            ))
        }
    }
}

fn kind(of: &Schema) -> String {
    format!("{:?}", apache_avro::schema::SchemaKind::from(of)).to_lowercase()
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("field '{path}': ") }
}

/// An error and all that lies behind it.
fn chain(error: &dyn Error) -> String {
    let words = causes(error).collect::<Vec<_>>().join(": ");
    // One line, whatever is printed in it.
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"Event","fields":[{fields}]}}"#)
    }

    #[test]
    fn what_is_in_the_way_of_a_schema_is_a_field_by_name() {
        let old = record(r#"{"name":"a","type":"string"},{"name":"b","type":"int"}"#);
        let rows = [
            (r#"{"name":"a","type":"string"}"#, None),
            (
                r#"{"name":"a","type":"string"},{"name":"c","type":["null","int"],"default":null}"#,
                None,
            ),
            (r#"{"name":"a","type":"string"},{"name":"c","type":"int"}"#, Some("'c'")),
            (r#"{"name":"a","type":"string"},{"name":"b","type":"string"}"#, Some("'b'")),
            (r#"{"name":"a","type":"string"},{"name":"b","type":["int","null"]}"#, None),
        ];
        for (fields, in_the_way) in rows {
            let found = explain(&old, &record(fields)).err();
            match in_the_way {
                None => assert_eq!(found, None, "{fields}"),
                Some(field) => {
                    assert!(found.is_some_and(|found| found.contains(field)), "{fields}")
                }
            }
        }
    }

    #[test]
    fn a_symbol_that_goes_is_in_the_way_and_one_that_comes_is_not() {
        let of = |symbols| {
            record(&format!(
                r#"{{"name":"a","type":{{"type":"enum","name":"A","symbols":{symbols}}}}}"#
            ))
        };
        let (less, more) = (of(r#"["like"]"#), of(r#"["like","view"]"#));
        assert_eq!(explain(&less, &more), Ok(()));
        let words = "field 'a': a symbol of an enum (view) is gone, and values may have it";
        assert_eq!(explain(&more, &less), Err(words.to_owned()));
    }

    #[test]
    fn a_field_inside_of_a_record_is_named_with_its_path() {
        let ctx = |fields: &str| {
            record(&format!(
                r#"{{"name":"ctx","type":["null",{{"type":"record","name":"C","fields":[{fields}]}}],"default":null}}"#
            ))
        };
        let (old, new) = (
            ctx(r#"{"name":"at","type":"int"}"#),
            ctx(r#"{"name":"at","type":"int"},{"name":"x","type":"int"}"#),
        );
        let words = "field 'ctx.x' is not in what was written, and has no default";
        assert_eq!(explain(&old, &new), Err(words.to_owned()));
        let other = ctx(r#"{"name":"at","type":"string"}"#);
        let words = "field 'ctx.at': what was int cannot be read as string";
        assert_eq!(explain(&old, &other), Err(words.to_owned()));
        let never_null = r#"{"name":"ctx","type":{"type":"record","name":"C","fields":[{"name":"at","type":"int"}]}}"#;
        let words = "field 'ctx': what was null cannot be read as record";
        assert_eq!(explain(&old, &record(never_null)), Err(words.to_owned()));
    }

    #[test]
    fn what_lacks_a_field_that_we_need_is_not_readable_and_what_has_more_is() {
        let ours = record(
            r#"{"name":"a","type":"string"},{"name":"b","type":["null","int"],"default":null}"#,
        );
        let more = record(r#"{"name":"a","type":"string"},{"name":"z","type":"int"}"#);
        assert_eq!(readable(&ours, &more), Ok(()));
        let words = "field 'a' is not in what was written, and has no default";
        let less = record(r#"{"name":"z","type":"int"}"#);
        assert_eq!(readable(&ours, &less), Err(words.to_owned()));
        assert!(readable(&ours, "no schema").is_err());
    }
}
