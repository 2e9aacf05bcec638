-- $2 the day, counted from 1970.
WHERE created_at >= timestamp '1970-01-01' + $2 * interval '1 day'
  AND created_at < timestamp '1970-01-01' + ($2 + 1) * interval '1 day'
