-- For trying it on one machine; it may be run again. Where you deploy, give the roles passwords or certificates of your own.
DO $$
DECLARE
    of record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedmill_read') THEN
        CREATE ROLE feedmill_read LOGIN PASSWORD 'feedmill';
    END IF;
    GRANT USAGE ON SCHEMA public TO feedmill_read;
    GRANT SELECT ON users, posts, follows, comments, likes TO feedmill_read;
    -- Those that an application may have; and what a worker notes for the timeline, in a session that says that it writes.
    FOR of IN SELECT * FROM (VALUES ('mutes', 'SELECT'), ('blocks', 'SELECT'),
                                    ('feed_feedback', 'SELECT, INSERT, UPDATE')) AS optional (name, rights)
    LOOP
        IF to_regclass(of.name) IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %I TO feedmill_read', of.rights, of.name);
        END IF;
    END LOOP;
END
$$;
ALTER ROLE feedmill_cdc PASSWORD 'feedmill';
ALTER ROLE feedmill_read SET default_transaction_read_only = on;
