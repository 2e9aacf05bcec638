//! The parameters of routes, as data: each says what it takes, is read by that, and is described by that.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};

use super::Fault;

/// What a parameter may be.
pub trait Takes: Sync {
    /// What is made of it.
    type Value;

    /// The value of this text, if it is one.
    fn read(&self, text: &str) -> Option<Self::Value>;

    /// In words: a number from 1 to 100.
    fn expected(&self) -> String;

    /// In the words of OpenAPI.
    fn schema(&self) -> RefOr<Schema>;

    /// Whether it must be given.
    fn is_required(&self) -> bool {
        false
    }
}

/// What a parameter may be that need not be given.
pub trait Optional: Takes {
    /// What it is if nobody says.
    fn unless_told(&self) -> Self::Value;
}

/// A parameter of a query.
pub struct Parameter<T> {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// What it may be.
    pub takes: T,
}

/// A parameter of whatever type.
pub trait Described: Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it says.
    fn about(&self) -> &'static str;
    /// Whether it must be given.
    fn is_required(&self) -> bool;
    /// Whether it may be this.
    fn takes(&self, text: &str) -> bool;
    /// What it may be, in words.
    fn expected(&self) -> String;
    /// In the words of OpenAPI.
    fn schema(&self) -> RefOr<Schema>;
}

impl<T: Takes> Described for Parameter<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn is_required(&self) -> bool {
        self.takes.is_required()
    }

    fn takes(&self, text: &str) -> bool {
        self.takes.read(text).is_some()
    }

    fn expected(&self) -> String {
        self.takes.expected()
    }

    fn schema(&self) -> RefOr<Schema> {
        self.takes.schema()
    }
}

/// The parameters that a query gives, all of which may be what they are.
#[derive(Debug, PartialEq, Eq)]
pub struct Given<'q>(BTreeMap<Cow<'q, str>, Cow<'q, str>>);

impl<'q> Given<'q> {
    /// Reads a query by what its route has; says everything that is wrong with it.
    pub fn read(query: &'q str, parameters: &[&dyn Described]) -> Result<Self, Vec<Fault>> {
        let (mut given, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if given.insert(name.clone(), value).is_some() {
                faults.push(Fault::of(name, "is given twice"));
            }
        }
        for (name, value) in &given {
            match parameters.iter().find(|of| of.name() == *name) {
                None => faults.push(Fault::of(name.as_ref(), "is no parameter of this route")),
                Some(of) => {
                    faults.extend((!of.takes(value)).then(|| fault(*of, Some(value))));
                }
            }
        }
        let missing = |of: &&&dyn Described| of.is_required() && !given.contains_key(of.name());
        faults.extend(parameters.iter().filter(missing).map(|of| fault(*of, None)));
        if faults.is_empty() { Ok(Self(given)) } else { Err(faults) }
    }

    /// What a parameter is, as it was told or not.
    pub fn get<T: Optional>(&self, of: &Parameter<T>) -> T::Value {
        self.told(of).unwrap_or_else(|| of.takes.unless_told())
    }

    /// What was told of a parameter, as it came.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// What a parameter is, if it was told.
    pub fn told<T: Takes>(&self, of: &Parameter<T>) -> Option<T::Value> {
        self.0.get(of.name).and_then(|value| of.takes.read(value))
    }
}

/// Says what a parameter should be, and what it is.
pub fn fault(of: &dyn Described, found: Option<&str>) -> Fault {
    let found = found.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
    Fault::of(of.name(), format!("expected {}, found {found}", of.expected()))
}

/// A number in bounds.
pub struct Number {
    /// The least.
    pub from: usize,
    /// The most.
    pub to: usize,
    /// The one that it is unless told.
    pub unless_told: usize,
}

impl Takes for Number {
    type Value = usize;

    fn read(&self, text: &str) -> Option<usize> {
        number(text).filter(|number| (self.from..=self.to).contains(number))
    }

    fn expected(&self) -> String {
        format!("a number from {} to {}", self.from, self.to)
    }

    fn schema(&self) -> RefOr<Schema> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(self.from))
            .maximum(Some(self.to))
            .default(Some(self.unless_told.into()));
        schema.build().into()
    }
}

impl Optional for Number {
    fn unless_told(&self) -> usize {
        self.unless_told
    }
}

/// One of these words.
pub struct OneOf<T: 'static> {
    /// What each says.
    pub words: &'static [(&'static str, T)],
    /// The one that it is unless told.
    pub unless_told: (&'static str, T),
}

impl<T: Copy + Sync> Takes for OneOf<T> {
    type Value = T;

    fn read(&self, text: &str) -> Option<T> {
        self.words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }

    fn expected(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|(word, _)| *word).collect();
        match words.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }

    fn schema(&self) -> RefOr<Schema> {
        let words = self.words.iter().map(|(word, _)| *word);
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(words))
            .default(Some(self.unless_told.0.into()));
        schema.build().into()
    }
}

impl<T: Copy + Sync> Optional for OneOf<T> {
    fn unless_told(&self) -> T {
        self.unless_told.1
    }
}

/// On or off; off unless told.
pub const FLAG: OneOf<bool> = OneOf {
    words: &[("0", false), ("1", true), ("true", true), ("false", false)],
    unless_told: ("0", false),
};

/// What a text says, in a form that is named.
pub struct Text<T> {
    /// Whether it must be given.
    pub is_required: bool,
    /// In words.
    pub expected: &'static str,
    /// Its name in OpenAPI.
    pub format: Option<KnownFormat>,
    /// How it is read.
    pub read: fn(&str) -> Option<T>,
}

impl<T> Takes for Text<T> {
    type Value = T;

    fn read(&self, text: &str) -> Option<T> {
        (self.read)(text)
    }

    fn expected(&self) -> String {
        self.expected.to_owned()
    }

    fn schema(&self) -> RefOr<Schema> {
        let format = self.format.clone().map(SchemaFormat::KnownFormat);
        ObjectBuilder::new().schema_type(Type::String).format(format).build().into()
    }

    fn is_required(&self) -> bool {
        self.is_required
    }
}

/// The number that a text is in plain digits.
pub fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
