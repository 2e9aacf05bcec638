-- $2 the seed, $3 how many: those that the same question finds in ClickHouse.
ORDER BY md5(first::text || second || $2) COLLATE "C" LIMIT $3
