//! What happens in a world, one thing after the other.
//!
//! Users, follows, posts and events have their times from the beginning; what follows from them is planned. Whatever
//! is first comes next. Every change of a row has a higher position in the database's log than all before.

use std::collections::{BTreeSet, HashSet};

use super::plans::{Plan, Plans};
use super::rhythm::{Burst, Rhythm, Times};
use super::stories::{self, Stories, Story};
use super::ties::Ties;
use super::{DAY, World};
use crate::history::{
    Action, BehaviourEvent, FollowRow, Image, Input, LikeOrComment, Payload, PostRow, RowChange,
    UserRow,
};
use crate::random::{Kind, Random, id};

const SECOND: f64 = 1_000.0;
const HOUR: f64 = 3_600.0 * SECOND;
/// One follow in so many is made in the days of the world, not before; as many are taken back.
const LATE_FOLLOWS: u32 = 12;
/// One user in so many leaves; half of them come back.
const LEAVERS: u32 = 1_000;
/// What everybody does, in percent.
const HABITS: [(u32, Action); 7] = [
    (44, Action::View),
    (24, Action::Impression),
    (12, Action::Like),
    (7, Action::Dwell),
    (6, Action::Click),
    (4, Action::Share),
    (3, Action::Comment),
];
/// How much of what happens in a burst is about its post.
const ON_FIRE: f64 = 0.75;
/// How much of the rest is about posts of people whom one follows.
const OF_FOLLOWEES: f64 = 0.6;

/// Moments, and the first of them that is still to come.
#[derive(Debug)]
struct Calendar {
    times: Times,
    next: Option<i64>,
    random: Random,
}

impl Calendar {
    fn of(times: Times, seed: u64) -> Self {
        let mut calendar = Self { times, next: None, random: Random::of(seed) };
        calendar.advance();
        calendar
    }

    fn advance(&mut self) {
        self.next = self.times.next(&mut self.random);
    }
}

/// What the world is about to tell.
#[derive(Clone, Copy, Debug)]
enum Turn {
    User,
    Follow,
    Late,
    Cut,
    Post,
    Plan,
    Event,
}

/// What happens, in the order of time; see the module.
#[derive(Debug)]
pub struct Inputs {
    world: World,
    random: Random,
    lsn: u64,
    made: u64,
    /// How many users, likes, comments and events there are so far.
    users: u32,
    likes: u32,
    comments: u32,
    events: u32,
    newcomers: Calendar,
    follows: Calendar,
    late_follows: Calendar,
    cuts: Calendar,
    posts: Calendar,
    acts: Calendar,
    bursts: Vec<(Burst, Option<u32>)>,
    plans: Plans,
    ties: Ties,
    stories: Stories,
    liked: HashSet<(u32, u32)>,
    deleted: BTreeSet<u32>,
}

impl Inputs {
    pub(super) fn of(world: &World) -> Self {
        let mut random = Random::of(world.seed);
        let (from, until, size) = (world.from(), world.until, world.size);
        let bursts = Burst::all(from, until, &mut random);
        let (lively, calm) = (Rhythm::of(from, until, &bursts), Rhythm::of(from, until, &[]));
        let before = |first: i64, last: i64| Rhythm::of(from - first * DAY, from - last * DAY, &[]);
        let late = size.follows / LATE_FOLLOWS;
        let mut seeds = random.clone();
        let mut calendar = |times| Calendar::of(times, seeds.word());
        let mut inputs = Self {
            world: *world,
            lsn: 0,
            made: 0,
            users: 0,
            likes: 0,
            comments: 0,
            events: 0,
            newcomers: calendar(before(60, 30).times(size.users)),
            follows: calendar(before(30, 0).times(size.follows - late)),
            late_follows: calendar(calm.times(late)),
            cuts: calendar(calm.times(late / 2)),
            posts: calendar(calm.times(size.posts)),
            acts: calendar(lively.times(size.events)),
            bursts: bursts.into_iter().map(|burst| (burst, None)).collect(),
            plans: Plans::default(),
            ties: Ties::none(size.users),
            stories: Stories::none(size.users),
            liked: HashSet::new(),
            deleted: BTreeSet::new(),
            random,
        };
        for _ in 0..size.users.div_ceil(LEAVERS) {
            let at = from + (inputs.random.unit() * (until - from) as f64) as i64;
            inputs.plans.add(at, Plan::Leave(inputs.random.below(size.users)));
        }
        inputs
    }

    /// How many of the users, follows, posts and events that were asked for have come.
    pub fn made(&self) -> u64 {
        self.made
    }

