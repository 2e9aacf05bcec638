//! The table of the routes of operators.

use futures_util::FutureExt;
use warp::http::Method;

use super::{Admin, dead_letters, flags};
use crate::flags::told::Flags;
use crate::http::routes::{JSON, Route, Shape};

/// All of them.
pub static ROUTES: [Route<Admin>; 7] = [
    Route {
        name: "flags",
        method: Method::GET,
        path: "/admin/flags",
        segment: None,
        about: "The flags as this instance knows them, with who set each and why",
        parameters: &[],
        body: None,
        answer: (200, Shape::of::<Flags>()),
        media: JSON,
        handler: |admin, request| async move { flags::get(&admin, &request) }.boxed(),
    },
    Route {
        name: "flags_put",
        method: Method::PUT,
        path: "/admin/flags",
        segment: None,
        about: "Sets the flags that are named, all or none; the others stay; answered when Kafka has it",
        parameters: &[],
        body: Some(Shape::of::<flags::Wanted>()),
        answer: (200, Shape::of::<flags::Changed>()),
        media: JSON,
        handler: |admin, request| async move { flags::put(admin, request).await }.boxed(),
    },
    Route {
        name: "flag_changes",
        method: Method::GET,
        path: "/admin/flags/changes",
        segment: None,
        about: "The newest changes of flags, the last first",
        parameters: &[&flags::LIMIT],
        body: None,
        answer: (200, Shape::of::<flags::Changes>()),
        media: JSON,
        handler: |admin, request| async move { flags::changes(admin, request).await }.boxed(),
    },
    Route {
        name: "dead_letters",
        method: Method::GET,
        path: "/admin/dead-letters",
        segment: None,
        about: "The newest dead letters that are meant, the last first, and how many there are",
        parameters: &dead_letters::CHOICE,
        body: None,
        answer: (200, Shape::of::<dead_letters::Letters>()),
        media: JSON,
        handler: |admin, request| async move { dead_letters::list(admin, request).await }.boxed(),
    },
    Route {
        name: "dead_letter",
        method: Method::GET,
        path: "/admin/dead-letters/{place}",
        segment: Some(&dead_letters::PLACE),
        about: "All of one dead letter",
        parameters: &[],
        body: None,
        answer: (200, Shape::of::<dead_letters::WholeLetter>()),
        media: JSON,
        handler: |admin, request| async move { dead_letters::show(admin, request).await }.boxed(),
    },
    Route {
        name: "dead_letters_redrive",
        method: Method::POST,
        path: "/admin/dead-letters/redrive",
        segment: None,
        about: "Appends the records of dead letters to their topics again, each exactly once; what is left after 20 s is asked for again",
        parameters: &[],
        body: Some(Shape::of::<dead_letters::Work>()),
        answer: (200, Shape::of::<dead_letters::Worked>()),
        media: JSON,
        handler: |admin, request| {
            async move { dead_letters::redrive(admin, request).await }.boxed()
        },
    },
    Route {
        name: "dead_letters_drop",
        method: Method::POST,
        path: "/admin/dead-letters/drop",
        segment: None,
        about: "Gives dead letters up; what is left after 20 s is asked for again",
        parameters: &[],
        body: Some(Shape::of::<dead_letters::Work>()),
        answer: (200, Shape::of::<dead_letters::Worked>()),
        media: JSON,
        handler: |admin, request| {
            async move { dead_letters::discard(admin, request).await }.boxed()
        },
    },
];
