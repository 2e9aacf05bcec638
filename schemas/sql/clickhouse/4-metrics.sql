-- What is asked again and again, added up as rows come in.

-- What happened to a post in an hour, by the time of the events. By post: its counts, also beyond the life of events.
-- An event that was sent twice counts twice.
CREATE TABLE IF NOT EXISTS post_metrics_1h (
    post_id UUID,
    hour DateTime('UTC'),
    impressions SimpleAggregateFunction(sum, UInt64),
    views SimpleAggregateFunction(sum, UInt64),
    clicks SimpleAggregateFunction(sum, UInt64),
    likes SimpleAggregateFunction(sum, UInt64),
    comments SimpleAggregateFunction(sum, UInt64),
    shares SimpleAggregateFunction(sum, UInt64),
    dwells SimpleAggregateFunction(sum, UInt64),
    dwell_ms SimpleAggregateFunction(sum, UInt64)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (post_id, hour)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS post_metrics_1h_of_events TO post_metrics_1h AS
SELECT
    post_id,
    toStartOfHour(toDateTime(event_time, 'UTC')) AS hour,
    countIf(action = 'impression') AS impressions,
    countIf(action = 'view') AS views,
    countIf(action = 'click') AS clicks,
    countIf(action = 'like') AS likes,
    countIf(action = 'comment') AS comments,
    countIf(action = 'share') AS shares,
    countIf(action = 'dwell') AS dwells,
    sum(ifNull(dwell_ms, 0)) AS dwell_ms
FROM events
GROUP BY post_id, hour;

-- Every like, comment and share of a reader on the posts of an author, for 90 days; what counts of it is a question:
-- a like of the database and one of an event are two rows here. By reader, then author: whom a reader's affinity is with.
-- A row that comes again, or is deleted, stays one row, whose state the newest version decides. author_id is that of the
-- post as it was known then, and zero if it was not: then post_authors knows it.
CREATE TABLE IF NOT EXISTS user_author_90d (
    user_id UUID,
    author_id UUID,
    day Date,
    post_id UUID,
    action Enum8('like' = 4, 'comment' = 5, 'share' = 6),
    is_event UInt8,
    id UUID COMMENT 'Of the row, or of the event',
    is_deleted AggregateFunction(argMax, UInt8, UInt128)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (user_id, author_id, day, post_id, action, is_event, id)
TTL day + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS user_author_90d_of_events TO user_author_90d AS
SELECT
    acts.user_id AS user_id,
    authors.author_id AS author_id,
    toDate(acts.event_time) AS day,
    acts.post_id AS post_id,
    CAST(acts.action, 'Enum8(\'like\' = 4, \'comment\' = 5, \'share\' = 6)') AS action,
    1 AS is_event,
    acts.event_id AS id,
    argMaxState(toUInt8(0), toUInt128(0)) AS is_deleted
FROM events AS acts
LEFT JOIN (
    SELECT post_id, argMaxMerge(author_id) AS author_id FROM post_authors
    WHERE post_id IN (SELECT post_id FROM events) GROUP BY post_id
) AS authors ON authors.post_id = acts.post_id
WHERE acts.action IN ('like', 'comment', 'share')
GROUP BY user_id, author_id, day, post_id, action, id;

CREATE MATERIALIZED VIEW IF NOT EXISTS user_author_90d_of_likes TO user_author_90d AS
SELECT
    acts.user_id AS user_id,
    authors.author_id AS author_id,
    toDate(acts.created_at) AS day,
    acts.post_id AS post_id,
    CAST('like', 'Enum8(\'like\' = 4, \'comment\' = 5, \'share\' = 6)') AS action,
    0 AS is_event,
    acts.id AS id,
    argMaxState(acts.is_deleted, acts.version) AS is_deleted
FROM likes AS acts
LEFT JOIN (
    SELECT post_id, argMaxMerge(author_id) AS author_id FROM post_authors
    WHERE post_id IN (SELECT post_id FROM likes) GROUP BY post_id
) AS authors ON authors.post_id = acts.post_id
GROUP BY user_id, author_id, day, post_id, action, id;

CREATE MATERIALIZED VIEW IF NOT EXISTS user_author_90d_of_comments TO user_author_90d AS
SELECT
    acts.user_id AS user_id,
    authors.author_id AS author_id,
    toDate(acts.created_at) AS day,
    acts.post_id AS post_id,
    CAST('comment', 'Enum8(\'like\' = 4, \'comment\' = 5, \'share\' = 6)') AS action,
    0 AS is_event,
    acts.id AS id,
    argMaxState(acts.is_deleted, acts.version) AS is_deleted
FROM comments AS acts
LEFT JOIN (
    SELECT post_id, argMaxMerge(author_id) AS author_id FROM post_authors
    WHERE post_id IN (SELECT post_id FROM comments) GROUP BY post_id
) AS authors ON authors.post_id = acts.post_id
GROUP BY user_id, author_id, day, post_id, action, id;

-- The quality of a day, a row each for all of it and for its parts; written by a job, the last word on a row wins: ask with
-- FINAL. What the numbers mean is said in schemas/src/daily_metrics.rs.
--
-- By day: a day is asked for as a whole. By years, so that a run touches one partition. Kept for ever: events are not.
CREATE TABLE IF NOT EXISTS daily_metrics (
    date Date COMMENT 'Of the events, in UTC',
    dimension LowCardinality(String) COMMENT 'all; feed: events about an item of a feed; of these by source, position, weight_set',
    value String COMMENT 'Which source, position or weight set; empty for all and feed',
    received UInt64 COMMENT 'Events, repeats too; what follows them is without',
    repeats UInt64 COMMENT 'Events that came again and were dropped',
    impressions UInt64,
    views UInt64,
    clicks UInt64,
    likes UInt64,
    comments UInt64,
    shares UInt64,
    dwells UInt64,
    dwell_p50_ms Nullable(UInt32),
    dwell_p95_ms Nullable(UInt32),
    computed_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYear(date)
ORDER BY (date, dimension, value);