    fn turn(&self) -> Option<(i64, Turn)> {
        let turns = [
            (self.newcomers.next, Turn::User),
            (self.follows.next, Turn::Follow),
            (self.late_follows.next, Turn::Late),
            (self.posts.next, Turn::Post),
            (self.plans.next_at(), Turn::Plan),
            (self.cuts.next, Turn::Cut),
            (self.acts.next, Turn::Event),
        ];
        let (at, turn) = turns
            .into_iter()
            .filter_map(|(at, turn)| Some((at?, turn)))
            .min_by_key(|(at, _)| *at)?;
        (at < self.world.until).then_some((at, turn))
    }

    /// What comes in by that turn; none if it came to nothing.
    fn take(&mut self, at: i64, turn: Turn) -> Option<Payload> {
        match turn {
            Turn::User => {
                self.newcomers.advance();
                self.made += 1;
                self.users += 1;
                Some(self.user(self.users - 1))
            }
            Turn::Follow => {
                self.follows.advance();
                self.follow(at)
            }
            Turn::Late => {
                self.late_follows.advance();
                self.follow(at)
            }
            Turn::Cut => {
                self.cuts.advance();
                let (follower, followee) = self.ties.cut(&mut self.random)?;
                Some(self.tie(follower, followee, at, Image::Deleted))
            }
            Turn::Post => {
                self.posts.advance();
                self.made += 1;
                Some(self.post(at))
            }
            Turn::Plan => {
                let plan = self.plans.take()?;
                self.carry_out(at, plan)
            }
            Turn::Event => {
                self.acts.advance();
                self.made += 1;
                Some(self.act(at))
            }
        }
    }

    fn next_lsn(&mut self) -> u64 {
        self.lsn += 1;
        self.lsn
    }

    fn wait(&mut self, at: i64, mean_ms: f64) -> i64 {
        at + 1 + self.random.wait_ms(mean_ms)
    }

    fn user(&mut self, number: u32) -> Payload {
        let id = self.world.user(number);
        // Whoever comes back is as old as before.
        let age = (60.0 - 30.0 * f64::from(number) / f64::from(self.world.size.users)) * DAY as f64;
        let row = UserRow { id, created_at: self.world.from() - age as i64 };
        Payload::User(RowChange { lsn: self.next_lsn(), key: vec![id], image: Image::Live(row) })
    }

    fn follow(&mut self, at: i64) -> Option<Payload> {
        let (follower, followee) = self.ties.add(&mut self.random)?;
        self.made += 1;
        Some(self.tie(follower, followee, at, Image::Live))
    }

    fn tie(
        &mut self,
        follower: u32,
        followee: u32,
        at: i64,
        image: fn(FollowRow) -> Image<FollowRow>,
    ) -> Payload {
        let (follower, followee) = (self.world.user(follower), self.world.user(followee));
        let row = FollowRow { follower, followee, created_at: at };
        let (lsn, key) = (self.next_lsn(), vec![follower, followee]);
        Payload::Follow(RowChange { lsn, key, image: image(row) })
    }

    fn post(&mut self, at: i64) -> Payload {
        let number = self.stories.tell(at, &mut self.random);
        if self.random.happens(0.015) {
            let due = self.wait(at, 5.0 * HOUR);
            self.plans.add(due, Plan::DeletePost(number));
        }
        self.story(number, Image::Live)
    }

    fn story(&mut self, number: u32, image: fn(PostRow) -> Image<PostRow>) -> Payload {
        let seed = self.world.seed;
        let story = self.stories.story(number).unwrap_or(Story::UNKNOWN);
        let (id, user) = (id(seed, Kind::Post, number), self.world.user(story.author));
        let content = Some(stories::content(seed, number));
        let row = PostRow { id, user, content, created_at: story.at };
        Payload::Post(RowChange { lsn: self.next_lsn(), key: vec![id], image: image(row) })
    }

    /// Somebody does something with a post.
    fn act(&mut self, at: i64) -> Payload {
        let user = stories::reader(self.world.size.users, &mut self.random);
        let post = self.target(user, at);
        let drawn = self.random.below(100);
        let mut habits = HABITS.iter().scan(0, |sum, (percent, action)| {
            *sum += percent;
            Some((*sum, *action))
        });
        let action = habits.find(|(sum, _)| drawn < *sum).map_or(Action::View, |(_, what)| what);
        // Nobody likes twice what they like: they look at it again.
        let again = action == Action::Like && !self.liked.insert((user, post));
        let action = if again { Action::View } else { action };
        let told = self.random.happens(0.95);
        match action {
            Action::Like if told => {
                let due = self.wait(at, SECOND);
                self.plans.add(due, Plan::Like { user, post });
            }
            Action::Comment if told => {
                let due = self.wait(at, SECOND);
                self.plans.add(due, Plan::Comment { user, post });
            }
            _ => {}
        }
        self.events += 1;
        let event = BehaviourEvent {
            event: Some(id(self.world.seed, Kind::Event, self.events)),
            user: self.world.user(user),
            post: id(self.world.seed, Kind::Post, post),
            action,
            time: at,
        };
        if self.random.happens(0.005) {
            let due = self.wait(at, 20.0 * SECOND);
            self.plans.add(due, Plan::Repeat(event.clone()));
        }
        Payload::Event(event)
    }

