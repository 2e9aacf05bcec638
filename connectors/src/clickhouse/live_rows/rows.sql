-- {table}: its live rows in the form of all tables; what follows asks them. Branches of other tables are not read.
WITH toUUID('00000000-0000-0000-0000-000000000000') AS nil, rows AS (
    SELECT id AS first, nil AS second, nil AS third, created_at, CAST(NULL, 'Nullable(UInt64)') AS content_hash, version
    FROM users FINAL WHERE {table:String} = 'users'
    UNION ALL
    SELECT id, user_id, nil, created_at, content_hash, version FROM posts FINAL WHERE {table:String} = 'posts'
    UNION ALL
    SELECT follower_id, followee_id, nil, created_at, NULL, version FROM follows FINAL WHERE {table:String} = 'follows'
    UNION ALL
    SELECT id, post_id, user_id, created_at, NULL, version FROM comments FINAL WHERE {table:String} = 'comments'
    UNION ALL
    SELECT id, post_id, user_id, created_at, NULL, version FROM likes FINAL WHERE {table:String} = 'likes'
)
