//! The tables of ClickHouse: made, and brought up to date.

use std::fmt::Write;

use connectors::clickhouse::{Migration, MigrationFault, Migrator, answers};
use millstream::Exit;

use crate::Failed;
use crate::config::Config;

/// Does what is to be done, or only tells what that is; with `unlock` it gives up a lock first that was left over.
pub async fn migrate(config: &Config, is_dry: bool, unlock: bool) -> Result<String, Failed> {
    let settings = config.clickhouse.as_ref().map(|clickhouse| &clickhouse.server);
    let needed = || Failed(Exit::Usage, "clickhouse.url: is needed".to_owned());
    let settings = settings.ok_or_else(needed)?;
    answers(settings).await?;
    let migrator = Migrator::new(settings);
    if unlock && !is_dry {
        migrator.unlock().await.map_err(failed)?;
    }
    if is_dry {
        let pending = migrator.pending().await.map_err(failed)?;
        return Ok(told(&pending, "to do: ", true));
    }
    let done = migrator.migrate(&by()).await.map_err(failed)?;
    Ok(told(&done, "done: ", false))
}

/// Who does it, for whoever finds the lock.
fn by() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}", std::process::id(), host.trim())
}

fn told(migrations: &[Migration], what: &str, in_full: bool) -> String {
    let mut lines = String::new();
    for migration in migrations {
        let _ = writeln!(lines, "{what}{migration}");
        for statement in migration.statements().filter(|_| in_full) {
            let _ = writeln!(lines, "\n{};", statement.trim());
        }
    }
    if lines.is_empty() { "nothing is to be done\n".to_owned() } else { lines }
}

fn failed(fault: MigrationFault) -> Failed {
    match fault {
        MigrationFault::Server(fault) => fault.into(),
        MigrationFault::Mismatch(_) => Failed(Exit::Mismatch, fault.to_string()),
        MigrationFault::Locked(_) => Failed(Exit::Failed, fault.to_string()),
    }
}
