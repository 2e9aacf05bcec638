-- A wish holds on 14 UTC days, that on which it was made included; also when its post was deleted.
SELECT coalesce(p.user_id, f.author_id) AS user_id
  FROM feed_feedback f LEFT JOIN posts p ON p.id = f.post_id
 WHERE f.user_id = $1 AND f.less_at > coalesce(f.undone_at, '-infinity')
   AND floor(extract(epoch FROM f.less_at) / 86400) BETWEEN floor($2::bigint / 86400000) - 13 AND floor($2::bigint / 86400000)
   AND coalesce(p.user_id, f.author_id) IS NOT NULL
