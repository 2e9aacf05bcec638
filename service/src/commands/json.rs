//! What scripts read.

use serde::Serialize;

use crate::failed::Failed;

/// A value as JSON in several lines.
pub fn pretty(value: &impl Serialize) -> Result<String, Failed> {
    let json = serde_json::to_string_pretty(value).map_err(|e| e.to_string())?;
    Ok(format!("{json}\n"))
}
