//! What is registered under which subject, and whether a schema may follow what is there.
//!
//! The crate that fetches schemas has no words for a refusal and no compatibility levels, so these few calls are made
//! here. The URLs are tried in turn; a registry's word counts, and only its silence or a fault of its own has the next
//! one asked.

use std::error::Error;
use std::fmt;

use reqwest::blocking::{Client, Response};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::compatibility::explain;
use super::{CALL_MAX, RegistrySettings, http_client};
use crate::causes::deepest;

/// What a new subject is held to: who reads by the new schema reads what was written by the last one.
const BACKWARD: &str = "BACKWARD";
/// What a registry says that holds a subject to nothing.
const UNSET: &str = "NONE";

/// The subjects of a registry.
pub struct Subjects {
    client: Client,
    settings: RegistrySettings,
}

/// A schema under its subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// By what records name it.
    pub id: u32,
    /// Its number in the subject, from 1.
    pub version: u32,
    /// Itself, in JSON.
    pub schema: String,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectFault {
    /// No registry answers.
    Unavailable(String),
    /// The schema may not follow the last one; why.
    Incompatible(String),
    /// The registry does not do it; its words.
    Refused(String),
}

impl fmt::Display for SubjectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(words) => write!(f, "no registry answers: {words}"),
            Self::Incompatible(words) => {
                write!(f, "not compatible with what is registered: {words}")
            }
            Self::Refused(words) => write!(f, "the registry refuses: {words}"),
        }
    }
}

impl Error for SubjectFault {}

#[derive(Deserialize)]
struct Level {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

#[derive(Deserialize)]
struct Compatibility {
    is_compatible: bool,
    #[serde(default)]
    messages: Vec<String>,
}

/// Without the password.
impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subjects").field("urls", &self.settings.urls).finish_non_exhaustive()
    }
}

/// What a registry says when it does not do something.
#[derive(Default, Deserialize)]
struct Words {
    #[serde(default)]
    message: String,
}

impl Subjects {
    /// Of the registry of these settings; fails, in words, if they name none.
    pub fn open(settings: RegistrySettings) -> Result<Self, String> {
        if settings.urls.is_empty() {
            return Err("no URL".into());
        }
        let builder = http_client(settings.ca.as_deref())?.timeout(CALL_MAX);
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { client, settings })
    }

    /// Every subject that there is.
    pub fn names(&self) -> Result<Vec<String>, SubjectFault> {
        Ok(self.ask(Method::GET, "subjects", None)?.unwrap_or_default())
    }

    /// What was registered last under `subject`, if anything.
    pub fn latest(&self, subject: &str) -> Result<Option<Registered>, SubjectFault> {
        self.ask(Method::GET, &format!("subjects/{subject}/versions/latest"), None)
    }

    /// `schema` as it is registered under `subject`, if it is.
    pub fn find(&self, subject: &str, schema: &str) -> Result<Option<Registered>, SubjectFault> {
        self.ask(Method::POST, &format!("subjects/{subject}"), Some(&json!({"schema": schema})))
    }

    /// Whether `schema` may follow what is registered under `subject`.
    pub fn check(&self, subject: &str, schema: &str) -> Result<(), SubjectFault> {
        let path = format!("compatibility/subjects/{subject}/versions/latest?verbose=true");
        let answer =
            self.ask::<Compatibility>(Method::POST, &path, Some(&json!({"schema": schema})))?;
        let latest = self.latest(subject)?;
        let explained = latest.map_or(Ok(()), |last| explain(&last.schema, schema));
        match (answer, explained) {
            (Some(Compatibility { is_compatible: false, messages }), explained) => {
                let ours = explained.err().into_iter();
                let words: Vec<_> = ours.chain(messages).collect();
                Err(SubjectFault::Incompatible(words.join("; ")))
            }
            // A registry that holds the subject to nothing takes what its readers could not read.
            (Some(_) | None, Err(words)) => Err(SubjectFault::Incompatible(words)),
            (Some(_) | None, Ok(())) => Ok(()),
        }
    }

    /// Registers `schema` under `subject`, or finds it there, and holds the subject to backward compatibility where it was
    /// held to nothing.
    pub fn register(&self, subject: &str, schema: &str) -> Result<Registered, SubjectFault> {
        self.check(subject, schema)?;
        if self.level(subject)?.is_none_or(|level| level == UNSET) {
            let path = format!("config/{subject}");
            self.ask::<Value>(Method::PUT, &path, Some(&json!({"compatibility": BACKWARD})))?;
        }
        let path = format!("subjects/{subject}/versions");
        let posted = self.ask::<Value>(Method::POST, &path, Some(&json!({"schema": schema})))?;
        let found = self.find(subject, schema)?;
        let none = || SubjectFault::Refused("it does not find what it took".to_owned());
        posted.and(found).ok_or_else(none)
    }

    /// What `subject` is held to, if anything was said of it or of all.
    pub fn level(&self, subject: &str) -> Result<Option<String>, SubjectFault> {
        let level = self.ask::<Level>(Method::GET, &format!("config/{subject}"), None)?;
        Ok(level.map(|level| level.level))
    }

    /// The answer to a call, none if there is no such thing.
    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<T>, SubjectFault> {
        let mut silent = Vec::new();
        for url in &self.settings.urls {
            match self.send(method.clone(), &format!("{url}/{path}"), body) {
                Ok(answer) if answer.status().is_server_error() => {
                    silent.push(format!("{url}: {}", answer.status()));
                }
                Ok(answer) => return read(answer),
                Err(error) => silent.push(format!("{url}: {}", deepest(&error))),
            }
        }
        Err(SubjectFault::Unavailable(silent.join("; ")))
    }

    fn send(&self, method: Method, url: &str, body: Option<&Value>) -> reqwest::Result<Response> {
        const FORM: &str = "application/vnd.schemaregistry.v1+json";
        let mut request = self.client.request(method, url).header("accept", FORM);
        if let Some((user, password)) = &self.settings.login {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(body) = body {
            request = request.header("content-type", FORM).body(body.to_string());
        }
        request.send()
    }
}

fn read<T: DeserializeOwned>(answer: Response) -> Result<Option<T>, SubjectFault> {
    let status = answer.status();
    let text = answer.text().map_err(|error| SubjectFault::Unavailable(deepest(&error)))?;
    let said = || {
        let Words { message } = serde_json::from_str(&text).unwrap_or_default();
        if message.is_empty() { format!("{status}") } else { format!("{status}: {message}") }
    };
    match status {
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::CONFLICT => Err(SubjectFault::Incompatible(said())),
        _ if status.is_success() => {
            let read = serde_json::from_str(&text);
            read.map(Some).map_err(|error| SubjectFault::Refused(format!("{error}, in its answer")))
        }
        _ => Err(SubjectFault::Refused(said())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_not_there_is_named_with_the_reason() {
        let urls = vec!["http://127.0.0.1:9".to_owned()];
        let subjects =
            Subjects::open(RegistrySettings { urls, ..RegistrySettings::default() }).unwrap();
        let fault = subjects.names().unwrap_err();
        assert!(
            matches!(&fault, SubjectFault::Unavailable(words) if words.contains("127.0.0.1:9"))
        );
        assert!(fault.to_string().contains("refused"), "{fault}");
    }
}
