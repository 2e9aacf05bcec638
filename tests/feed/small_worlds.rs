//! Small worlds by seed: a handful of users over ten days, with everything that is hard to count.
//!
//! A world is its history. The same seed gives the same history; another delay between topics is another
//! interleaving of it, which must lead to the same feeds.

use std::collections::BTreeMap;

use worlds::history::{
    Action, BehaviourEvent, FollowRow, Id, Image, Input, LikeOrComment, Payload, PostRow,
    RowChange, SilenceRow, UserRow,
};
use worlds::oracle::grid_time;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// When all worlds end, ms UTC: some days into the year, at no round time.
pub const END: i64 = 1_780_000_000_000 + 7 * HOUR + 13 * MINUTE + 123;
/// How long worlds last.
const SPAN: i64 = 10 * DAY;
/// When the records at the edges come.
const EDGES: i64 = END - DAY + 15 * MINUTE;

/// Random numbers by seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.word() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.below(from.len())].clone())
    }

    fn id(&mut self) -> Id {
        let (high, low) = (self.word(), self.word());
        let mut id = [0; 16];
        id[..8].copy_from_slice(&high.to_be_bytes());
        id[8..].copy_from_slice(&low.to_be_bytes());
        id
    }
}

/// A world while it comes to be: the tables of its database, and what was logged so far.
struct World {
    random: Random,
    now: i64,
    lsn: u64,
    history: Vec<Input>,
    users: Vec<Id>,
    events: Vec<Id>,
    posts: BTreeMap<Id, Image<PostRow>>,
    likes: BTreeMap<Id, LikeOrComment>,
    comments: BTreeMap<Id, LikeOrComment>,
    follows: Vec<(Id, Id)>,
    /// Who mutes or blocks whom, and which of both.
    silences: Vec<(Id, Id, bool)>,
    deleted_users: Vec<Id>,
    deleted_likes: Vec<LikeOrComment>,
}

/// The history of the world of `seed`; `users` and `steps` are its size.
pub fn world(seed: u64, users: usize, steps: usize) -> Vec<Input> {
    let mut random = Random::of(seed);
    let users: Vec<_> = (0..users).map(|_| random.id()).collect();
    let events: Vec<_> = (0..6).map(|_| random.id()).collect();
    let mut world = World {
        random,
        now: END - SPAN,
        lsn: 100,
        history: Vec::new(),
        users,
        events,
        posts: BTreeMap::new(),
        likes: BTreeMap::new(),
        comments: BTreeMap::new(),
        follows: Vec::new(),
        silences: Vec::new(),
        deleted_users: Vec::new(),
        deleted_likes: Vec::new(),
    };
    for user in world.users.clone() {
        world.log_user(user, true);
    }
    for step in 0..steps {
        let now = END - SPAN + SPAN * (step as i64 + 1) / (steps as i64 + 1);
        if (world.now..now).contains(&EDGES) {
            world.now = EDGES;
            world.edges();
        }
        world.now = now;
        world.step();
    }
    world.history
}

/// The same logs with other delays between them: each topic in its order, the topics interleaved anew.
pub fn delayed(history: &[Input], seed: u64) -> Vec<Input> {
    let mut random = Random::of(seed ^ 0xdead);
    let mut topics: Vec<Vec<Input>> = vec![Vec::new(); 9];
    for input in history.iter().rev() {
        let topic = match input.payload {
            Payload::User(_) => 0,
            Payload::Post(_) => 1,
            Payload::Follow(_) => 2,
            Payload::Comment(_) => 3,
            Payload::Like(_) => 4,
            Payload::Event(_) => 5,
            Payload::Read { .. } => 6,
            Payload::Mute(_) => 7,
            Payload::Block(_) => 8,
        };
        topics[topic].push(input.clone());
    }
    let mut interleaved = Vec::new();
    while interleaved.len() < history.len() {
        let topic = random.below(topics.len());
        let burst = 1 + random.below(20);
        for _ in 0..burst {
            interleaved.extend(topics[topic].pop());
        }
    }
    interleaved
}

impl World {
    fn log(&mut self, payload: Payload) {
        self.history.push(Input { arrived: self.now, payload });
    }

    fn change<R>(&mut self, key: &[Id], image: Image<R>) -> RowChange<R> {
        self.lsn += 1 + self.random.below(9) as u64;
        RowChange { lsn: self.lsn, key: key.to_vec(), image }
    }

