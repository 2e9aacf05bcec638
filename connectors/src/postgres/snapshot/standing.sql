-- Where the log is, and up to where every connector that reads it now has had it; none if nobody does.
SELECT
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
        - pg_lsn '0/0')::bigint AS at,
    (SELECT min(confirmed_flush_lsn) - pg_lsn '0/0' FROM pg_replication_slots
      WHERE slot_type = 'logical' AND active AND database = current_database())::bigint AS captured
