//! PostgreSQL as the capture of its changes needs it, and as reads do.

use connectors::postgres::{PostgresVitals, Slot, TableVitals};

use super::finding::Finding;

const POSTGRES: &str = "postgres";
/// What tells how far a slot has fallen behind came with this one.
const VERSION_MIN: u32 = 130_000;
/// The slot of the connector that we ship.
const OURS: &str = "feedmill";
/// A table that an application may not have.
const OPTIONAL: [&str; 2] = ["mutes", "blocks"];
/// Users are deleted by key alone.
const BY_KEY: &str = "users";
const SCHEMA: &str = "psql \"$DATABASE\" -f schemas/sql/postgres.sql";
const CONNECTOR: &str = "curl -X POST -H 'content-type: application/json' \
                         --data @connectors/debezium/postgres.json http://connect:8083/connectors";
/// Log that a slot holds, and that a disk may not have room for.
const RETAINED_MUCH: i64 = 10 << 30;

/// See the module.
pub fn judge(of: &PostgresVitals) -> Vec<Finding> {
    let mut findings = Vec::new();
    if of.version < VERSION_MIN {
        let words = format!("version {}: 13 or later is needed", of.version / 10_000);
        findings.push(Finding::error(POSTGRES, words));
    }
    if of.wal_level != "logical" {
        let words = format!("wal_level={}: no change can be captured", of.wal_level);
        let set = "psql \"$DATABASE\" -c 'ALTER SYSTEM SET wal_level = logical' && pg_ctl restart";
        findings.push(Finding::error(POSTGRES, words).mended_by(set));
    }
    findings.extend(publication(of));
    findings.extend(of.tables.iter().flat_map(|table| table_is_whole(table, of)));
    findings.extend(slots(of));
    findings.extend(connections(of.connections, of.connections_max));
    for slow in &of.slow {
        let words = format!(
            "takes {:.0} ms on average of {} calls: {}",
            slow.mean_ms, slow.calls, slow.query
        );
        let explain = "psql \"$DATABASE\" -c 'EXPLAIN (ANALYZE, BUFFERS) ...'";
        findings.push(Finding::warning(POSTGRES, words).mended_by(explain));
    }
    if !of.has_statements {
        let words = "pg_stat_statements is not there: which statements are slow is not known";
        let set = "psql \"$DATABASE\" -c 'CREATE EXTENSION pg_stat_statements'   # with shared_preload_libraries = 'pg_stat_statements', and a restart";
        findings.push(Finding::note(POSTGRES, words).mended_by(set));
    }
    findings
}

fn publication(of: &PostgresVitals) -> Vec<Finding> {
    if !of.has_publication {
        let words = "there is no publication feedmill: no change is captured";
        return vec![Finding::error(POSTGRES, words).mended_by(SCHEMA)];
    }
    let mut findings = Vec::new();
    let there = of.tables.iter().filter(|table| table.identity.is_some());
    for TableVitals { name, .. } in there.filter(|table| !of.published.contains(&table.name)) {
        let words = format!("table {name} is not in the publication: its changes are not captured");
        let add = format!("psql \"$DATABASE\" -c 'ALTER PUBLICATION feedmill ADD TABLE {name}'");
        findings.push(Finding::error(POSTGRES, words).mended_by(add));
    }
    if of.replicators.is_empty() {
        let words =
            "no role but superusers may replicate: the connector has more rights than it needs";
        findings.push(Finding::warning(POSTGRES, words).mended_by(SCHEMA));
    }
    findings
}

fn table_is_whole(table: &TableVitals, of: &PostgresVitals) -> Option<Finding> {
    let name = &table.name;
    match table.identity.as_deref() {
        None if OPTIONAL.contains(&name.as_str()) => None,
        None => {
            let words = format!("there is no table {name}");
            Some(Finding::error(POSTGRES, words).mended_by(SCHEMA))
        }
        Some(identity) if identity != "f" && name != BY_KEY => {
            let words = format!(
                "table {name} has not REPLICA IDENTITY FULL: a delete does not say of what"
            );
            let set = format!("psql \"$DATABASE\" -c 'ALTER TABLE {name} REPLICA IDENTITY FULL'");
            Some(Finding::error(POSTGRES, words).mended_by(set))
        }
        Some(_) if !table.is_readable => {
            let words =
                format!("{} may not read table {name}: it is no last resort of reads", of.user);
            let grant = format!("psql \"$DATABASE\" -c 'GRANT SELECT ON {name} TO {}'", of.user);
            Some(Finding::error(POSTGRES, words).mended_by(grant))
        }
        Some(_) => None,
    }
}