    fn user(&mut self) -> Id {
        let at = self.random.below(self.users.len());
        self.users[at]
    }

    /// A time of a row or event: mostly recent, seldom long ago or ahead.
    fn time(&mut self) -> i64 {
        let ago = match self.random.below(20) {
            0 => 90 * DAY,
            1 => 89 * DAY,
            2 => DAY,
            3 => HOUR,
            _ => 0,
        };
        self.now - ago - self.random.below(5 * MINUTE as usize) as i64
    }

    fn step(&mut self) {
        match self.random.below(44) {
            0..=9 => self.new_post(),
            10..=11 => self.end_post(),
            12 => self.revive_post(),
            13 => self.hand_over_post(),
            14..=16 => self.follow(),
            17..=18 => self.unfollow(),
            19..=22 => self.like(),
            23..=24 => self.unlike(),
            25 => self.like_again(),
            26 => self.move_like(),
            27..=28 => self.comment(),
            29 => self.end_comment(),
            30..=35 => self.event(),
            36 => self.user_goes_or_comes(),
            37 => self.repeat_something(),
            40 => self.silence(),
            41 => self.end_silence(),
            42..=43 => self.say_against(),
            _ => {
                let user = self.user();
                self.log(Payload::Read { user });
            }
        }
    }

    /// Posts and views exactly at the edges of the windows, as of the first user's last grid time.
    fn edges(&mut self) {
        let reader = self.users[0];
        let as_of = grid_time(reader, END + 10 * MINUTE);
        for author in self.users.clone().into_iter().skip(1) {
            for age in [72 * HOUR, 72 * HOUR + 1, 7 * DAY, 7 * DAY + 1] {
                let id = self.random.id();
                let content = Some(format!("edge {age} of {}", author[0]));
                self.log_post(PostRow { id, user: author, content, created_at: as_of - age });
                let seen = as_of - DAY + self.random.below(3) as i64 - 1;
                let (event, action) = (Some(self.random.id()), Action::View);
                if self.random.one_in(3) {
                    let post = id;
                    let view = BehaviourEvent { event, user: reader, post, action, time: seen };
                    self.log(Payload::Event(view));
                }
            }
            let key = [reader, author];
            let row = FollowRow { follower: reader, followee: author, created_at: self.now };
            if self.random.one_in(2) {
                let change = self.change(&key, Image::Live(row));
                self.log(Payload::Follow(change));
                self.follows.push((reader, author));
            }
        }
        self.trending_edges(as_of);
    }

    /// Posts older than any other source takes, liked exactly at the edges of the trending hours as of `as_of`: the
    /// first and the last moment that count, and those beside them.
    fn trending_edges(&mut self, as_of: i64) {
        let hour = as_of.div_euclid(HOUR);
        let edges =
            [(hour - 23) * HOUR - 1, (hour - 23) * HOUR, (hour + 1) * HOUR - 1, (hour + 1) * HOUR];
        for (number, created_at) in edges.into_iter().enumerate() {
            let author = self.users[1 + number % (self.users.len() - 1)];
            let id = self.random.id();
            let content = Some(format!("old post liked at edge {number}"));
            self.log_post(PostRow { id, user: author, content, created_at: as_of - 9 * DAY });
            // A row is taken up to a day ahead of its record.
            let created_at = created_at.min(self.now + 23 * HOUR);
            let (like, user) = (self.random.id(), self.users[0]);
            let liker = if self.random.one_in(2) { user } else { author };
            self.log_like(LikeOrComment { id: like, post: id, user: liker, created_at });
        }
    }

    fn log_user(&mut self, id: Id, live: bool) {
        let row = UserRow { id, created_at: self.now };
        let image = match (live, self.random.one_in(2)) {
            (true, _) => Image::Live(row),
            (false, true) => Image::SoftDeleted(row),
            (false, false) => Image::DeletedByKey,
        };
        let change = self.change(&[id], image);
        self.log(Payload::User(change));
    }

    fn log_post(&mut self, row: PostRow) {
        self.posts.insert(row.id, Image::Live(row.clone()));
        let change = self.change(&[row.id], Image::Live(row));
        self.log(Payload::Post(change));
    }

