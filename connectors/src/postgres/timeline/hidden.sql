SELECT post_id FROM feed_feedback
 WHERE user_id = $1 AND hidden_at > coalesce(undone_at, '-infinity')
   AND hidden_at > timestamptz 'epoch' + ($2 - 7776000000) * interval '1 ms'
