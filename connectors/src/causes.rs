//! What lies behind an error: the layers above mostly only say that something failed.

use std::error::Error;
use std::iter;

/// An error, and what lies behind it.
pub(crate) fn causes(error: &dyn Error) -> impl Iterator<Item = String> {
    iter::successors(Some(error), |&error| error.source()).map(ToString::to_string)
}

/// The last of them.
pub(crate) fn deepest(error: &dyn Error) -> String {
    causes(error).last().unwrap_or_default()
}
