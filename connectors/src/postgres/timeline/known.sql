-- Which of the tables are there that a database need not have, with the columns that are asked for, and whether they may be read.
SELECT name, has_table_privilege(to_regclass(name), 'SELECT') AS readable
  FROM (VALUES ('mutes', ARRAY['muter_id', 'muted_id']),
               ('blocks', ARRAY['blocker_id', 'blocked_id']),
               ('feed_feedback', ARRAY['user_id', 'post_id', 'hidden_at', 'less_at', 'undone_at', 'author_id'])) AS optional (name, columns)
 WHERE (SELECT count(*) FROM pg_attribute
         WHERE attrelid = to_regclass(name) AND attname = ANY (columns) AND NOT attisdropped) = cardinality(columns)
