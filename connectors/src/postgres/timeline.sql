-- $1 the reader, $2 the time in ms, $3 how many at most.
WITH seen AS MATERIALIZED (
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
   ORDER BY p.created_at DESC, p.id LIMIT $3
),
newest AS MATERIALIZED (
  SELECT p.id, p.user_id, p.created_at
    FROM posts p
   WHERE NOT EXISTS (SELECT FROM followed) AND p.user_id <> $1
     AND EXISTS (SELECT FROM users u WHERE u.id = p.user_id)
     AND NOT EXISTS (SELECT FROM seen s WHERE s.post_id = p.id)
   ORDER BY p.created_at DESC, p.id LIMIT $3
),
chosen AS (
  SELECT *, true AS followed FROM followed
  UNION ALL
  SELECT *, false FROM newest
)
SELECT c.id, c.user_id,
       floor(extract(epoch FROM c.created_at) * 1000)::bigint AS created_at,
       (SELECT count(DISTINCT l.user_id) FROM likes l WHERE l.post_id = c.id) AS likes,
       (SELECT count(*) FROM comments m WHERE m.post_id = c.id) AS comments,
       c.followed,
       NOT EXISTS (SELECT FROM follows f WHERE f.follower_id = $1)
         AND NOT EXISTS (SELECT FROM likes l JOIN posts p ON p.id = l.post_id
                          WHERE l.user_id = $1 AND p.user_id <> $1)
         AND NOT EXISTS (SELECT FROM comments m JOIN posts p ON p.id = m.post_id
                          WHERE m.user_id = $1 AND p.user_id <> $1) AS cold_start
  FROM chosen c
 ORDER BY c.created_at DESC, c.id
