-- What readers do not want to see: by events against posts, and by the rows of mutes and blocks, where the application has
-- such tables.

ALTER TABLE events MODIFY COLUMN action Enum8('impression' = 1, 'view' = 2, 'click' = 3, 'like' = 4, 'comment' = 5, 'share' = 6, 'dwell' = 7, 'hide' = 8, 'report' = 9, 'less_like_this' = 10, 'undo' = 11);

-- What was said against posts: the words of topic feedback, of each kind the latest counts. By user: all that a reader said is
-- asked for every ranking.
CREATE TABLE IF NOT EXISTS feedback (
    user_id UUID,
    post_id UUID,
    said Enum8('hidden' = 1, 'less' = 2, 'undone' = 3),
    said_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree
ORDER BY (user_id, post_id, said, said_at)
TTL said_at + INTERVAL 91 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- By who mutes: whom a reader mutes is asked for every ranking.
CREATE TABLE IF NOT EXISTS mutes (
    muter_id UUID,
    muted_id UUID,
    created_at DateTime64(3, 'UTC'),
    version UInt128,
    is_deleted UInt8
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (muter_id, muted_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- By who blocks; a block counts for both, so who is blocked is asked too.
CREATE TABLE IF NOT EXISTS blocks (
    blocker_id UUID,
    blocked_id UUID,
    created_at DateTime64(3, 'UTC'),
    version UInt128,
    is_deleted UInt8,
    INDEX by_blocked blocked_id TYPE bloom_filter GRANULARITY 1
) ENGINE = ReplacingMergeTree(version, is_deleted)
ORDER BY (blocker_id, blocked_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
