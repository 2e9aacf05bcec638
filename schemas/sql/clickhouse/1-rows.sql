-- The tables of the application's database as they are now: one row a primary key, the newest image wins.
--
-- Ask with FINAL: until parts are merged, older images stand beside the newest. `version` is how new an image is, the
-- configured cdc.epoch in its upper half and the position in the database's log in its lower; a row that is deleted, or
-- whose deleted_at is set, has is_deleted = 1 and is not shown by FINAL. A delete may carry the key alone: its other
-- columns then mean nothing. Nothing expires here: what the database has is kept.
--
-- Not partitioned: images of a row must meet in one partition to replace each other, and a delete may not know any column
-- but the key. Blocks are recognised for the last 10,000 inserts, so that a batch sent again is no second one; what was
-- acknowledged is on the disk.

-- By id: joined to by every question that names people.
CREATE TABLE IF NOT EXISTS users (
    id UUID,
    created_at DateTime64(3, 'UTC'),
    version UInt128,
    is_deleted UInt8
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- By id: joined to by every question that starts at events. content_hash is null where the log did not repeat a content
-- that did not change, and 0 for a post without content.
CREATE TABLE IF NOT EXISTS posts (
    id UUID,
    user_id UUID,
    created_at DateTime64(3, 'UTC'),
    content_hash Nullable(UInt64),
    version UInt128,
    is_deleted UInt8,
    INDEX by_author user_id TYPE bloom_filter GRANULARITY 4
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Who wrote a post, as its newest image says that knows it: what was done to a post counts for its author also when it is
-- deleted, and a delete may not know who that was. By post.
CREATE TABLE IF NOT EXISTS post_authors (
    post_id UUID,
    author_id AggregateFunction(argMax, UUID, UInt128)
) ENGINE = AggregatingMergeTree
ORDER BY post_id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS post_authors_of_posts TO post_authors AS
SELECT id AS post_id, argMaxState(user_id, version) AS author_id
FROM posts
WHERE user_id != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY post_id;

-- By follower: whom a reader follows is asked for every ranking, who follows an author seldom.
CREATE TABLE IF NOT EXISTS follows (
    follower_id UUID,
    followee_id UUID,
    created_at DateTime64(3, 'UTC'),
    version UInt128,
    is_deleted UInt8,
    INDEX by_followee followee_id TYPE bloom_filter GRANULARITY 4
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (follower_id, followee_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- By id, because that is all that a delete may name; by post and by user through an index that skips.
CREATE TABLE IF NOT EXISTS likes (
    id UUID,
    post_id UUID,
    user_id UUID,
    created_at DateTime64(3, 'UTC'),
    version UInt128,
    is_deleted UInt8,
    INDEX by_post post_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_user user_id TYPE bloom_filter GRANULARITY 4
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- As likes.
CREATE TABLE IF NOT EXISTS comments (
    id UUID,
    post_id UUID,
    user_id UUID,
    created_at DateTime64(3, 'UTC'),
    version UInt128,
    is_deleted UInt8,
    INDEX by_post post_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_user user_id TYPE bloom_filter GRANULARITY 4
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
