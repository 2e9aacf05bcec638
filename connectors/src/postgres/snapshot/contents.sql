SELECT created_at::date - date '1970-01-01' AS day, first, content FROM rows
