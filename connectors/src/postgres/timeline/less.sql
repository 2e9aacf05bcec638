-- A wish holds on 14 UTC days, that on which it was made included.
SELECT p.user_id
  FROM feed_feedback f JOIN posts p ON p.id = f.post_id
 WHERE f.user_id = $1 AND f.less_at > coalesce(f.undone_at, '-infinity')
   AND floor(extract(epoch FROM f.less_at) / 86400) BETWEEN floor($2::bigint / 86400000) - 13 AND floor($2::bigint / 86400000)
