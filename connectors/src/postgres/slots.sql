-- The logical replication slots, as one JSON value. Any role may read this.
SELECT coalesce(json_agg(json_build_object(
    'name', slot_name,
    'is_active', active,
    'wal_status', wal_status,
    'retained_bytes', pg_wal_lsn_diff(
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
        restart_lsn)::bigint)), '[]')::text
FROM pg_replication_slots WHERE slot_type = 'logical'