fn slots(of: &PostgresVitals) -> Vec<Finding> {
    let mut findings: Vec<_> = of.slots.iter().filter_map(slot).collect();
    if !of.slots.iter().any(|slot| slot.name == OURS) {
        let words = "there is no replication slot feedmill: no connector captures changes, or it has another name";
        findings.push(Finding::warning(POSTGRES, words).mended_by(CONNECTOR));
    }
    if !of.slots.is_empty() && of.slot_wal_mb_max < 0 {
        let words = "max_slot_wal_keep_size=-1: a slot that nobody reads from fills the disk";
        let set = "psql \"$DATABASE\" -c \"ALTER SYSTEM SET max_slot_wal_keep_size = '64GB'\" -c 'SELECT pg_reload_conf()'";
        findings.push(Finding::note(POSTGRES, words).mended_by(set));
    }
    let used = of.slots.len() as u32;
    if used >= of.slots_max {
        let words = format!("all {} replication slots are taken", of.slots_max);
        let set = format!(
            "psql \"$DATABASE\" -c 'ALTER SYSTEM SET max_replication_slots = {}' && pg_ctl restart",
            used + 4
        );
        findings.push(Finding::warning(POSTGRES, words).mended_by(set));
    }
    findings
}

fn slot(slot: &Slot) -> Option<Finding> {
    let Slot { name, is_active, wal_status, retained_bytes } = slot;
    let of = format!("{POSTGRES} slot {name}");
    let held = bytesize::ByteSize::b(u64::try_from(retained_bytes.unwrap_or(0)).unwrap_or(0));
    let dropped = format!("psql \"$DATABASE\" -c \"SELECT pg_drop_replication_slot('{name}')\"");
    match wal_status.as_deref() {
        Some("lost") => {
            let words = "the log that it needs is gone: its reader must begin with a snapshot";
            return Some(Finding::error(of, words).mended_by(dropped));
        }
        Some("unreserved") => {
            let words = format!(
                "holds {held}, more than it may: the log that it needs goes at the next checkpoint"
            );
            return Some(Finding::error(of, words).mended_by(RESTART));
        }
        Some(_) | None => {}
    }
    if !is_active {
        let words = format!("nobody reads from it, and it holds {held} of the log");
        return Some(match name == OURS {
            true => Finding::error(of, words).mended_by(RESTART),
            false => Finding::warning(of, words).mended_by(dropped),
        });
    }
    let words = format!("its reader is {held} behind");
    let is_much = retained_bytes.is_some_and(|bytes| bytes > RETAINED_MUCH);
    is_much.then(|| Finding::warning(of, words).mended_by(RESTART))
}

const RESTART: &str =
    "curl -X POST http://connect:8083/connectors/feedmill-postgres/restart?includeTasks=true";

