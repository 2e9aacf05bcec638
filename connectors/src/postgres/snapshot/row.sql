SELECT first, second, third, content,
    round(extract(epoch FROM date_trunc('milliseconds', created_at)) * 1000)::bigint AS created_at
FROM rows
