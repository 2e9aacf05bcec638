-- Ranked feeds as they were published, the last of each reader and batch, for a week.
--
-- By reader and publication: one reader's last feeds are asked, newest first. By days, which expire whole. A feed that
-- comes twice is the same row, and merged.
CREATE TABLE IF NOT EXISTS feeds (
    user_id UUID,
    feeds_epoch UInt64,
    version UInt64,
    published_at DateTime64(3, 'UTC'),
    is_gone UInt8 COMMENT '1: the reader is inactive or gone, and nothing else is said',
    as_of DateTime64(3, 'UTC'),
    valid_until DateTime64(3, 'UTC'),
    weight_set UInt16,
    cold_start UInt8,
    items Nested (
        post_id UUID,
        author_id UUID,
        created_at DateTime64(3, 'UTC'),
        likes UInt32,
        comments UInt32,
        shares UInt32,
        exposures UInt32,
        affinity UInt32,
        sources UInt8,
        rule UInt8
    ) COMMENT 'Best first; sources: 1 follow, 2 trending, 4 affinity; rule: 0 none, 1 spaced, 2 distance_dropped, 3 top5_dropped'
) ENGINE = ReplacingMergeTree
PARTITION BY toDate(published_at)
ORDER BY (user_id, feeds_epoch, version)
TTL published_at + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
