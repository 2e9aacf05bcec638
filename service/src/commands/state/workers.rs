//! The workers of an application, of which any answers for all.

use std::sync::Arc;

use hyper::StatusCode;
use millstream::Exit;
use serde::Deserialize;
use serde_json::Value;

use crate::commands::workers;
use crate::config::Config;
use crate::failed::Failed;
use crate::instance_client::{InstanceClient, Told};
use crate::stores::peers::ANSWER_BYTES_MAX;

/// Who is asked.
pub(super) struct Workers {
    urls: Vec<String>,
    client: Arc<InstanceClient>,
}

/// A refusal, as far as it is told here.
#[derive(Deserialize)]
struct Refused {
    error: Why,
}

#[derive(Deserialize)]
struct Why {
    code: String,
    message: String,
    fields: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    field: String,
    message: String,
}

impl Workers {
    /// Those that are named, else the process of this machine as it is configured.
    pub(super) fn of(config: &Config) -> Result<Self, Failed> {
        let (urls, credentials) = workers::named(config)?;
        Ok(Self { urls, client: Arc::new(InstanceClient::new(credentials, ANSWER_BYTES_MAX)) })
    }

    /// Others, who are shown the same.
    pub(super) fn at(&self, urls: Vec<String>) -> Self {
        Self { urls, client: Arc::clone(&self.client) }
    }

    /// What the first of them says that can.
    pub(super) async fn ask(&self, path: &str) -> Result<Value, Failed> {
        let nothing = || Failed(Exit::Failed, "there is nothing here".to_owned());
        self.find(path).await?.ok_or_else(nothing)
    }

    /// The same; none where there is nothing.
    pub(super) async fn find(&self, path: &str) -> Result<Option<Value>, Failed> {
        let mut last = Failed(Exit::Unavailable, "no worker is named".to_owned());
        for url in &self.urls {
            let Told { status, body, .. } = match self.client.get((url, path), &[]).await {
                Ok(answer) => answer,
                Err(words) => {
                    last = Failed(Exit::Unavailable, words);
                    continue;
                }
            };
            if status == StatusCode::OK {
                let answer = serde_json::from_slice(&body);
                return answer.map(Some).map_err(|e| format!("{url}: {e}").into());
            }
            let refused = serde_json::from_slice(&body).map(|Refused { error }| error);
            if refused.as_ref().is_ok_and(|why: &Why| why.code == "no_store") {
                let words = "there is no such store: `feedmill state ls` lists them";
                return Err(Failed(Exit::Usage, words.to_owned()));
            }
            if status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let words = refused.map_or_else(|_| status.to_string(), Why::words);
            if status == StatusCode::UNAUTHORIZED {
                return Err(Failed(Exit::Usage, format!("{url}: {words}: {SHOWN}")));
            }
            let may_be_elsewhere =
                [StatusCode::SERVICE_UNAVAILABLE, StatusCode::MISDIRECTED_REQUEST]
                    .contains(&status);
            if !may_be_elsewhere {
                return Err(Failed(Exit::Failed, words));
            }
            last = Failed(Exit::Unavailable, format!("{url}: {words}"));
        }
        Err(last)
    }
}

/// What an instance may not have taken.
const SHOWN: &str = "shown was what state.secret_file has, and with TLS the certificate of http.internal_tls_cert_file";

impl Why {
    fn words(self) -> String {
        let fields = self.fields.into_iter();
        let fields: Vec<_> = fields.map(|of| format!("{}: {}", of.field, of.message)).collect();
        if fields.is_empty() { self.message } else { fields.join("; ") }
    }
}
