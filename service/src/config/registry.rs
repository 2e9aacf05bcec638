//! The schema registry: where it is, and who asks it.

use std::path::PathBuf;

use warp::http::Uri;

use super::values::ConfigValues;

/// The schema registry, if records in Avro are read.
#[derive(Clone)]
pub struct Registry {
    /// Its URLs, tried in turn.
    pub urls: Vec<String>,
    /// The name and password of the one who asks, if there must be one.
    pub login: Option<(String, String)>,
    /// Certificates in PEM that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
}

impl Registry {
    /// What is set of it; none without a URL.
    pub(super) fn read(from: &mut ConfigValues) -> Option<Self> {
        let urls = from.urls("registry.urls");
        let user = from.text("registry.user", "");
        let password = from.secret("registry.password");
        let ca_file = from.text("registry.ca_file", "");
        let shape = "are URLs such as https://registry:8081, separated by commas";
        if let Some(words) = urls.iter().find_map(|url| fault_of(url, shape, "registry")) {
            from.fault("registry.urls", &words);
        }
        if user.is_empty() && password.is_some() {
            from.fault("registry.user", "is needed with registry.password");
        }
        let login = (!user.is_empty()).then(|| (user, password.unwrap_or_default()));
        let ca_file = (!ca_file.is_empty()).then(|| ca_file.into());
        (!urls.is_empty()).then_some(Self { urls, login, ca_file })
    }
}

/// What is wrong with the URL of a server, which should have this `shape`. It is not repeated: a password may be in it, which
/// belongs into the `table`.
pub(super) fn fault_of(url: &str, shape: &str, table: &str) -> Option<String> {
    let Ok(uri) = url.parse::<Uri>() else { return Some(shape.to_owned()) };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Some(format!("holds no log-in: it goes to {table}.user and {table}.password"));
    }
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (!is_http || uri.query().is_some()).then(|| shape.to_owned())
}
