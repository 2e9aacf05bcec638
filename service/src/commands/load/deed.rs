//! What a world tells, as the act that is poured.

use schemas::{Action, CommentId, Event, EventId, LikeId, PostId, UserId};
use uuid::Uuid;
use worlds::history::{self, Id, Image, Input, Payload, RowChange};

use crate::pour::{Act, Deed, Row};

/// The act of an input; none of what is not poured.
pub fn act(input: Input) -> Option<Act> {
    let deed = match input.payload {
        Payload::User(change) => of_row(change, user),
        Payload::Post(change) => of_row(change, |_, row| Some(post(row?))),
        Payload::Follow(change) => of_row(change, |_, row| Some(follow(&row?))),
        Payload::Comment(change) => of_row(change, |_, row| Some(comment(&row?))),
        Payload::Like(change) => of_row(change, |_, row| Some(like(&row?))),
        Payload::Event(told) => Some(Deed::Event(event(&told))),
        // Worlds of any size have none of these.
        Payload::Mute(_) | Payload::Block(_) | Payload::Read { .. } => None,
    };
    deed.map(|deed| Act { at: input.arrived, deed })
}

fn of_row<R>(change: RowChange<R>, row: impl Fn(Id, Option<R>) -> Option<Row>) -> Option<Deed> {
    let id = change.id();
    match change.image {
        Image::Live(image) => row(id, Some(image)).map(Deed::Insert),
        Image::Deleted(image) | Image::SoftDeleted(image) => row(id, Some(image)).map(Deed::Delete),
        Image::DeletedByKey => row(id, None).map(Deed::Delete),
    }
}

fn user(id: Id, row: Option<history::UserRow>) -> Option<Row> {
    let (username, bio) = (format!("user-{}", Uuid::from_bytes(id).simple()), String::new());
    let created_at = row.map_or(0, |row| row.created_at);
    Some(Row::User { id: UserId(id), username, bio, created_at })
}

fn post(row: history::PostRow) -> Row {
    let history::PostRow { id, user, content, created_at } = row;
    let content = content.unwrap_or_default();
    Row::Post { id: PostId(id), author: UserId(user), content, created_at }
}

fn follow(row: &history::FollowRow) -> Row {
    let (follower, followee) = (UserId(row.follower), UserId(row.followee));
    Row::Follow { follower, followee, created_at: row.created_at }
}

fn comment(row: &history::LikeOrComment) -> Row {
    let (id, post, user) = (CommentId(row.id), PostId(row.post), UserId(row.user));
    Row::Comment { id, post, user, created_at: row.created_at }
}

fn like(row: &history::LikeOrComment) -> Row {
    let (id, post, user) = (LikeId(row.id), PostId(row.post), UserId(row.user));
    Row::Like { id, post, user, created_at: row.created_at }
}

fn event(told: &history::BehaviourEvent) -> Event {
    let action = action(told.action);
    Event {
        id: EventId(told.event.unwrap_or_default()),
        user: UserId(told.user),
        post: PostId(told.post),
        action,
        at_ms: told.time,
        dwell_ms: (action == Action::Dwell).then_some(5_000),
        author: None,
    }
}

fn action(of: history::Action) -> Action {
    match of {
        history::Action::Impression => Action::Impression,
        history::Action::View => Action::View,
        history::Action::Click => Action::Click,
        history::Action::Like => Action::Like,
        history::Action::Comment => Action::Comment,
        history::Action::Share => Action::Share,
        history::Action::Dwell => Action::Dwell,
        history::Action::Hide => Action::Hide,
        history::Action::Report => Action::Report,
        history::Action::LessLikeThis => Action::LessLikeThis,
        history::Action::Undo => Action::Undo,
    }
}
