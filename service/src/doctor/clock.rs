//! A server's clock against ours: times of rows, events and rankings are compared across machines.
//!
//! What a server said lies between the question and the answer; only what lies outside of both is a difference.

use super::finding::Finding;

/// So much shows in rankings and lags.
const FAR_MS: i64 = 1_000;
/// So much shows in what is fresh, due and expired.
const WRONG_MS: i64 = 60_000;
const SYNCHRONISE: &str = "timedatectl set-ntp true";

/// See the module; all in ms.
pub fn judge(server: &str, theirs: i64, (asked, answered): (i64, i64)) -> Option<Finding> {
    let ahead = theirs - answered;
    let behind = asked - theirs;
    let off = ahead.max(behind);
    let way = if ahead > behind { "ahead of" } else { "behind" };
    let of = format!("{server} clock");
    let words = format!("is {:.1} s {way} the one here", off as f64 / 1e3);
    match off {
        WRONG_MS.. => Some(Finding::error(of, words).mended_by(SYNCHRONISE)),
        FAR_MS.. => Some(Finding::warning(of, words).mended_by(SYNCHRONISE)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_question_and_answer_do_not_explain_is_a_difference() {
        let told = |theirs| {
            let found = judge("redis", theirs, (10_000, 14_000));
            found.map(|of| format!("{} {} {}", of.severity, of.of, of.words))
        };
        let rows = [
            (10_000, None),
            (14_999, None),
            (9_001, None),
            (15_000, Some("warning redis clock is 1.0 s ahead of the one here")),
            (8_500, Some("warning redis clock is 1.5 s behind the one here")),
            (74_000, Some("error redis clock is 60.0 s ahead of the one here")),
        ];
        for (theirs, expected) in rows {
            assert_eq!(told(theirs).as_deref(), expected, "{theirs}");
        }
    }
}
