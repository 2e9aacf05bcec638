-- $2, $3 the ids; the second is zero where the first is the key.
WHERE first = ANY ($2) AND ($1 <> 'follows' OR (first, second) IN (SELECT * FROM unnest($2, $3)))
