SELECT muted_id AS user_id FROM mutes WHERE muter_id = $1
