//! A crash that is to happen, in whichever process comes by first.

use std::sync::{Arc, Mutex, PoisonError};

use crate::fail_points::{FailPoint, FailPoints};

/// Shared by the driver, which arms it, and the fail points of its processes.
#[derive(Clone, Default)]
pub(super) struct Crash(Arc<Mutex<Option<Armed>>>);

/// At the `skip`-th passing of a place from now on.
struct Armed {
    point: FailPoint,
    skip: usize,
}

impl Crash {
    /// The next time a process passes `point`, for the `skip`-th time from now on, it crashes.
    pub(super) fn arm(&self, point: FailPoint, skip: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Armed { point, skip });
    }

    /// What a process passes.
    pub(super) fn points(&self) -> FailPoints {
        let crash = self.clone();
        FailPoints::new(move |point| crash.happens(point))
    }

    fn happens(&self, point: FailPoint) -> bool {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *armed {
            Some(at) if at.point == point && at.skip == 0 => {
                *armed = None;
                true
            }
            Some(at) if at.point == point => {
                at.skip -= 1;
                false
            }
            Some(_) | None => false,
        }
    }
}
