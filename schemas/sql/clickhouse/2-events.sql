-- Behaviour events as they came, one row a record of topic events that is an event; repeats of an event too.
--
-- By user and time: what somebody did lately is asked for rankings and for support. By weeks of the time at which Kafka
-- got the record, which grows, so that a live insert touches one partition and one that replays 90 days 14; whole parts
-- go when they are 90 days old. Days and posts are asked through post_metrics_1h, or by a partition's scan.
CREATE TABLE IF NOT EXISTS events (
    user_id UUID,
    event_id UUID,
    post_id UUID,
    action Enum8('impression' = 1, 'view' = 2, 'click' = 3, 'like' = 4, 'comment' = 5, 'share' = 6, 'dwell' = 7),
    event_time DateTime64(3, 'UTC'),
    dwell_ms Nullable(UInt32),
    author_id Nullable(UUID) COMMENT 'As the sender thinks; posts.user_id is who wrote it',
    device LowCardinality(String),
    app_ver LowCardinality(String),
    request_id String COMMENT 'This and the next four: the item of a feed that the event is about',
    position Nullable(UInt32),
    source LowCardinality(String),
    feed_version Nullable(UInt64),
    weight_set Nullable(UInt16),
    received_at DateTime64(3, 'UTC') COMMENT 'The time of the record',
    partition UInt32 COMMENT 'This and the next: where the record lies in Kafka',
    offset UInt64,
    INDEX by_post post_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_offset offset TYPE minmax GRANULARITY 4
) ENGINE = MergeTree
PARTITION BY toMonday(received_at)
ORDER BY (user_id, event_time)
TTL received_at + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
