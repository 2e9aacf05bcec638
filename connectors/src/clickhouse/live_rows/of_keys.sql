-- {first}, {second}: the ids; the second is zero where the first is the key.
AND first IN {first:Array(UUID)}
AND ({table:String} != 'follows' OR (first, second) IN arrayZip({first:Array(UUID)}, {second:Array(UUID)}))
