-- What events has of a stretch: offset and time, since a topic that was made anew has the same offsets.
SELECT offset, toUnixTimestamp64Milli(received_at) FROM events WHERE partition = ? AND offset >= ? AND offset < ?
