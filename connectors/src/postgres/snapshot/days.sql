-- The digest is equal to that of days.sql beside ClickHouse's rows.
SELECT created_at::date - date '1970-01-01' AS day, count(*) AS live,
    sum(('x' || left(md5(first::text || second || third
        || round(extract(epoch FROM date_trunc('milliseconds', created_at)) * 1000)::bigint), 16))::bit(64)::bigint
    )::text AS digest
FROM rows GROUP BY 1
