//! The timeline: the followees' posts by time, where there is no ranking to serve.
//!
//! It is F1, newest first, with removals and spacing. Where F1 is empty it is the newest posts of all.

use std::cmp::Reverse;

use schemas::{Rule, Sources};

use super::candidates::Candidates;
use super::removal;
use super::spacing::Spacer;
use super::{ReaderState, World};
use crate::live::Line;

/// A post of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'w> {
    /// Its line.
    pub line: &'w Line,
    /// The sources that propose it; none where the newest posts stand in.
    pub sources: Sources,
    /// The rule that brought it to its place.
    pub rule: Rule,
}

/// The timeline of `reader` as of `at`: so many posts as a feed keeps.
pub fn timeline<'w>(reader: &ReaderState, world: &World<'w>, at: i64) -> Vec<Entry<'w>> {
    let mut candidates = Candidates::default();
    candidates.gather(reader, world, at);
    let mut followed: Vec<_> = candidates
        .picks
        .iter()
        .filter(|pick| pick.sources.has(Sources::FOLLOW))
        .filter_map(|pick| {
            let line = candidates.line(pick.author, pick.line, world)?;
            Some((line, pick.sources))
        })
        .collect();
    if followed.is_empty() {
        return space(newest(reader, world, at), world);
    }
    followed.sort_unstable_by_key(|(line, _)| (Reverse(line.known.created_at_ms), line.post));
    space(followed.into_iter(), world)
}

/// The newest posts of all that this reader may be shown.
fn newest<'w>(
    reader: &ReaderState,
    world: &World<'w>,
    at: i64,
) -> impl Iterator<Item = (&'w Line, Sources)> {
    let (limits, gone) = (&world.weights.limits, world.gone);
    let seen_after = at.saturating_sub(limits.seen_ms);
    let shown = move |line: &Line| {
        removal::of_author(reader, &line.known.author, gone).is_none()
            && removal::of_post(reader, &line.post, seen_after).is_none()
    };
    let most = limits.follow_posts_max;
    let posts = world.posts.newest().filter(move |line| shown(line));
    posts.take(most).map(|line| (line, Sources::NONE))
}

fn space<'w>(
    mut posts: impl Iterator<Item = (&'w Line, Sources)>,
    world: &World<'w>,
) -> Vec<Entry<'w>> {
    let mut entries = Vec::new();
    Spacer::default().space(
        (world.weights.spacing, world.weights.limits.kept_max),
        || posts.next().map(|post| (post, post.0.known.author)),
        |(line, sources), rule| entries.push(Entry { line, sources, rule }),
    );
    entries
}