    /// What somebody looks at: what burns, something new of a followee, or anything new.
    fn target(&mut self, user: u32, at: i64) -> u32 {
        let burning = self.bursts.iter().position(|(burst, _)| burst.holds(at));
        if let Some(burst) = burning.filter(|_| self.random.happens(ON_FIRE)) {
            let newest = self.stories.of_all(&mut self.random);
            let of_burst = self.bursts.get_mut(burst).map(|(_, post)| post.get_or_insert(newest));
            return of_burst.map_or(newest, |post| *post);
        }
        let followees = self.ties.of(user);
        let count = u32::try_from(followees.len()).unwrap_or(u32::MAX);
        let drawn = followees.get(self.random.below(count) as usize).copied();
        let of_followee = drawn.filter(|_| self.random.happens(OF_FOLLOWEES));
        let found = of_followee.and_then(|who| self.stories.of_author(who, &mut self.random));
        found.unwrap_or_else(|| self.stories.of_all(&mut self.random))
    }

    fn carry_out(&mut self, at: i64, plan: Plan) -> Option<Payload> {
        match plan {
            Plan::Like { user, post } => Some(self.like(at, user, post)),
            Plan::Unlike { row, user, post } => {
                self.liked.remove(&(user, post));
                let lsn = self.next_lsn();
                let (key, image) = (vec![row.id], Image::Deleted(row));
                Some(Payload::Like(RowChange { lsn, key, image }))
            }
            Plan::Comment { user, post } => Some(self.comment(at, user, post)),
            Plan::Uncomment(row) => {
                let lsn = self.next_lsn();
                let (key, image) = (vec![row.id], Image::Deleted(row));
                Some(Payload::Comment(RowChange { lsn, key, image }))
            }
            Plan::DeletePost(number) => {
                if self.random.happens(0.2) {
                    let due = self.wait(at, 2.0 * HOUR);
                    self.plans.add(due, Plan::RestorePost(number));
                }
                Some(self.story(number, Image::Deleted))
            }
            Plan::RestorePost(number) => Some(self.story(number, Image::Live)),
            Plan::Leave(number) => {
                // Who was drawn twice leaves once.
                self.deleted.insert(number).then_some(())?;
                if self.random.happens(0.5) {
                    let due = self.wait(at, 6.0 * HOUR);
                    self.plans.add(due, Plan::Return(number));
                }
                let (lsn, key) = (self.next_lsn(), vec![self.world.user(number)]);
                Some(Payload::User(RowChange { lsn, key, image: Image::DeletedByKey }))
            }
            Plan::Return(number) => Some(self.user(number)),
            Plan::Repeat(event) => Some(Payload::Event(event)),
        }
    }

    fn like(&mut self, at: i64, user: u32, post: u32) -> Payload {
        self.likes += 1;
        let row = self.row(Kind::Like, self.likes, (user, post), at);
        if self.random.happens(0.04) {
            let due = self.wait(at, 2.0 * HOUR);
            self.plans.add(due, Plan::Unlike { row: row.clone(), user, post });
        }
        Payload::Like(RowChange {
            lsn: self.next_lsn(),
            key: vec![row.id],
            image: Image::Live(row),
        })
    }

    fn comment(&mut self, at: i64, user: u32, post: u32) -> Payload {
        self.comments += 1;
        let row = self.row(Kind::Comment, self.comments, (user, post), at);
        if self.random.happens(0.03) {
            let due = self.wait(at, HOUR);
            self.plans.add(due, Plan::Uncomment(row.clone()));
        }
        let (lsn, key) = (self.next_lsn(), vec![row.id]);
        Payload::Comment(RowChange { lsn, key, image: Image::Live(row) })
    }

    fn row(
        &self,
        kind: Kind,
        number: u32,
        (user, post): (u32, u32),
        created_at: i64,
    ) -> LikeOrComment {
        let seed = self.world.seed;
        let (id, post) = (id(seed, kind, number), id(seed, Kind::Post, post));
        LikeOrComment { id, post, user: self.world.user(user), created_at }
    }
}

impl Iterator for Inputs {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        loop {
            let (arrived, turn) = self.turn()?;
            if let Some(payload) = self.take(arrived, turn) {
                return Some(Input { arrived, payload });
            }
        }
    }
}
