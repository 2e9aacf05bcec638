-- {first}, {second}: how new the newest image of each of these rows is.
SELECT first, second, max(version) AS newest FROM images
WHERE first IN {first:Array(UUID)}
  AND ({table:String} != 'follows' OR (first, second) IN arrayZip({first:Array(UUID)}, {second:Array(UUID)}))
GROUP BY first, second
