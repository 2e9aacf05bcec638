-- {table}, {cut}: the newest images after the position, deletions too, the newest first.
WITH toUUID('00000000-0000-0000-0000-000000000000') AS nil, images AS (
    SELECT id AS first, nil AS second, version FROM users WHERE {table:String} = 'users'
    UNION ALL
    SELECT id, nil, version FROM posts WHERE {table:String} = 'posts'
    UNION ALL
    SELECT follower_id, followee_id, version FROM follows WHERE {table:String} = 'follows'
    UNION ALL
    SELECT id, nil, version FROM comments WHERE {table:String} = 'comments'
    UNION ALL
    SELECT id, nil, version FROM likes WHERE {table:String} = 'likes'
)
SELECT first, second, max(version) AS newest FROM images
WHERE version > {cut:UInt128}
GROUP BY first, second ORDER BY newest DESC, first, second LIMIT {count:UInt32}