    fn new_post(&mut self) {
        // One author in two posts most, so that caps bind.
        let user = if self.random.one_in(2) { self.users[1] } else { self.user() };
        let created_at = match self.random.below(12) {
            // A row is taken up to a day ahead of its record.
            0 => (END + 3 * HOUR).min(self.now + 23 * HOUR),
            1 => (END - 72 * HOUR).min(self.now + 23 * HOUR),
            _ => self.now - self.random.below(2 * DAY as usize) as i64,
        };
        let content = match self.random.below(8) {
            0 => None,
            1 => Some("the same".into()),
            _ => Some(format!("post {}", self.lsn)),
        };
        let id = self.random.id();
        // An event may come before its post.
        if self.random.one_in(6) {
            let (event, user) = (Some(self.random.id()), self.user());
            let time = self.now - MINUTE;
            self.log(Payload::Event(BehaviourEvent {
                event,
                user,
                post: id,
                action: Action::Share,
                time,
            }));
        }
        self.log_post(PostRow { id, user, content, created_at });
    }

    fn some_post(&mut self, live: bool) -> Option<PostRow> {
        let wanted = |image: &&Image<PostRow>| image.live().is_some() == live;
        let posts: Vec<_> =
            self.posts.values().filter(wanted).filter_map(|image| image.row().cloned()).collect();
        self.random.pick(&posts)
    }

    /// Any post, deleted ones too.
    fn any_post(&mut self) -> Option<Id> {
        let posts: Vec<_> = self.posts.keys().copied().collect();
        self.random.pick(&posts)
    }

    fn end_post(&mut self) {
        let Some(row) = self.some_post(true) else { return };
        self.posts.insert(row.id, Image::Deleted(row.clone()));
        let id = row.id;
        let image = self.deletion(row);
        let change = self.change(&[id], image);
        self.log(Payload::Post(change));
    }

    fn deletion<R>(&mut self, row: R) -> Image<R> {
        match self.random.below(3) {
            0 => Image::SoftDeleted(row),
            1 => Image::Deleted(row),
            _ => Image::DeletedByKey,
        }
    }

    fn revive_post(&mut self) {
        let Some(row) = self.some_post(false) else { return };
        self.log_post(row);
    }

    fn hand_over_post(&mut self) {
        let Some(row) = self.some_post(true) else { return };
        let user = self.user();
        self.log_post(PostRow { user, ..row });
    }

    fn follow(&mut self) {
        let pair = (self.user(), self.user());
        if self.follows.contains(&pair) {
            return;
        }
        self.follows.push(pair);
        let (follower, followee) = pair;
        let row = FollowRow { follower, followee, created_at: self.now };
        let change = self.change(&[follower, followee], Image::Live(row));
        self.log(Payload::Follow(change));
    }

    fn unfollow(&mut self) {
        let Some((follower, followee)) = self.random.pick(&self.follows.clone()) else { return };
        self.follows.retain(|pair| *pair != (follower, followee));
        let row = FollowRow { follower, followee, created_at: self.now };
        let image = self.deletion(row);
        let change = self.change(&[follower, followee], image);
        self.log(Payload::Follow(change));
    }

    fn like_or_comment_row(&mut self) -> Option<LikeOrComment> {
        let (post, user) = (self.any_post()?, self.user());
        Some(LikeOrComment { id: self.random.id(), post, user, created_at: self.time() })
    }

    fn like(&mut self) {
        let Some(row) = self.like_or_comment_row() else { return };
        // The app tells of the like too, perhaps on the day before.
        if self.random.one_in(2) {
            let time = row.created_at - self.random.below(2) as i64 * DAY;
            let (event, user, post) = (Some(self.random.id()), row.user, row.post);
            self.log(Payload::Event(BehaviourEvent {
                event,
                user,
                post,
                action: Action::Like,
                time,
            }));
        }
        self.log_like(row);
    }

    fn log_like(&mut self, row: LikeOrComment) {
        self.likes.insert(row.id, row.clone());
        let change = self.change(&[row.id], Image::Live(row));
        self.log(Payload::Like(change));
    }

    fn unlike(&mut self) {
        let Some(row) = self.random.pick(&self.likes.values().cloned().collect::<Vec<_>>()) else {
            return;
        };
        self.likes.remove(&row.id);
        self.deleted_likes.push(row.clone());
        let id = row.id;
        let image = self.deletion(row);
        let change = self.change(&[id], image);
        self.log(Payload::Like(change));
    }

