//! What a reader did with a post, or said against it.
//!
//! A like or comment counts only until a row of the database is seen; impressions, views, clicks,
//! shares and dwell come from events alone.

use std::fmt;
use std::str::FromStr;

/// The things that a behaviour event can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    /// The post was on the screen. Not "seen": it may be shown again.
    Impression = 1,
    /// The post was looked at.
    View = 2,
    /// The post was opened.
    Click = 3,
    /// The post was liked.
    Like = 4,
    /// The post was commented on.
    Comment = 5,
    /// The post was shared.
    Share = 6,
    /// Time was spent on the post.
    Dwell = 7,
    /// The post is not to be shown again.
    Hide = 8,
    /// The post is reported; it is not shown again either.
    Report = 9,
    /// Less of the post's author: nothing for two weeks.
    LessLikeThis = 10,
    /// What was said against the post before is taken back.
    Undo = 11,
}

impl Action {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Impression,
        Self::View,
        Self::Click,
        Self::Like,
        Self::Comment,
        Self::Share,
        Self::Dwell,
        Self::Hide,
        Self::Report,
        Self::LessLikeThis,
        Self::Undo,
    ];

    /// The name, as events carry it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Impression => "impression",
            Self::View => "view",
            Self::Click => "click",
            Self::Like => "like",
            Self::Comment => "comment",
            Self::Share => "share",
            Self::Dwell => "dwell",
            Self::Hide => "hide",
            Self::Report => "report",
            Self::LessLikeThis => "less_like_this",
            Self::Undo => "undo",
        }
    }

    /// The number, as internal values carry it.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The action of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.number() == number)
    }

    /// Whether it takes the post out of the reader's feed for a day.
    pub fn marks_seen(self) -> bool {
        match self {
            Self::View | Self::Click | Self::Like | Self::Comment | Self::Share | Self::Dwell => {
                true
            }
            Self::Impression | Self::Hide | Self::Report | Self::LessLikeThis | Self::Undo => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|action| action.name() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_name_and_one_number() {
        let again = Action::ALL.map(|action| action.name().parse());
        let numbers = Action::ALL.map(|action| Action::from_number(action.number()));
        assert_eq!(again, Action::ALL.map(Ok));
        assert_eq!(numbers, Action::ALL.map(Some));
        assert_eq!("Like".parse::<Action>(), Err(()));
    }

    #[test]
    fn an_impression_and_what_is_said_against_a_post_do_not_mark_it_seen() {
        let unseen: Vec<_> =
            Action::ALL.into_iter().filter(|action| !action.marks_seen()).collect();
        let expected =
            [Action::Impression, Action::Hide, Action::Report, Action::LessLikeThis, Action::Undo];
        assert_eq!(unseen, expected);
    }
}
