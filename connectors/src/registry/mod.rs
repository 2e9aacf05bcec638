//! The schema registry, spoken to through Confluent's interface, which Apicurio and Karapace have too.
//!
//! [`Registry`] answers those who read records and never waits; [`Subjects`] serves the commands, which do.

mod compatibility;
mod lookup;
mod subjects;

use std::time::Duration;

use reqwest::Certificate;
use reqwest::blocking::ClientBuilder;

pub use compatibility::readable;
pub use lookup::Registry;
pub use subjects::{Registered, SubjectFault, Subjects};

/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(5);

/// Where the registry is, and who asks.
#[derive(Clone, Default)]
pub struct RegistrySettings {
    /// Its URLs, tried in turn.
    pub urls: Vec<String>,
    /// The name and password of the one who asks, if there must be one.
    pub login: Option<(String, String)>,
    /// Certificates in PEM that are trusted beside those of the system, if there are any.
    pub ca: Option<Vec<u8>>,
}

impl RegistrySettings {
    /// Fails, in words, if the certificates are none.
    pub fn check(&self) -> Result<(), String> {
        http_client(self.ca.as_deref()).map(drop)
    }
}

fn http_client(ca: Option<&[u8]>) -> Result<ClientBuilder, String> {
    let mut builder = ClientBuilder::new();
    if let Some(ca) = ca {
        let trusted = Certificate::from_pem_bundle(ca).map_err(|error| error.to_string())?;
        if trusted.is_empty() {
            return Err("no certificate in it".into());
        }
        builder = builder.tls_certs_merge(trusted);
    }
    Ok(builder)
}
