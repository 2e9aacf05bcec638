SELECT blocked_id AS user_id FROM blocks WHERE blocker_id = $1
UNION ALL
SELECT blocker_id FROM blocks WHERE blocked_id = $1
