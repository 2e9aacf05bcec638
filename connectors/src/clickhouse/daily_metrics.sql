-- What is known of a day, the largest parts of each kind: whoever sends events chooses their numbers, and a reader is not
-- told without end. The parts in the order in which they are shown.
SELECT dimension, value, received, repeats, impressions, views, clicks, likes, comments, shares, dwells, dwell_p50_ms,
    dwell_p95_ms, toUnixTimestamp64Milli(computed_at)
FROM (
    SELECT *
    FROM daily_metrics FINAL
    WHERE date = toDate({day:String})
    ORDER BY dimension, received DESC, value
    LIMIT 100 BY dimension
)
ORDER BY dimension, toUInt32OrZero(value), value
