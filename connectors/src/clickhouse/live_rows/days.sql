-- The digest is equal to that of days.sql beside PostgreSQL's rows, and contents to what content_part adds up.
SELECT
    toInt32(toDate32(created_at)) AS day,
    count() AS live,
    sum(toInt128(reinterpretAsInt64(reverse(substring(MD5(concat(
        toString(first), toString(second), toString(third), toString(toUnixTimestamp64Milli(created_at))
    )), 1, 8))))) AS digest,
    sumIf(
        reinterpretAsUInt64(reverse(substring(SHA256(concat(toString(first), toString(ifNull(content_hash, 0)))), 1, 8))),
        {table:String} = 'posts'
    ) AS contents
FROM rows WHERE version <= {cut:UInt128} GROUP BY day
