-- What a ranking by ClickHouse (algo=ch) reads beside rows and events: each table by what it is asked for.

-- The posts that a feed may have, with their counts: topic posts-live. By post. `version` is the offset of the record, whose
-- partition is the post's; a post that is gone or out of the horizon has is_deleted = 1. A line that lives is written anew
-- within a week, so what was not for a month is an old image.
CREATE TABLE IF NOT EXISTS post_lines (
    post_id UUID,
    author_id UUID,
    created_at DateTime64(3, 'UTC'),
    likes UInt32,
    comments UInt32,
    shares UInt32,
    exposures UInt32,
    content_hash UInt64,
    version UInt64,
    is_deleted UInt8,
    noted_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY post_id
TTL noted_at + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Where the lines of an author are: by author and time, because a ranking wants the newest of some authors. Small granules: an
-- author has few posts in a week.
CREATE TABLE IF NOT EXISTS lines_by_author (
    author_id UUID,
    created_at DateTime64(3, 'UTC'),
    post_id UUID
) ENGINE = ReplacingMergeTree
ORDER BY (author_id, created_at, post_id)
TTL created_at + INTERVAL 9 DAY
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS lines_by_author_of_lines TO lines_by_author AS
SELECT author_id, created_at, post_id FROM post_lines WHERE is_deleted = 0;

-- The lists of what trends, of each window as of some buckets: topic trending. By list; the newest as_of has it whole.
CREATE TABLE IF NOT EXISTS trending (
    window Enum8('1h' = 1, '24h' = 2, '7d' = 3),
    bucket Int64 COMMENT 'The last bucket of the window, counted from 1970: of 5 min, 1 h, 1 day',
    as_of DateTime64(3, 'UTC'),
    place UInt16 COMMENT 'From 1, the best',
    post_id UUID,
    author_id UUID,
    score UInt32
) ENGINE = ReplacingMergeTree
ORDER BY (window, bucket, as_of, place)
TTL as_of + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The rows of likes and comments that a user ever had: by user. A row that moved to another post stands twice; whether it
-- lives, and where, is asked of its own table. seen_at is the latest time at which it lived, 1970 if it never did.
CREATE TABLE IF NOT EXISTS acts_by_user (
    user_id UUID,
    action Enum8('like' = 4, 'comment' = 5),
    post_id UUID,
    id UUID,
    seen_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree
ORDER BY (user_id, action, post_id, id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS acts_by_user_of_likes TO acts_by_user AS
SELECT
    user_id,
    CAST('like', 'Enum8(\'like\' = 4, \'comment\' = 5)') AS action,
    post_id,
    id,
    max(if(is_deleted, toDateTime64(0, 3, 'UTC'), created_at)) AS seen_at
FROM likes
WHERE user_id != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY user_id, action, post_id, id;

CREATE MATERIALIZED VIEW IF NOT EXISTS acts_by_user_of_comments TO acts_by_user AS
SELECT
    user_id,
    CAST('comment', 'Enum8(\'like\' = 4, \'comment\' = 5)') AS action,
    post_id,
    id,
    max(if(is_deleted, toDateTime64(0, 3, 'UTC'), created_at)) AS seen_at
FROM comments
WHERE user_id != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY user_id, action, post_id, id;
