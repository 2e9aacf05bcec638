SELECT first, second, third, toUnixTimestamp64Milli(created_at) AS at, content_hash FROM rows
WHERE version <= {cut:UInt128}
