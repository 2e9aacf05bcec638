//! A point in time as databases, connectors and clients write it, floored to milliseconds.
//!
//! Read are ISO 8601 text with a date, a time to at most 9 decimals, and `Z`, an offset, or nothing for
//! UTC; and whole numbers since 1970, whose size says what they count:
//!
//! | size | counts | from, to |
//! | --- | --- | --- |
//! | below 10^14 | milliseconds | 1970, the year 5138 |
//! | below 10^17 | microseconds | 1973, the year 5138 |
//! | 10^17 and more | nanoseconds | 1973, the year 2262 |
//!
//! Nothing is guessed: seconds are read as milliseconds of January 1970. So where a row's time counts it must be
//! [plausible](is_plausible): from 1990 to a day after its record's timestamp.

/// From this size on a bare number counts microseconds.
const MICROSECONDS_MIN: u64 = 100_000_000_000_000;
/// From this size on a bare number counts nanoseconds.
const NANOSECONDS_MIN: u64 = 100_000_000_000_000_000;
/// 1990-01-01, in ms UTC.
pub(crate) const PLAUSIBLE_MS_MIN: i64 = 631_152_000_000;
/// How far a row's time may lie ahead of its record's.
const AHEAD_MS_MAX: i64 = 86_400_000;

pub(crate) const PLAUSIBLE: &str = "a time from 1990 to a day after the record's, in ms, us or ns";
pub(crate) const NOT_AHEAD: &str = "a time at most a day after the record's, in ms, us or ns";

/// Whether a row whose record has the time `record_ms` can have been created at `at_ms`.
pub(crate) fn is_plausible(at_ms: i64, record_ms: i64) -> bool {
    at_ms >= PLAUSIBLE_MS_MIN && !is_ahead(at_ms, record_ms)
}

/// Whether `at_ms` lies too far ahead of the record's time.
pub(crate) fn is_ahead(at_ms: i64, record_ms: i64) -> bool {
    at_ms > record_ms.saturating_add(AHEAD_MS_MAX)
}

/// The milliseconds of a bare number.
pub(crate) fn from_number(number: i64) -> i64 {
    match number.unsigned_abs() {
        NANOSECONDS_MIN.. => number.div_euclid(1_000_000),
        MICROSECONDS_MIN.. => number.div_euclid(1_000),
        _ => number,
    }
}

/// The milliseconds of ISO 8601 text; `None` if it is anything else or no such day exists.
pub(crate) fn from_text(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    one_of(&mut rest, b"-")?;
    let month = digits(&mut rest, 2)?;
    one_of(&mut rest, b"-")?;
    let day = digits(&mut rest, 2)?;
    one_of(&mut rest, b"Tt ")?;
    let hour = digits(&mut rest, 2)?;
    one_of(&mut rest, b":")?;
    let minute = digits(&mut rest, 2)?;
    one_of(&mut rest, b":")?;
    let second = digits(&mut rest, 2)?;
    let ms = fraction_ms(&mut rest)?;
    let offset_minutes = offset_minutes(rest)?;
    let in_day = hour < 24 && minute < 60 && second < 60;
    if !in_day || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + ms)
}

/// Reads `n` digits as a number.
fn digits(rest: &mut &[u8], n: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(n)?;
    *rest = tail;
    head.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Reads one byte, which must be one of `these`.
fn one_of(rest: &mut &[u8], these: &[u8]) -> Option<u8> {
    let (&head, tail) = rest.split_first()?;
    *rest = tail;
    these.contains(&head).then_some(head)
}

/// Reads `.` and 1 to 9 digits, if there; the first three are the milliseconds.
fn fraction_ms(rest: &mut &[u8]) -> Option<i64> {
    let Some(tail) = rest.strip_prefix(b".") else { return Some(0) };
    let n = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&n) {
        return None;
    }
    *rest = tail;
    let kept = digits(rest, n.min(3))?;
    digits(rest, n.saturating_sub(3))?;
    Some(match n {
        1 => kept * 100,
        2 => kept * 10,
        _ => kept,
    })
}

