-- The ranking of weight set v1 for one reader as of one time: candidates of three sources, what is removed, the score; spacing
-- comes after it. One row: whether the reader has neither followee nor affinity, and the items, the best first.
--
-- Parameters: me, the reader; at, the time in ms UTC; the numbers of the weight set.
WITH
    fromUnixTimestamp64Milli({at:Int64}, 'UTC') AS now,
    -- Whom the reader follows, and what they did: each is asked for once.
    (SELECT groupArray(followee_id) FROM follows FINAL WHERE follower_id = {me:UUID}) AS followed,
    -- Events of one id count once: the first in the log, and one that came more than 24 h after one that counts; of these an
    -- impression (1) is no look, and what is said against a post (8 and more) is another matter.
    (
        SELECT groupArrayArray(
            arrayFilter(e -> e.2 BETWEEN 2 AND 7, arrayFold(
                (acc, e) -> if(e.2 - acc.1 > 86400000, (e.2, arrayPushBack(acc.2, (e.3, e.4, e.5))), acc),
                arraySort(e -> e.1, es),
                (toInt64(-9000000000000000), CAST([], 'Array(Tuple(UUID, Int8, Int64))'))
            ).2)
        )
        FROM (
            SELECT groupArray((
                offset, toUnixTimestamp64Milli(received_at), post_id, CAST(action, 'Int8'), toUnixTimestamp64Milli(event_time)
            )) AS es
            FROM events
            WHERE user_id = {me:UUID}
            GROUP BY event_id
        )
    ) AS events_of_mine,
    (
        SELECT groupArray((action, post_id, id, seen_at))
        FROM (
            SELECT CAST(action, 'Int8') AS action, post_id, id, toUnixTimestamp64Milli(max(acts_by_user.seen_at)) AS seen_at
            FROM acts_by_user
            WHERE user_id = {me:UUID}
            GROUP BY action, post_id, id
        )
    ) AS rows_of_mine,
    -- What the reader looked at within the time that keeps it away, whatever became of it.
    (
        SELECT groupUniqArray(post_id)
        FROM (
            SELECT arrayJoin(arrayConcat(
                arrayMap(e -> (e.1, e.3), events_of_mine), arrayMap(r -> (r.2, r.4), rows_of_mine)
            )) AS look, look.1 AS post_id, look.2 AS seen_at
        )
        WHERE seen_at > {at:Int64} - {seen_ms:Int64}
    ) AS seen,
    -- What the reader said against posts, and took back; of each the last.
    (
        SELECT groupArray((post_id, hidden_at, less_at, undone_at))
        FROM (
            SELECT post_id,
                maxIf(toUnixTimestamp64Milli(said_at), said = 'hidden') AS hidden_at,
                maxIf(toUnixTimestamp64Milli(said_at), said = 'less') AS less_at,
                maxIf(toUnixTimestamp64Milli(said_at), said = 'undone') AS undone_at
            FROM feedback
            WHERE user_id = {me:UUID}
            GROUP BY post_id
        )
    ) AS words_of_mine,
    arrayMap(s -> s.1, arrayFilter(s -> s.2 > s.4 AND s.2 > {at:Int64} - {hidden_ms:Int64}, words_of_mine)) AS hidden,
    -- Of whom the reader is shown nothing: of the muted, of those who block or are blocked, and of whom less was wished for.
    (
        SELECT groupUniqArray(author_id)
        FROM (
            SELECT muted_id AS author_id FROM mutes FINAL WHERE muter_id = {me:UUID}
            UNION ALL
            SELECT blocked_id FROM blocks FINAL WHERE blocker_id = {me:UUID}
            UNION ALL
            SELECT blocker_id FROM blocks FINAL WHERE blocked_id = {me:UUID}
            UNION ALL
            SELECT argMaxMerge(post_authors.author_id) FROM post_authors
            WHERE post_id IN (SELECT arrayJoin(arrayMap(s -> s.1, arrayFilter(
                s -> s.3 > s.4 AND intDiv(s.3, 86400000) BETWEEN intDiv({at:Int64}, 86400000) - {less_days:Int64} + 1 AND intDiv({at:Int64}, 86400000),
                words_of_mine
            ))))
            GROUP BY post_id
        )
    ) AS silenced,
    -- Likes, comments and shares that count, with their times. Where the database ever spoke of a post, it decides.
    (
        SELECT groupArray((post_id, acted_at))
        FROM (
            SELECT post_id, min(created_ms) AS acted_at
            FROM (
                SELECT post_id, toUnixTimestamp64Milli(created_at) AS created_ms FROM likes FINAL
                WHERE id IN (SELECT arrayJoin(arrayMap(r -> r.3, arrayFilter(r -> r.1 = 4, rows_of_mine)))) AND user_id = {me:UUID}
                UNION ALL
                SELECT e.1, e.3 FROM (SELECT arrayJoin(arrayFilter(e -> e.2 = 4, events_of_mine)) AS e)
                WHERE NOT has(arrayMap(r -> r.2, arrayFilter(r -> r.1 = 4, rows_of_mine)), e.1)
            )
            GROUP BY post_id
            UNION ALL
            SELECT post_id, toUnixTimestamp64Milli(created_at) FROM comments FINAL
            WHERE id IN (SELECT arrayJoin(arrayMap(r -> r.3, arrayFilter(r -> r.1 = 5, rows_of_mine)))) AND user_id = {me:UUID}
            UNION ALL
            SELECT e.1, e.3 FROM (SELECT arrayJoin(arrayFilter(e -> e.2 = 5, events_of_mine)) AS e)
            WHERE NOT has(arrayMap(r -> r.2, arrayFilter(r -> r.1 = 5, rows_of_mine)), e.1)
            UNION ALL
            SELECT e.1, e.3 FROM (SELECT arrayJoin(arrayFilter(e -> e.2 = 6, events_of_mine)) AS e)
        )
    ) AS acts,
    -- By author, on the current day and those before; also on posts that are deleted.
    (
        SELECT groupArray((author_id, interactions))
        FROM (
            SELECT authors.author_id AS author_id, count() AS interactions
            FROM (SELECT arrayJoin(acts) AS act, act.1 AS post_id, intDiv(act.2, 86400000) AS day) AS mine
            INNER JOIN (
                SELECT post_id, argMaxMerge(post_authors.author_id) AS author_id FROM post_authors
                WHERE post_id IN (SELECT arrayJoin(arrayMap(act -> act.1, acts))) GROUP BY post_id
            ) AS authors ON authors.post_id = mine.post_id
            WHERE day BETWEEN intDiv({at:Int64}, 86400000) - {affinity_days:Int64} + 1 AND intDiv({at:Int64}, 86400000)
            GROUP BY author_id
        )
    ) AS affinities,
    (
        SELECT groupArray(post_id) FROM (
            SELECT post_id FROM trending
            WHERE window = '24h' AND bucket = intDiv({at:Int64}, 3600000)
              AND as_of = (SELECT max(as_of) FROM trending WHERE window = '24h' AND bucket = intDiv({at:Int64}, 3600000))
            ORDER BY place LIMIT 1 BY place
        )
    ) AS trends,
    (SELECT count() > 0 AND argMax(is_deleted, version) = 1 FROM users WHERE id = {me:UUID}) AS is_gone,
    mapFromArrays(arrayMap(a -> a.1, affinities), arrayMap(a -> a.2, affinities)) AS affinity_of
