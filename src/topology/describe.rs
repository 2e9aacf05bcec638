//! A topology as text for people, and as a digest for the manifest.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::Built;
use super::plan::NodeKind;

/// A line a node, grouped by sub-topology.
pub(super) fn text(built: &Built) -> String {
    let mut out = format!("application {}\n", built.app);
    for sub in &built.subs {
        let _ = writeln!(out, "\nsub-topology {}", sub.name);
        for node in sub.nodes.iter().filter_map(|id| built.plan.nodes.get(*id as usize)) {
            let from: Vec<_> = node
                .parents
                .iter()
                .filter_map(|id| built.plan.nodes.get(*id as usize))
                .map(|parent| &*parent.name)
                .collect();
            let _ = match &node.kind {
                NodeKind::Source { topic, .. } => writeln!(out, "  source     {topic}"),
                NodeKind::Sink { topic } => {
                    writeln!(out, "  sink       {topic} <- {}", from.join(", "))
                }
                NodeKind::Verb(verb) => {
                    let uses =
                        node.uses.iter().filter_map(|id| built.plan.handles.get(*id as usize));
                    let uses: Vec<_> = uses.map(|handle| &*handle.name).collect();
                    let with = if uses.is_empty() {
                        String::new()
                    } else {
                        format!(" [{}]", uses.join(", "))
                    };
                    writeln!(out, "  {verb:<10} {} <- {}{with}", node.name, from.join(", "))
                }
            };
        }
        if let Some(changelog) = built.changelog_of(sub) {
            let stores = built.columns_of(sub).join(", ");
            let _ = writeln!(out, "  changelog  {changelog} [{stores}]");
        }
    }
    out
}

/// Digest of [`text`]: what must not change under existing state.
pub(super) fn digest(built: &Built) -> String {
    Sha256::digest(text(built)).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
