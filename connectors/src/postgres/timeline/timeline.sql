-- $1 the reader, $2 the time in ms, $3 how many at most.
-- Before it stand hidden, the posts that the reader hid, and silenced, of whom the reader is shown nothing.
seen AS MATERIALIZED (
  SELECT post_id FROM likes
   WHERE user_id = $1 AND created_at > timestamptz 'epoch' + ($2 - 86400000) * interval '1 ms'
  UNION
  SELECT post_id FROM comments
   WHERE user_id = $1 AND created_at > timestamptz 'epoch' + ($2 - 86400000) * interval '1 ms'
),
followed AS MATERIALIZED (
  SELECT p.id, p.user_id, p.created_at
    FROM follows f JOIN posts p ON p.user_id = f.followee_id
   WHERE f.follower_id = $1 AND p.user_id <> $1
     AND p.created_at >= timestamptz 'epoch' + ($2 - 259200000) * interval '1 ms'
     AND EXISTS (SELECT FROM users u WHERE u.id = p.user_id)
     AND NOT EXISTS (SELECT FROM seen s WHERE s.post_id = p.id)
     AND NOT EXISTS (SELECT FROM hidden h WHERE h.post_id = p.id)
     AND NOT EXISTS (SELECT FROM silenced s WHERE s.user_id = p.user_id)
   ORDER BY p.created_at DESC, p.id LIMIT $3
),
newest AS MATERIALIZED (
  SELECT p.id, p.user_id, p.created_at
    FROM posts p
   WHERE NOT EXISTS (SELECT FROM followed) AND p.user_id <> $1
     AND EXISTS (SELECT FROM users u WHERE u.id = p.user_id)
     AND NOT EXISTS (SELECT FROM seen s WHERE s.post_id = p.id)
     AND NOT EXISTS (SELECT FROM hidden h WHERE h.post_id = p.id)
     AND NOT EXISTS (SELECT FROM silenced s WHERE s.user_id = p.user_id)
   ORDER BY p.created_at DESC, p.id LIMIT $3
),
chosen AS (
  SELECT *, true AS followed FROM followed
  UNION ALL
  SELECT *, false FROM newest
),
-- Counted for all of them at once: a table without an index by post is then read once, and not once a post.
liked AS (
  SELECT l.post_id, count(DISTINCT l.user_id) AS likes
    FROM likes l WHERE l.post_id IN (SELECT id FROM chosen) GROUP BY l.post_id
),
commented AS (
  SELECT m.post_id, count(*) AS comments
    FROM comments m WHERE m.post_id IN (SELECT id FROM chosen) GROUP BY m.post_id
)
SELECT c.id, c.user_id,
       floor(extract(epoch FROM c.created_at) * 1000)::bigint AS created_at,
       coalesce(liked.likes, 0) AS likes,
       coalesce(commented.comments, 0) AS comments,
       c.followed,
       NOT EXISTS (SELECT FROM follows f WHERE f.follower_id = $1)
         AND NOT EXISTS (SELECT FROM likes l JOIN posts p ON p.id = l.post_id
                          WHERE l.user_id = $1 AND p.user_id <> $1)
         AND NOT EXISTS (SELECT FROM comments m JOIN posts p ON p.id = m.post_id
                          WHERE m.user_id = $1 AND p.user_id <> $1) AS cold_start
  FROM chosen c
  LEFT JOIN liked ON liked.post_id = c.id
  LEFT JOIN commented ON commented.post_id = c.id
 ORDER BY c.created_at DESC, c.id
