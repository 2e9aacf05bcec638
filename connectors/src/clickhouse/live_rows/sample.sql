-- Those that the same question finds in PostgreSQL.
ORDER BY MD5(concat(toString(first), toString(second), {seed:String})) LIMIT {count:UInt32}
