-- {table}: its images, deletions and those that were replaced too; what follows asks them. Branches of other tables are not read.
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
