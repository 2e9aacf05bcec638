AND toInt32(toDate32(created_at)) = {day:Int32}
