-- What the server says of itself, as one JSON value. Everything here may be read by any role.
SELECT json_build_object(
    'version', current_setting('server_version_num')::int,
    'now_ms', (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    'user', current_user::text,
    'wal_level', current_setting('wal_level'),
    'slot_wal_mb_max', (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
    'slots_max', current_setting('max_replication_slots')::int,
    'senders_max', current_setting('max_wal_senders')::int,
    'connections_max', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
    'connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    'published', (
        SELECT coalesce(json_agg(tablename::text), '[]') FROM pg_publication_tables WHERE pubname = $1),
    'has_publication', EXISTS (SELECT FROM pg_publication WHERE pubname = $1),
    'replicators', (
        SELECT coalesce(json_agg(rolname::text), '[]') FROM pg_roles WHERE rolreplication AND rolcanlogin AND NOT rolsuper),
    'tables', (
        SELECT coalesce(json_agg(json_build_object(
            'name', of.name,
            'identity', (SELECT relreplident::text FROM pg_class WHERE oid = to_regclass(of.name)),
            'is_readable', coalesce(has_table_privilege(to_regclass(of.name), 'SELECT'), false))), '[]')
        FROM unnest($2::text[]) AS of (name)),
    'has_statements', to_regclass('pg_stat_statements') IS NOT NULL
)::text
