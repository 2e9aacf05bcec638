-- Which of the tables are there that a database need not have, with the columns that are asked for.
SELECT name
  FROM (VALUES ('mutes', 'muter_id', 'muted_id'),
               ('blocks', 'blocker_id', 'blocked_id'),
               ('feed_feedback', 'user_id', 'post_id')) AS optional (name, one, other)
 WHERE (SELECT count(*) FROM pg_attribute
         WHERE attrelid = to_regclass(name) AND attname IN (one, other) AND NOT attisdropped) = 2
