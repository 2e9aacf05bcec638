-- The five tables that the feed is made from, and what change data capture needs of them.
--
-- Run once, by the owner of the database; running it again changes nothing. There are no foreign keys
-- and no unique likes here on purpose: the feed must be right without them, and an application's own
-- schema may add them.

CREATE TABLE IF NOT EXISTS users (
    id         uuid PRIMARY KEY,
    username   text NOT NULL,
    avatar_url text,
    bio        text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS posts (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    content    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS follows (
    follower_id uuid NOT NULL,
    followee_id uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (follower_id, followee_id)
);

CREATE TABLE IF NOT EXISTS comments (
    id         uuid PRIMARY KEY,
    post_id    uuid NOT NULL,
    user_id    uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS likes (
    id         uuid PRIMARY KEY,
    post_id    uuid NOT NULL,
    user_id    uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The last resort when nothing else answers: followees' posts, newest first; what the reader touched; counts.
CREATE INDEX IF NOT EXISTS posts_by_author ON posts (user_id, created_at DESC, id);
CREATE INDEX IF NOT EXISTS posts_by_time ON posts (created_at DESC, id);
CREATE INDEX IF NOT EXISTS likes_by_user ON likes (user_id, created_at);
CREATE INDEX IF NOT EXISTS comments_by_user ON comments (user_id, created_at);
CREATE INDEX IF NOT EXISTS likes_by_post ON likes (post_id, user_id);
CREATE INDEX IF NOT EXISTS comments_by_post ON comments (post_id);

-- Under the default identity a delete carries the key and made-up values elsewhere, so that a deleted
-- like could not be traced to its post. Users are deleted by key alone.
ALTER TABLE posts REPLICA IDENTITY FULL;
ALTER TABLE follows REPLICA IDENTITY FULL;
ALTER TABLE comments REPLICA IDENTITY FULL;
ALTER TABLE likes REPLICA IDENTITY FULL;

-- The role that Debezium connects as; give it a password, or a certificate, where you deploy.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedmill_cdc') THEN
        CREATE ROLE feedmill_cdc LOGIN REPLICATION;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'feedmill') THEN
        CREATE PUBLICATION feedmill FOR TABLE users, posts, follows, comments, likes;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO feedmill_cdc;
GRANT SELECT ON users, posts, follows, comments, likes TO feedmill_cdc;