fn connections(used: i64, max: i64) -> Option<Finding> {
    let percent = used.saturating_mul(100) / max.max(1);
    let words = format!("{used} of {max} connections are taken");
    let set = format!(
        "psql \"$DATABASE\" -c 'ALTER SYSTEM SET max_connections = {}' && pg_ctl restart",
        max * 2
    );
    match percent {
        95.. => Some(Finding::error(POSTGRES, words).mended_by(set)),
        80.. => Some(Finding::warning(POSTGRES, words).mended_by(set)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use connectors::postgres::SlowStatement;

    use super::*;

    /// What is changed, and what is told of it.
    type Row = (fn(&mut PostgresVitals), &'static str);

    fn sound() -> PostgresVitals {
        let tables = ["users", "posts", "likes", "mutes"].map(|name| TableVitals {
            name: name.into(),
            identity: Some(if name == "users" { "d" } else { "f" }.into()),
            is_readable: true,
        });
        PostgresVitals {
            version: 170_002,
            user: "app".into(),
            wal_level: "logical".into(),
            slot_wal_mb_max: 65_536,
            slots_max: 10,
            senders_max: 10,
            connections_max: 100,
            connections: 10,
            slots: vec![slot_named("feedmill")],
            has_publication: true,
            published: tables.iter().map(|table| table.name.clone()).collect(),
            replicators: vec!["feedmill_cdc".into()],
            tables: tables.into(),
            has_statements: true,
            ..PostgresVitals::default()
        }
    }

    fn slot_named(name: &str) -> Slot {
        Slot {
            name: name.into(),
            is_active: true,
            wal_status: Some("reserved".into()),
            retained_bytes: Some(100),
        }
    }

    fn told(change: impl FnOnce(&mut PostgresVitals)) -> Vec<String> {
        let mut vitals = sound();
        change(&mut vitals);
        judge(&vitals).iter().map(|of| format!("{} {}: {}", of.severity, of.of, of.words)).collect()
    }

    #[test]
    fn a_database_as_it_must_be_has_no_finding() {
        assert_eq!(told(|_| {}), [""; 0]);
        assert_eq!(told(|of| of.tables.retain(|table| table.name != "mutes")), [""; 0], "optional");
    }

    #[test]
    fn each_fault_of_capture_is_found() {
        let rows: [Row; 9] = [
            (|of| of.version = 120_009, "error postgres: version 12: 13 or later is needed"),
            (
                |of| of.wal_level = "replica".into(),
                "error postgres: wal_level=replica: no change can be captured",
            ),
            (
                |of| of.has_publication = false,
                "error postgres: there is no publication feedmill: no change is captured",
            ),
            (
                |of| of.published.retain(|name| name != "likes"),
                "error postgres: table likes is not in the publication: its changes are not captured",
            ),
            (
                |of| of.replicators.clear(),
                "warning postgres: no role but superusers may replicate: the connector has more rights than it needs",
            ),
            (|of| of.tables[1].identity = None, "error postgres: there is no table posts"),
            (
                |of| of.tables[2].identity = Some("d".into()),
                "error postgres: table likes has not REPLICA IDENTITY FULL: a delete does not say of what",
            ),
            (
                |of| of.tables[1].is_readable = false,
                "error postgres: app may not read table posts: it is no last resort of reads",
            ),
            (|of| of.slots_max = 1, "warning postgres: all 1 replication slots are taken"),
        ];
        for (change, expected) in rows {
            assert_eq!(told(change), [expected]);
        }
    }

    #[test]
    fn each_fault_of_slots_is_found() {
        let rows: [Row; 7] = [
            (
                |of| of.slots[0].is_active = false,
                "error postgres slot feedmill: nobody reads from it, and it holds 100 B of the log",
            ),
            (
                |of| of.slots.push(Slot { is_active: false, ..slot_named("old") }),
                "warning postgres slot old: nobody reads from it, and it holds 100 B of the log",
            ),
            (
                |of| of.slots[0].wal_status = Some("lost".into()),
                "error postgres slot feedmill: the log that it needs is gone: its reader must begin with a snapshot",
            ),
            (
                |of| of.slots[0].wal_status = Some("unreserved".into()),
                "error postgres slot feedmill: holds 100 B, more than it may: the log that it needs goes at the next checkpoint",
            ),
            (
                |of| of.slots[0].retained_bytes = Some(11 << 30),
                "warning postgres slot feedmill: its reader is 11.0 GiB behind",
            ),
            (
                |of| of.slots.clear(),
                "warning postgres: there is no replication slot feedmill: no connector captures changes, or it has another name",
            ),
            (
                |of| of.slot_wal_mb_max = -1,
                "note postgres: max_slot_wal_keep_size=-1: a slot that nobody reads from fills the disk",
            ),
        ];
        for (change, expected) in rows {
            assert_eq!(told(change), [expected]);
        }
    }

    #[test]
    fn each_fault_of_load_is_found() {
        let slow = SlowStatement { query: "SELECT x".into(), calls: 7, mean_ms: 812.4 };
        assert_eq!(
            told(|of| of.slow.push(slow)),
            ["warning postgres: takes 812 ms on average of 7 calls: SELECT x"]
        );
        let rows: [Row; 3] = [
            (|of| of.connections = 80, "warning postgres: 80 of 100 connections are taken"),
            (|of| of.connections = 95, "error postgres: 95 of 100 connections are taken"),
            (
                |of| of.has_statements = false,
                "note postgres: pg_stat_statements is not there: which statements are slow is not known",
            ),
        ];
        for (change, expected) in rows {
            assert_eq!(told(change), [expected]);
        }
    }
}
