-- For trying it on one machine. Where you deploy, give the roles passwords or certificates of your own.
ALTER ROLE feedmill_cdc PASSWORD 'feedmill';
CREATE ROLE feedmill_read LOGIN PASSWORD 'feedmill';
ALTER ROLE feedmill_read SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA public TO feedmill_read;
GRANT SELECT ON users, posts, follows, comments, likes, mutes, blocks TO feedmill_read;
-- What a worker notes for the timeline; it says so that its session writes.
GRANT SELECT, INSERT, UPDATE ON feed_feedback TO feedmill_read;
