//! `GET /console` of the internal listener: what the stream processor does, as an operator sees it in a browser.
//!
//! The page reads what the listener tells anyhow (`/metrics`, `/ready`, `/state/v1/stores`), and what is told here for it alone: how
//! the topology hangs together, the flags, dead letters, and what other instances tell, who are asked only where they have announced
//! themselves. All but its files takes the secret that instances show each other, where there is one.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use millstream::SubGraph;
use millstream::broker::Broker;
use serde_json::json;
use tokio::time::timeout;
use warp::http::HeaderMap;
use warp::reply::Response;

use super::internal::{Internal, TEXT, bytes};
use super::page_file::{LOOKS, PageFile, SIGN, moved};
use super::{Refusal, json as json_answer, request_id};
use crate::dead_letters::{DeadLetters, Filter, Groups, Newest, told};
use crate::failed::Failed;
use crate::flags::Flagging;
use crate::flags::told::Flags;
use crate::instance_client::InstanceClient;
use crate::replay;
use crate::stores::directory::Directory;

/// How many letters are shown.
const LETTERS_MAX: usize = 50;
const PEER_WAIT: Duration = Duration::from_secs(3);

static FILES: [PageFile; 5] = [
    PageFile {
        path: "",
        media: "text/html; charset=utf-8",
        text: include_str!("../../page/console.html"),
    },
    PageFile { path: "looks.css", ..LOOKS },
    PageFile {
        path: "console.css",
        media: "text/css; charset=utf-8",
        text: include_str!("../../page/console.css"),
    },
    PageFile {
        path: "console.js",
        media: "text/javascript; charset=utf-8",
        text: include_str!("../../page/console.js"),
    },
    PageFile { path: "feed.svg", ..SIGN },
];

/// What the console needs beside what the internal routes have.
pub struct Console {
    /// The application, and which of it is live.
    pub live: replay::Live,
    /// The cluster.
    pub broker: Arc<dyn Broker>,
    /// How the topology hangs together.
    pub graph: Vec<SubGraph>,
}

/// A file of the page, or where it is; none if the path names neither.
pub fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    match path {
        "/console" => FILES.first().map(|page| page.served(headers)),
        "/console/" => Some(moved("../console")),
        _ => {
            let name = path.strip_prefix("/console/")?;
            FILES.iter().skip(1).find(|file| file.path == name).map(|file| file.served(headers))
        }
    }
}

impl Internal {
    /// What the page asks for, by who showed the secret.
    pub(super) async fn console(&self, path: &[&str]) -> Result<Response, Refusal> {
        let console = self.console.as_ref().ok_or_else(Refusal::not_found)?;
        match *path {
            ["topology.json"] => {
                let graph =
                    json!({"application": console.live.app(), "sub_topologies": console.graph});
                Ok(json_answer(StatusCode::OK, &graph, request_id()))
            }
            ["flags.json"] => {
                let set = console.asked(|broker, app| Flagging { broker, app }.set()).await?;
                Ok(json_answer(StatusCode::OK, &Flags::from(&set), request_id()))
            }
            ["dead-letters.json"] => {
                let letters = console.asked(dead_letters).await?;
                Ok(json_answer(StatusCode::OK, &letters, request_id()))
            }
            ["instances", name, what @ ("metrics" | "ready")] => self.instance(name, what).await,
            _ => Err(Refusal::not_found()),
        }
    }

    /// Who else is there, and what asks them.
    fn others(&self) -> Option<(Arc<Directory>, &InstanceClient)> {
        if let Some(stores) = &self.stores {
            return Some((Arc::clone(&stores.directory), stores.peers.client()));
        }
        let of = self.elsewhere.as_ref()?;
        Some((of.instances.of(&of.live.app())?, &of.client))
    }

    /// What another instance tells of itself.
    async fn instance(&self, name: &str, what: &str) -> Result<Response, Refusal> {
        let (directory, client) = self.others().ok_or_else(Refusal::not_found)?;
        let there = directory.instances(self.clock.now());
        let said = there.into_iter().find(|(of, _)| of == name).map(|(_, said)| said);
        let url = said.ok_or_else(Refusal::not_found)?.url;
        let asked = timeout(PEER_WAIT, client.get((&url, &format!("/{what}")), &[])).await;
        let told = asked.map_err(|_| Refusal::failed(format!("{url}: late")))?;
        let told = told.map_err(Refusal::failed)?;
        let kind = if what == "metrics" { TEXT } else { "application/json" };
        Ok(bytes(told.body.into(), kind))
    }
}

impl Console {
    /// What the cluster answers, asked where nobody else has to wait for it.
    async fn asked<T: Send + 'static>(
        &self,
        ask: fn(&dyn Broker, &str) -> Result<T, Failed>,
    ) -> Result<T, Refusal> {
        let (broker, app) = (Arc::clone(&self.broker), self.live.app());
        let asked = tokio::task::spawn_blocking(move || ask(&*broker, &app)).await;
        let told = asked.map_err(|e| Refusal::failed(e.to_string()))?;
        told.map_err(|Failed(_, words)| Refusal::failed(words))
    }
}

/// Those that are not done with: counted, and the newest.
fn dead_letters(broker: &dyn Broker, app: &str) -> Result<serde_json::Value, Failed> {
    let (mut groups, mut newest) = (Groups::default(), Newest::new(LETTERS_MAX));
    DeadLetters { broker, app }.each((&Filter::default(), false), |letter, done| {
        groups.add(letter);
        newest.add(letter, || told::facts(letter, done));
    })?;
    Ok(json!({
        "letters": newest.letters(),
        "groups": groups.all(),
        "newest": newest.of().rev().collect::<Vec<_>>(),
    }))
}
