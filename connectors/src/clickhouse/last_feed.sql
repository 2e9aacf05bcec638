-- {users}: the last feed of each.
SELECT user_id, feeds_epoch, version, published_at, is_gone, as_of, valid_until, weight_set, cold_start,
    items.post_id, items.author_id, items.created_at, items.likes, items.comments, items.shares, items.exposures,
    items.affinity, items.sources, items.rule
FROM feeds FINAL WHERE user_id IN {users:Array(UUID)}
ORDER BY user_id, feeds_epoch DESC, version DESC LIMIT 1 BY user_id
