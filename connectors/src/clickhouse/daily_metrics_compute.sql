-- Adds the metrics of a day up, from the events that came by now.
--
-- An event has its record at most 10 minutes before its own time, and any time after it; so partitions of before are not
-- read. Whether a record repeats another is decided by those of a week before too, in the order of the log: of the records
-- of one user and id the first counts, and then each that lies more than a day of record time after the last that counted.
-- Almost none comes again: those that may have are found by a hash of 8 bytes, and only these are looked at in full.
INSERT INTO daily_metrics (date, dimension, value, received, repeats, impressions, views, clicks, likes, comments, shares,
    dwells, dwell_p50_ms, dwell_p95_ms, computed_at)
WITH
    toDateTime64({day:String}, 3, 'UTC') AS day_begins,
    of_day AS (
        SELECT user_id, event_id, action, dwell_ms, request_id, position, source, feed_version, weight_set,
            (partition, offset, received_at) AS place
        FROM events
        WHERE received_at >= day_begins - INTERVAL 10 MINUTE
            AND event_time >= day_begins AND event_time < day_begins + INTERVAL 1 DAY
    ),
    came_again AS (
        SELECT user_id, event_id,
            arrayFold(
                (counted, place) -> if(
                    notEmpty(counted) AND place.3 <= counted[-1].3 + INTERVAL 1 DAY,
                    counted, arrayPushBack(counted, place)
                ),
                arraySort(groupArray((partition, offset, received_at))),
                CAST([], 'Array(Tuple(UInt32, UInt64, DateTime64(3, \'UTC\')))')
            ) AS counted
        FROM events
        WHERE received_at >= day_begins - INTERVAL 7 DAY
            AND cityHash64(user_id, event_id) IN (
                SELECT cityHash64(user_id, event_id) AS id
                FROM events
                WHERE received_at >= day_begins - INTERVAL 7 DAY
                    AND id IN (SELECT cityHash64(user_id, event_id) FROM of_day)
                GROUP BY id
                HAVING count() > 1
            )
        GROUP BY user_id, event_id
        HAVING count() > 1
    )
SELECT
    toDate({day:String}) AS date,
    cut.1 AS dimension,
    cut.2 AS value,
    count() AS received,
    countIf(is_repeat) AS repeats,
    countIf(action = 'impression' AND NOT is_repeat) AS impressions,
    countIf(action = 'view' AND NOT is_repeat) AS views,
    countIf(action = 'click' AND NOT is_repeat) AS clicks,
    countIf(action = 'like' AND NOT is_repeat) AS likes,
    countIf(action = 'comment' AND NOT is_repeat) AS comments,
    countIf(action = 'share' AND NOT is_repeat) AS shares,
    countIf(action = 'dwell' AND NOT is_repeat) AS dwells,
    quantileExactOrNullIf(0.5)(dwell_ms, action = 'dwell' AND NOT is_repeat) AS dwell_p50_ms,
    quantileExactOrNullIf(0.95)(dwell_ms, action = 'dwell' AND NOT is_repeat) AS dwell_p95_ms,
    now64(3, 'UTC') AS computed_at
FROM (
    SELECT of_day.*, notEmpty(counted) AND NOT has(counted, place) AS is_repeat
    FROM of_day LEFT JOIN came_again USING (user_id, event_id)
)
ARRAY JOIN arrayFilter(cut -> cut.1 != '', [
    ('all', ''),
    (if(request_id != '' OR position IS NOT NULL OR source != '' OR feed_version IS NOT NULL OR weight_set IS NOT NULL,
        'feed', ''), ''),
    (if(source != '', 'source', ''), if(source IN ('redis', 'state', 'clickhouse', 'postgres'), source, 'other')),
    (if(ifNull(position, 0) BETWEEN 1 AND 100, 'position', ''), toString(ifNull(position, 0))),
    (if(weight_set IS NOT NULL, 'weight_set', ''), toString(ifNull(weight_set, 0)))
]) AS cut
GROUP BY dimension, value