/// Reads all that is left as `Z`, nothing, `+hh`, `+hhmm` or `+hh:mm`.
fn offset_minutes(mut rest: &[u8]) -> Option<i64> {
    if matches!(rest, b"" | b"Z" | b"z") {
        return Some(0);
    }
    let sign = if one_of(&mut rest, b"+-")? == b'+' { 1 } else { -1 };
    let hours = digits(&mut rest, 2)?;
    let rest_of_minutes = rest.strip_prefix(b":").unwrap_or(rest);
    let minutes = match rest_of_minutes {
        [] if rest.is_empty() => 0,
        [_, _] => digits(&mut &*rest_of_minutes, 2)?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, in the Gregorian calendar. Years begin in March here, so that a leap day is
/// the last of its year; 719,468 days lie between 0000-03-01 and 1970-01-01.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The milliseconds of a time as a person writes it, in one of these forms; `None` if it is in none.
pub fn read_time(text: &str) -> Option<i64> {
    text.parse().map(from_number).ok().or_else(|| from_text(text))
}

/// Milliseconds as ISO 8601 has them: `2026-11-20T23:17:08.123Z`.
pub fn iso_time(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    let (day, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, of_second) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{of_second:03}Z", iso_date(day))
}

/// A day, counted from 1970, as ISO 8601 has it: `2026-11-20`.
pub fn iso_date(day: i64) -> String {
    // Howard Hinnant's civil_from_days: years begin in March, so that the leap day comes last.
    let z = day + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_milliseconds_until_they_are_too_large_for_it() {
        let numbers = [
            (0, 0),
            (1_763_000_000_123, 1_763_000_000_123),
            (99_999_999_999_999, 99_999_999_999_999),
            (100_000_000_000_000, 100_000_000_000),
            (1_763_000_000_123_999, 1_763_000_000_123),
            (-100_000_000_000_001, -100_000_000_001),
            (99_999_999_999_999_999, 99_999_999_999_999),
            (100_000_000_000_000_000, 100_000_000_000),
            (1_763_000_000_123_999_999, 1_763_000_000_123),
            (-100_000_000_000_000_001, -100_000_000_001),
            (i64::MAX, i64::MAX / 1_000_000),
        ];
        assert_eq!(numbers.map(|(number, _)| from_number(number)), numbers.map(|(_, ms)| ms));
    }

    #[test]
    fn a_row_s_time_is_plausible_from_1990_to_a_day_after_its_record() {
        let now = 1_763_000_000_000;
        let times = [631_151_999_999, 631_152_000_000, now + 86_400_000, now + 86_400_001];
        assert_eq!(times.map(|at| is_plausible(at, now)), [false, true, true, false]);
        let seconds = from_number(1_763_000_000);
        assert!(!is_plausible(seconds, now));
    }

    #[test]
    fn text_is_floored_to_milliseconds() {
        let texts = [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.000000Z", 0),
            ("2026-11-20T23:17:08.123999Z", 1_795_216_628_123),
            ("2026-11-20 23:17:08.1", 1_795_216_628_100),
            ("2026-11-21T01:17:08.12+02:00", 1_795_216_628_120),
            ("2026-11-20T17:47:08-0530", 1_795_216_628_000),
            ("2026-11-21T00:17:08+01", 1_795_216_628_000),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2026-11-30T00:00:00Z", 1_795_996_800_000),
            ("2026-10-31T00:00:00Z", 1_793_404_800_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ];
        assert_eq!(texts.map(|(text, _)| from_text(text)), texts.map(|(_, ms)| Some(ms)));
    }

    #[test]
    fn a_time_is_written_as_it_is_read_and_read_in_digits_too() {
        for ms in [0, 1_795_216_628_123, 951_782_400_000, -1] {
            assert_eq!(read_time(&iso_time(ms)), Some(ms));
        }
        let read = ["1795216628123", "1795216628123999", "2026-11-20T23:17:08.123Z", "now"];
        let at = Some(1_795_216_628_123);
        assert_eq!(read.map(read_time), [at, at, at, None]);
        assert_eq!(iso_time(1_795_216_628_123), "2026-11-20T23:17:08.123Z");
    }

    #[test]
    fn text_that_names_no_time_is_none() {
        let texts = [
            "",
            "soon",
            "infinity",
            "2026-11-20",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T23:60:00Z",
            "2026-11-20T23:00:60Z",
            "2026-11-20T23:00:00.Z",
            "2026-11-20T23:00:00.1234567890Z",
            "2026-11-20T23:00:00Zz",
            "2026-11-20T23:00:00+1",
            "2026-11-20T23:00:00+01:",
            "2026-11-20T23:00:00+01:0",
            "2026-11-20T23:00:00+24:00",
            "2026-11-20T23:00:00+01:60",
            "2023-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-09-31T00:00:00Z",
            "2026-11-20T23:00",
            "-026-11-20T23:00:00Z",
            "２026-11-20T23:00:00Z",
        ];
        assert_eq!(texts.map(from_text), [None; 25]);
    }
}
