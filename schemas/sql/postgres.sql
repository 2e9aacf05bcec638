-- The tables that the feed is made from, and what change data capture needs of them.
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

-- Who wants to see nothing of whom; of a block neither sees the other. An application without such tables leaves them out.
CREATE TABLE IF NOT EXISTS mutes (
    muter_id   uuid NOT NULL,
    muted_id   uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (muter_id, muted_id)
);

CREATE TABLE IF NOT EXISTS blocks (
    blocker_id uuid NOT NULL,
    blocked_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (blocker_id, blocked_id)
);

-- Written by Feedmill's workers, and by nobody else: what readers said against posts by events, so that the timeline knows
-- it too. Without this table it does not.
CREATE TABLE IF NOT EXISTS feed_feedback (
    user_id   uuid NOT NULL,
    post_id   uuid NOT NULL,
    author_id uuid, -- of the post, as it was when something was said; the post's own row wins
    hidden_at timestamptz,
    less_at   timestamptz,
    undone_at timestamptz,
    PRIMARY KEY (user_id, post_id)
);

-- The last resort when nothing else answers: followees' posts, newest first; what the reader touched; counts.
CREATE INDEX IF NOT EXISTS posts_by_author ON posts (user_id, created_at DESC, id);
CREATE INDEX IF NOT EXISTS posts_by_time ON posts (created_at DESC, id);
CREATE INDEX IF NOT EXISTS likes_by_user ON likes (user_id, created_at);
CREATE INDEX IF NOT EXISTS comments_by_user ON comments (user_id, created_at);
CREATE INDEX IF NOT EXISTS likes_by_post ON likes (post_id, user_id);
CREATE INDEX IF NOT EXISTS comments_by_post ON comments (post_id);
CREATE INDEX IF NOT EXISTS blocks_by_blocked ON blocks (blocked_id);

-- Under the default identity a delete carries the key and made-up values elsewhere, so that a deleted
-- like could not be traced to its post. Users are deleted by key alone.
ALTER TABLE posts REPLICA IDENTITY FULL;
ALTER TABLE follows REPLICA IDENTITY FULL;
ALTER TABLE comments REPLICA IDENTITY FULL;
ALTER TABLE likes REPLICA IDENTITY FULL;
ALTER TABLE mutes REPLICA IDENTITY FULL;
ALTER TABLE blocks REPLICA IDENTITY FULL;

-- The role that Debezium connects as; give it a password, or a certificate, where you deploy.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feedmill_cdc') THEN
        CREATE ROLE feedmill_cdc LOGIN REPLICATION;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'feedmill') THEN
        CREATE PUBLICATION feedmill FOR TABLE users, posts, follows, comments, likes;
    END IF;
    -- A publication of before there were these.
    IF NOT EXISTS (SELECT FROM pg_publication_tables WHERE pubname = 'feedmill' AND tablename = 'mutes') THEN
        ALTER PUBLICATION feedmill ADD TABLE mutes;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_publication_tables WHERE pubname = 'feedmill' AND tablename = 'blocks') THEN
        ALTER PUBLICATION feedmill ADD TABLE blocks;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO feedmill_cdc;
GRANT SELECT ON users, posts, follows, comments, likes, mutes, blocks TO feedmill_cdc;