    /// A new row for a like that was taken back, on another day.
    fn like_again(&mut self) {
        let Some(row) = self.random.pick(&self.deleted_likes.clone()) else { return };
        let (id, created_at) = (self.random.id(), self.time());
        self.log_like(LikeOrComment { id, created_at, ..row });
    }

    fn move_like(&mut self) {
        let Some(row) = self.random.pick(&self.likes.values().cloned().collect::<Vec<_>>()) else {
            return;
        };
        let Some(post) = self.any_post() else { return };
        self.log_like(LikeOrComment { post, ..row });
    }

    fn comment(&mut self) {
        let Some(row) = self.like_or_comment_row() else { return };
        self.comments.insert(row.id, row.clone());
        let change = self.change(&[row.id], Image::Live(row));
        self.log(Payload::Comment(change));
    }

    fn end_comment(&mut self) {
        let Some(row) = self.random.pick(&self.comments.values().cloned().collect::<Vec<_>>())
        else {
            // A snapshot may know a comment only as deleted.
            let Some(row) = self.like_or_comment_row() else { return };
            let change = self.change(&[row.id], Image::SoftDeleted(row));
            return self.log(Payload::Comment(change));
        };
        self.comments.remove(&row.id);
        let id = row.id;
        let image = self.deletion(row);
        let change = self.change(&[id], image);
        self.log(Payload::Comment(change));
    }

    fn event(&mut self) {
        let Some(post) = self.any_post() else { return };
        let all = [
            Action::Impression,
            Action::View,
            Action::Click,
            Action::Like,
            Action::Comment,
            Action::Share,
            Action::Dwell,
        ];
        // A few ids for all users: repeated by one, and used by two.
        let event = match self.random.below(4) {
            0 => None,
            1 => self.random.pick(&self.events.clone()),
            _ => Some(self.random.id()),
        };
        let (user, action) = (self.user(), all[self.random.below(all.len())]);
        let time = if self.random.one_in(15) { self.now + 11 * MINUTE } else { self.time() };
        let event = BehaviourEvent { event, user, post, action, time };
        self.log(Payload::Event(event.clone()));
        if self.random.one_in(4) {
            self.log(Payload::Event(event));
        }
    }

    fn silence(&mut self) {
        let silence = (self.user(), self.user(), self.random.one_in(2));
        if !self.silences.contains(&silence) {
            self.silences.push(silence);
            self.log_silence(silence, true);
        }
    }

    fn end_silence(&mut self) {
        let Some(silence) = self.random.pick(&self.silences.clone()) else { return };
        self.silences.retain(|other| *other != silence);
        self.log_silence(silence, false);
    }

    fn log_silence(&mut self, (by, whom, is_block): (Id, Id, bool), live: bool) {
        let row = SilenceRow { by, whom, created_at: self.now };
        let image = if live { Image::Live(row) } else { self.deletion(row) };
        let change = self.change(&[by, whom], image);
        self.log(if is_block { Payload::Block(change) } else { Payload::Mute(change) });
    }

    /// Somebody wants less, or takes that back; seldom of a post that is not there yet.
    fn say_against(&mut self) {
        let all = [Action::Hide, Action::Report, Action::LessLikeThis, Action::Undo];
        let known = self.any_post().filter(|_| !self.random.one_in(12));
        let post = known.unwrap_or_else(|| self.random.id());
        let (user, action) = (self.user(), all[self.random.below(all.len())]);
        let named = self.random.one_in(2);
        let (event, time) = (named.then(|| self.random.id()), self.time());
        self.log(Payload::Event(BehaviourEvent { event, user, post, action, time }));
        if known.is_none() && self.random.one_in(2) {
            let (author, content) = (self.user(), Some(format!("late {}", self.lsn)));
            self.log_post(PostRow { id: post, user: author, content, created_at: self.now });
        }
    }

    fn user_goes_or_comes(&mut self) {
        let user = self.user();
        let gone = self.deleted_users.contains(&user);
        self.deleted_users.retain(|other| *other != user);
        if !gone {
            self.deleted_users.push(user);
        }
        self.log_user(user, gone);
    }

    /// The connector repeats a stretch of what it logged.
    fn repeat_something(&mut self) {
        let begin = self.random.below(self.history.len());
        let logged: Vec<_> = self.history[begin..].iter().take(5).cloned().collect();
        for input in logged {
            let rows = !matches!(input.payload, Payload::Event(_) | Payload::Read { .. });
            self.history.extend(rows.then_some(Input { arrived: self.now, ..input }));
        }
    }
}
