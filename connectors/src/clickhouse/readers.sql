-- {seed}, {count}: readers that have feeds here; those that the same question finds among PostgreSQL's users.
SELECT user_id FROM feeds GROUP BY user_id
ORDER BY MD5(concat(toString(user_id), '00000000-0000-0000-0000-000000000000', {seed:String})) LIMIT {count:UInt32}