SELECT
    -- A subquery may be null as far as types know.
    toBool(assumeNotNull(is_gone OR empty(followed) AND empty(affinities))) AS cold_start,
    groupArray((post_id, author_id, created_ms, likes, comments, shares, exposures, toUInt32(affinity), toUInt8(sources))) AS items
FROM (
    SELECT *,
        ({freshness:Float64} * exp(-{decay:Float64} * greatest(0, {at:Int64} - created_ms) / 3600000)
            + {engagement:Float64} * log1p(({like:UInt32} * likes + {comment:UInt32} * comments + {share:UInt32} * shares) / greatest(1, exposures)))
            + {affinity:Float64} * log1p(affinity) AS score
    FROM (
        SELECT *,
            is_of_followee AND age_ms <= {follow_age_ms:Int64}
                AND row_number() OVER (PARTITION BY is_of_followee AND age_ms <= {follow_age_ms:Int64} ORDER BY created_ms DESC, number) <= {follow_posts:Int64} AS is_followed,
            place_of_author <= {affinity_posts_per_author:Int64}
                AND sum(place_of_author <= {affinity_posts_per_author:Int64}) OVER (ORDER BY affinity DESC, UUIDToNum(author_id), created_ms DESC, number ROWS UNBOUNDED PRECEDING) <= {affinity_posts:Int64} AS has_affinity,
            is_followed + 2 * is_trending + 4 * has_affinity AS sources
        FROM (
            SELECT
                post_id, author_id, toUnixTimestamp64Milli(created_at) AS created_ms, UUIDToNum(post_id) AS number,
                likes, comments, shares, exposures, content_hash,
                greatest(0, {at:Int64} - created_ms) AS age_ms,
                affinity_of[author_id] AS affinity,
                has(followed, author_id) AS is_of_followee,
                has(trends, post_id) AS is_trending,
                affinity > 0 AND age_ms <= {affinity_age_ms:Int64} AS may_have_affinity,
                if(may_have_affinity, row_number() OVER (PARTITION BY author_id, may_have_affinity ORDER BY created_ms DESC, number), 1000000) AS place_of_author
            FROM post_lines FINAL
            WHERE post_id IN (
                SELECT post_id FROM lines_by_author
                WHERE author_id IN (SELECT arrayJoin(arrayConcat(followed, mapKeys(affinity_of))))
                  AND created_at >= now - toIntervalMillisecond(greatest({follow_age_ms:Int64}, {affinity_age_ms:Int64}))
                UNION ALL
                SELECT arrayJoin(trends)
            )
            AND author_id != {me:UUID}
            AND NOT has(seen, post_id)
            AND NOT has(hidden, post_id)
            AND NOT has(silenced, author_id)
            AND NOT is_gone AND author_id NOT IN (
                SELECT id FROM users WHERE id IN (SELECT id FROM users WHERE is_deleted = 1)
                GROUP BY id HAVING argMax(is_deleted, version) = 1
            )
        )
    )
    WHERE sources > 0
    ORDER BY score DESC, created_ms DESC, number
    LIMIT 1 BY if(content_hash = 0, number, toFixedString(reinterpretAsFixedString(content_hash), 16))
)
