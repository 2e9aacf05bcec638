//! Topic `events`: each event counts once.
//!
//! Of the events of one user with one id the first in log order counts; a later one within 24 h of that
//! one's record time is dropped, and one after that is the first again.

use schemas::{Action, Event, Feedback, Said, ToPost, ToUser};

use super::{Effect, Routed};

/// For so long a repetition is known as one.
pub const REPEATS_MS_MAX: i64 = 86_400_000;

/// Takes an event whose record has the time `record_ms`; `stored` is the record time that is kept under
/// its user and id. Where it is remembered what was shown the user hears of impressions too.
pub fn apply(
    stored: &mut Option<i64>,
    event: &Event,
    (record_ms, remembers_shown): (i64, bool),
    out: &mut Vec<Routed>,
) -> Effect {
    if stored.is_some_and(|first| record_ms.saturating_sub(first) <= REPEATS_MS_MAX) {
        return Effect::Stale;
    }
    *stored = Some(record_ms);
    let Event { id, user, post, action, at_ms, .. } = *event;
    let said = Said::by(action);
    // Who is hidden from is no business of a post; whose it is decides what less of its author means.
    if said != Some(Said::Hidden) {
        out.push(Routed::ToPost(post, ToPost::Event { user, action, at_ms, event: id }));
    }
    out.extend(said.and_then(|said| fact(said, event)).map(|fact| Routed::ToUser(user, fact)));
    let feedback = |said| Routed::Feedback(user, Feedback { post, said, at_ms });
    out.extend(said.map(feedback));
    if action.marks_seen() {
        out.push(Routed::ToUser(user, ToUser::Seen { post, at_ms }));
    }
    if remembers_shown && action == Action::Impression {
        out.push(Routed::ToUser(user, ToUser::Impression { post, at_ms }));
    }
    out.push(Routed::ToUser(user, ToUser::Active { at_ms }));
    Effect::Applied
}

/// What the user's own state is told of it; of less of an author the post tells, which knows the author.
fn fact(said: Said, event: &Event) -> Option<ToUser> {
    let Event { post, at_ms, .. } = *event;
    match said {
        Said::Hidden => Some(ToUser::Hidden { post, at_ms }),
        Said::Undone => Some(ToUser::Undone { post, at_ms }),
        Said::Less => None,
    }
}

#[cfg(test)]
mod tests {
    use schemas::{EventId, PostId, UserId};

    use super::*;

    fn event(action: Action) -> Event {
        let (id, user, post) = (EventId([1; 16]), UserId([2; 16]), PostId([3; 16]));
        Event { id, user, post, action, at_ms: 500, dwell_ms: None, author: None }
    }

    fn effects(record_times: &[i64]) -> Vec<Effect> {
        let (mut stored, mut out) = (None, Vec::new());
        let times = record_times.iter();
        times.map(|at| apply(&mut stored, &event(Action::View), (*at, false), &mut out)).collect()
    }

    #[test]
    fn a_repetition_is_dropped_for_24_h_after_the_first_and_then_counts_again() {
        let (first, last) = (1_000, 1_000 + REPEATS_MS_MAX);
        let expected = [Effect::Applied, Effect::Stale, Effect::Stale, Effect::Applied];
        assert_eq!(effects(&[first, first, last, last + 1]), expected);
    }

    #[test]
    fn what_is_said_against_a_post_goes_to_the_user_to_sinks_and_where_its_author_is_known() {
        let told = |action| {
            let mut out = Vec::new();
            apply(&mut None, &event(action), (1_000, false), &mut out);
            let kind = |routed: &Routed| match routed {
                Routed::ToPost(_, ToPost::Event { action, .. }) => action.name(),
                Routed::ToUser(_, ToUser::Hidden { at_ms: 500, .. }) => "hidden",
                Routed::ToUser(_, ToUser::Undone { at_ms: 500, .. }) => "undone",
                Routed::ToUser(_, ToUser::Active { .. }) => "active",
                Routed::Feedback(_, Feedback { at_ms: 500, .. }) => "feedback",
                other => panic!("{other:?}"),
            };
            out.iter().map(kind).collect::<Vec<_>>()
        };
        assert_eq!(told(Action::Hide), ["hidden", "feedback", "active"]);
        assert_eq!(told(Action::Report), ["hidden", "feedback", "active"]);
        assert_eq!(told(Action::LessLikeThis), ["less_like_this", "feedback", "active"]);
        assert_eq!(told(Action::Undo), ["undo", "undone", "feedback", "active"]);
    }

    #[test]
    fn an_impression_reaches_the_post_but_is_not_seen() {
        let mut out = Vec::new();
        apply(&mut None, &event(Action::Impression), (1_000, false), &mut out);
        let (user, post, action) = (UserId([2; 16]), PostId([3; 16]), Action::Impression);
        let fact = ToPost::Event { user, action, at_ms: 500, event: EventId([1; 16]) };
        let active = ToUser::Active { at_ms: 500 };
        let (fact, active) = (Routed::ToPost(post, fact), Routed::ToUser(user, active));
        assert_eq!(out, [fact, active]);
        out.clear();
        apply(&mut None, &event(Action::Impression), (1_000, true), &mut out);
        let told = Routed::ToUser(user, ToUser::Impression { post, at_ms: 500 });
        assert_eq!(out, [fact, told, active], "where it is remembered");
    }
}
