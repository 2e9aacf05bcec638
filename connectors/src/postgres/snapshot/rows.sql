-- $1 the table. Its live rows in the form of all tables; what follows asks them. A time is one that ClickHouse can say, too.
-- A table without content or deleted_at has those of absent: an inner name hides an outer one. Branches of other
-- tables are not read.
WITH rows AS (
    SELECT first, second, third, tables.content,
        least(greatest(created_at AT TIME ZONE 'UTC', timestamp '1900-01-01'), timestamp '2299-12-31 23:59:59.999')
            AS created_at
    FROM (
        SELECT NULL::text AS content, NULL::timestamptz AS deleted_at, '00000000-0000-0000-0000-000000000000'::uuid AS nil
    ) AS absent
    CROSS JOIN LATERAL (
        SELECT id AS first, nil AS second, nil AS third, NULL::text AS content, created_at,
            deleted_at IS NOT NULL AS is_deleted
        FROM users WHERE $1 = 'users'
        UNION ALL
        SELECT id, user_id, nil, content, created_at, deleted_at IS NOT NULL FROM posts WHERE $1 = 'posts'
        UNION ALL
        SELECT follower_id, followee_id, nil, NULL, created_at, deleted_at IS NOT NULL FROM follows WHERE $1 = 'follows'
        UNION ALL
        SELECT id, post_id, user_id, NULL, created_at, deleted_at IS NOT NULL FROM comments WHERE $1 = 'comments'
        UNION ALL
        SELECT id, post_id, user_id, NULL, created_at, deleted_at IS NOT NULL FROM likes WHERE $1 = 'likes'
    ) AS tables
    WHERE NOT is_deleted
)
