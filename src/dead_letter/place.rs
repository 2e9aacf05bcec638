//! Where a dead letter lies in its topic: `2@17` is offset 17 of partition 2.

use std::fmt;
use std::str::FromStr;

use crate::record::Offset;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: Offset,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (partition, offset) = text.split_once('@')?;
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            (partition >= 0 && offset >= 0).then_some(Self { partition, offset: Offset(offset) })
        };
        read().ok_or_else(|| format!("expected partition@offset as 2@17, found {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = Place { partition: 2, offset: Offset(17) };
        assert_eq!((place.to_string().as_str(), "2@17".parse()), ("2@17", Ok(place)));
        for text in ["", "2", "2@", "@17", "2@x", "-1@17", "2@-1", "2@17@1", "99999999999@1"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
