//! Times in UTC as people and databases read them, ISO 8601.

use schemas::iso_date;

const MS_PER_DAY: i64 = 86_400_000;

/// A time in ms, without the zone: `2026-11-20T23:17:08.123`.
pub fn iso_time(ms: i64) -> String {
    let (day, of_day) = (ms.div_euclid(MS_PER_DAY), ms.rem_euclid(MS_PER_DAY));
    let (seconds, millis) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{millis:03}", iso_date(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_iso_8601_has_it_before_1970_too() {
        let times = [
            (1_795_216_628_123, "2026-11-20T23:17:08.123"),
            (951_782_400_000, "2000-02-29T00:00:00.000"),
            (-1, "1969-12-31T23:59:59.999"),
        ];
        assert_eq!(times.map(|(ms, _)| iso_time(ms)), times.map(|(_, text)| text));
        assert_eq!(iso_date(-25_567), "1900-01-01");
    }
}
