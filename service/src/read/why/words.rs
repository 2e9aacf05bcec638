//! What kept a post out of a feed, in words for people.

use std::fmt;

use super::{AffinitySource, FollowSource, Stage, TrendingSource};

/// A time in the unit in which it is not nothing.
fn span(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{} s", ms / 1_000),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        3_600_000.. => format!("{:.1} h", ms as f64 / 3_600_000.0),
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("nobody knows it"),
            Self::Deleted => f.write_str("it was deleted"),
            Self::OutOfReach { age_ms } => write!(
                f,
                "it is {} old: older than any source takes, and it does not trend",
                span(*age_ms)
            ),
            Self::ReaderGone => f.write_str("the reader was deleted"),
            Self::Own => f.write_str("the reader wrote it"),
            Self::AuthorGone => f.write_str("its author was deleted"),
            Self::Blocked => f.write_str("the reader and its author block each other"),
            Self::Muted => f.write_str("the reader mutes its author"),
            Self::LessLikeThis { .. } => {
                f.write_str("the reader wished for less of its author within 14 days")
            }
            Self::NotFollowed => f.write_str(
                "the reader wants posts of followees alone, and does not follow its author",
            ),
            Self::MutedWord => f.write_str("it has a word that the reader mutes"),
            Self::Hidden { .. } => f.write_str("the reader hid or reported it"),
            Self::Seen { .. } => f.write_str("the reader saw it within the last 24 h"),
            Self::NoSource { follow, trending, affinity } => {
                write!(f, "no source proposes it: {follow}; {trending}; {affinity}")
            }
            Self::DuplicateOf { post_id, .. } => {
                write!(f, "{post_id} says the same, and is better")
            }
            Self::BelowFloor { rank, gap, .. } => {
                write!(f, "it is number {rank}, {gap:.4} below the last that has a place")
            }
            Self::Spacing { rank, of_author, .. } => write!(
                f,
                "it is number {rank}, but {of_author} of its author's posts have a place already"
            ),
        }
    }
}

impl fmt::Display for FollowSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFollowed => f.write_str("its author is not followed"),
            Self::TooOld { by_ms } => {
                write!(f, "for one who is followed it is {} too old", span(*by_ms))
            }
            Self::BeyondCap { newer, cap } => {
                write!(f, "{newer} of those who are followed are newer, and {cap} are taken")
            }
        }
    }
}

impl fmt::Display for TrendingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NotListed { listed } = self;
        write!(f, "it is none of the {listed} that trend")
    }
}

impl fmt::Display for AffinitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAffinity => f.write_str("the reader did nothing with posts of its author"),
            Self::TooOld { by_ms } => {
                write!(f, "for an author with affinity it is {} too old", span(*by_ms))
            }
            Self::BeyondAuthorCap { newer, cap } => {
                write!(f, "{newer} of its author are newer, and {cap} are taken")
            }
            Self::QuotaFull { quota, interactions } => write!(
                f,
                "authors with more affinity than {interactions} have used up all {quota} places"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_moment_too_old_is_not_nothing_too_old() {
        let told = [40, 59_999, 3_599_999, 5_400_000].map(|by_ms| FollowSource::TooOld { by_ms });
        let told = told.map(|of| of.to_string());
        let told = told.map(|words| words.replace("for one who is followed it is ", ""));
        assert_eq!(told, ["40 ms too old", "59 s too old", "59 min too old", "1.5 h too old"]);
    }
}
