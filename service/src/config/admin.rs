//! The listener of operators, if there is one, and who is let in.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::http::Http;
use super::values::ConfigValues;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The file with the secret that operators' tools show, if they show one; tokens are taken in any case.
    pub secret_file: Option<PathBuf>,
}

impl Admin {
    pub(super) fn read(from: &mut ConfigValues, http: &Http) -> Option<Self> {
        let listen = from.text("admin.listen", "");
        let secret = from.text("admin.secret_file", "");
        if listen.is_empty() {
            return None;
        }
        let Ok(listen) = listen.parse() else {
            let words = "is an IP address and a port, such as 127.0.0.1:9902";
            from.fault("admin.listen", &format!("{words}, found {listen:?}"));
            return None;
        };
        for (name, other) in
            [("http.listen", http.listen), ("http.internal_listen", http.internal_listen)]
        {
            if other == listen && listen.port() > 0 {
                from.fault("admin.listen", &format!("is where {name} is"));
            }
        }
        Some(Self { listen, secret_file: (!secret.is_empty()).then(|| secret.into()) })
    }
}
