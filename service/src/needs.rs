//! What a command needs beside a well-formed configuration, looked at before anything starts.
//!
//! Whoever finds out later has started an engine for nothing, and hears of one lack at a time.

use std::fs;
use std::path::Path;

use connectors::registry::RegistrySettings;

use crate::certificate::Certificate;
use crate::config::{Auth, Config, Fault};
use crate::identity::Verifier;
use crate::instance_client::Credentials;
use crate::secrets::Secrets;
use crate::token;

/// One thing that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The key that tokens are checked by.
    Key,
    /// The key that tokens are signed with.
    SigningKey,
    /// The secret between instances, if a file of it is named.
    Secret,
    /// The certificate between instances, if files of it are named.
    Certificate,
    /// The secret of operators' tools, if a file of it is named.
    AdminSecret,
    /// Options that the Kafka client takes.
    Kafka,
    /// Redis.
    Redis,
    /// ClickHouse.
    ClickHouse,
    /// A schema registry.
    Registry,
    /// The certificates by which a schema registry is trusted, if a file of them is named.
    RegistryCa,
}

impl Need {
    /// What `config` lacks of `needs`.
    pub fn lacks(needs: &[Self], config: &Config) -> Vec<Fault> {
        let lack = |need: &Self| {
            let (name, found) = need.look(config);
            found.err().map(|words| Fault { name, words })
        };
        needs.iter().filter_map(lack).collect()
    }

    fn look(self, config: &Config) -> (&'static str, Result<(), String>) {
        let auth = &config.auth;
        match self {
            Self::Key => ("auth.key_file", or_made(config, || verifier(auth).map(drop))),
            Self::SigningKey => {
                ("auth.signing_key_file", or_made(config, || token::signing_key(auth).map(drop)))
            }
            Self::Secret => ("state.secret_file", secrets(config).map(drop)),
            Self::Certificate => ("http.internal_tls_cert_file", certificate(config).map(drop)),
            Self::AdminSecret => ("admin.secret_file", admin_secrets(config).map(drop)),
            Self::Kafka => ("kafka.client", crate::cluster(config).map(drop)),
            Self::Redis => {
                ("redis.url", config.redis.as_ref().map(drop).ok_or("is needed".to_owned()))
            }
            Self::ClickHouse => {
                let is_there = config.clickhouse.as_ref().map(drop);
                ("clickhouse.url", is_there.ok_or("is needed".to_owned()))
            }
            Self::Registry => {
                ("registry.urls", config.registry.as_ref().map(drop).ok_or("is needed".to_owned()))
            }
            Self::RegistryCa => ("registry.ca_file", registry(config).map(drop)),
        }
    }
}

/// Where there is neither key file, the command makes both.
fn or_made(config: &Config, look: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    if token::makes_keys(&config.auth) { Ok(()) } else { look() }
}

/// What tokens are checked by.
pub fn verifier(auth: &Auth) -> Result<Verifier, String> {
    Verifier::new(auth)
}

/// What instances show each other, if a file of it is named.
pub fn secrets(config: &Config) -> Result<Option<Secrets>, String> {
    config.state.secret_file.as_deref().map(Secrets::read).transpose()
}

/// The certificate by which instances know each other, if files of it are named.
pub fn certificate(config: &Config) -> Result<Option<Certificate>, String> {
    config.http.internal_tls.as_ref().map(Certificate::read).transpose()
}

/// What this process shows other instances.
pub fn credentials(config: &Config) -> Result<Credentials, String> {
    Credentials::of(secrets(config)?.as_ref(), certificate(config)?.as_ref())
}

/// What operators' tools show, if a file of it is named.
pub fn admin_secrets(config: &Config) -> Result<Option<Secrets>, String> {
    let path = config.admin.as_ref().and_then(|admin| admin.secret_file.as_deref());
    path.map(Secrets::read).transpose()
}

/// The schema registry, if there is one.
pub fn registry(config: &Config) -> Result<Option<RegistrySettings>, String> {
    let Some(of) = &config.registry else { return Ok(None) };
    let ca = of.ca_file.as_deref().map(read).transpose()?;
    let settings = RegistrySettings { urls: of.urls.clone(), login: of.login.clone(), ca };
    settings.check().map(|()| Some(settings))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration whose files lie in `folder`.
    fn config(folder: &Path) -> Config {
        let set = |name: &str, file: &str| {
            (format!("FEEDMILL_{name}"), folder.join(file).display().to_string())
        };
        let environment = [
            set("AUTH__KEY_FILE", "public"),
            set("AUTH__SIGNING_KEY_FILE", "private"),
            set("STATE__SECRET_FILE", "secret"),
            set("REGISTRY__CA_FILE", "ca"),
            ("FEEDMILL_REGISTRY__URLS".to_owned(), "https://registry".to_owned()),
        ];
        Config::read(None, environment.into_iter(), |_| Vec::new()).unwrap()
    }

    fn lacks(needs: &[Need], config: &Config) -> Vec<&'static str> {
        Need::lacks(needs, config).into_iter().map(|fault| fault.name).collect()
    }

    #[test]
    fn every_lack_of_a_command_is_found_and_none_of_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        fs::write(folder.path().join("public"), "no key").unwrap();
        let all = [Need::Key, Need::SigningKey, Need::Secret, Need::Redis, Need::RegistryCa];
        let named = [
            "auth.key_file",
            "auth.signing_key_file",
            "state.secret_file",
            "redis.url",
            "registry.ca_file",
        ];
        assert_eq!(lacks(&all, &config), named);
        fs::write(folder.path().join("ca"), "no certificate").unwrap();
        assert_eq!(lacks(&[Need::RegistryCa], &config), ["registry.ca_file"]);
        assert_eq!(lacks(&[Need::Secret], &config), ["state.secret_file"]);
        fs::write(folder.path().join("secret"), " \n").unwrap();
        assert_eq!(lacks(&[Need::Secret], &config), ["state.secret_file"]);
        fs::write(folder.path().join("secret"), "open sesame\n").unwrap();
        assert_eq!(lacks(&[Need::Secret], &config), [""; 0]);
    }

    #[test]
    fn keys_that_are_made_when_they_are_needed_are_not_lacking_and_fit_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let keys = [Need::Key, Need::SigningKey];
        assert_eq!(lacks(&keys, &config), [""; 0]);
        token::ensure_keys(&config.auth).unwrap();
        assert_eq!(lacks(&keys, &config), [""; 0]);
    }
}
