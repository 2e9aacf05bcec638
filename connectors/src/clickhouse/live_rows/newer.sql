-- {cut}: the newest images after the position, the newest first.
SELECT first, second, max(version) AS newest FROM images
WHERE version > {cut:UInt128}
GROUP BY first, second ORDER BY newest DESC, first, second LIMIT {count:UInt32}
