//! Life in a world: what happens by itself, and what readers do when they open their feeds, told to the stage.
//!
//! 1. Time goes in ticks. What happens within one is told together at its end; the stage settles; whoever watches is told.
//! 2. Whoever opens their feed within a tick is shown a list as of that moment, made of what was known at the tick's begin.
//! 3. They do with it what [`behaviour`] says, which comes in with the tick.
//!
//! So an effect is up to a tick late, for every contender alike, and a post is in nobody's ideal before its tick has ended.

use std::collections::{BTreeMap, BTreeSet};

use millstream::Result;
use schemas::Action;
use topologies::feed::FeedSettings;

use crate::contender::Policy;
use crate::rank;
use crate::record::Records;
use crate::stage::Stage;
use crate::world::behaviour::{self, Response, SHOWN_MAX};
use crate::world::{BEGINS, DAY_MS, Happening, Post, What, World};

/// So long a tick is, unless said otherwise.
const TICK_MS: i64 = 10 * 60_000;
/// A viewed post may not be shown again for this long, as in production.
const SEEN_MS: i64 = DAY_MS;
/// No post is shown, or in an ideal, that is older.
const AGE_MS_MAX: i64 = 7 * DAY_MS;
/// After this no line is unsent and no part of what trends is on its way.
const QUIET_MS: [u64; 3] = [70_000, 2_000, 2_000];
const AGAIN_MS: u64 = 300;
/// Between two actions on one list.
const PACE_MS: i64 = 3_000;

/// See the module.
pub struct Life<'w> {
    /// Where it goes on.
    pub world: &'w World,
    tick_ms: i64,
    /// The topology that hears of it.
    pub stage: Stage,
    records: Records,
    /// Whom each follows.
    follows: Vec<BTreeSet<u32>>,
    /// When each viewed which post last.
    viewed: Vec<BTreeMap<u32, i64>>,
    /// What is published and not deleted, nor is its author.
    live: BTreeSet<u32>,
}

/// Somebody opens their feed.
#[derive(Clone, Debug)]
pub struct Look {
    /// Who.
    pub reader: u32,
    /// When, ms UTC.
    pub at: i64,
    /// What they are shown, the best first.
    pub shown: Vec<u32>,
    /// How much of it comes to their screen.
    pub depth: usize,
}

/// Who watches a life: told of each look before anything comes of it, and of each tick after all came of it.
pub trait Witness {
    /// Somebody is about to look.
    fn look(&mut self, life: &Life<'_>, look: &Look) -> Result<()>;
    /// A tick has ended.
    fn tick(&mut self, life: &Life<'_>) -> Result<()>;
}

impl<'w> Life<'w> {
    /// Before anything happened.
    pub fn of(world: &'w World, settings: &FeedSettings) -> Result<Self> {
        let people = world.people.len();
        Ok(Self {
            world,
            tick_ms: TICK_MS,
            stage: Stage::open(settings, BEGINS)?,
            records: Records::of(world.seed),
            follows: vec![BTreeSet::new(); people],
            viewed: vec![BTreeMap::new(); people],
            live: BTreeSet::new(),
        })
    }

    /// Goes on in ticks of this length.
    #[must_use]
    pub fn in_ticks(self, tick_ms: i64) -> Self {
        Self { tick_ms, ..self }
    }

    /// Goes on to the end of the world, showing readers what `policy` ranks.
    pub fn go_on(&mut self, policy: &Policy, witness: &mut dyn Witness) -> Result<()> {
        let mut happenings = self.world.happenings.iter().peekable();
        let mut until = BEGINS;
        while until < self.world.size.ends() {
            until += self.tick_ms;
            while let Some(Happening { at, what }) = happenings.next_if(|next| next.at < until) {
                match what {
                    What::Open(reader) => self.open((*reader, *at), policy, witness)?,
                    other => self.happens(*at, *other),
                }
            }
            self.stage.go(until, &mut self.records)?;
            witness.tick(self)?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        (reader, at): (u32, i64),
        policy: &Policy,
        witness: &mut dyn Witness,
    ) -> Result<()> {
        let shown = rank::list(self, policy, (reader, at), SHOWN_MAX)?;
        let depth = behaviour::depth(self.world, reader, at);
        let look = Look { reader, at, shown, depth };
        witness.look(self, &look)?;
        if let Some(person) = self.world.person(reader) {
            let served = look.shown.iter().filter_map(|post| Some(self.world.post(*post)?.id));
            self.records.look(person.id, at, Some(served.collect()));
        }
        for (position, post) in look.shown.iter().copied().take(depth).enumerate() {
            let utility = self.utility(reader, post, at);
            let seen = ((reader, post), (position, utility));
            let response = behaviour::respond(self.world, seen.0, at, seen.1);
            let paced = i64::try_from(position).unwrap_or(0) * PACE_MS;
            self.do_with(reader, &response, at + paced);
        }
        Ok(())
    }

    fn do_with(&mut self, reader: u32, response: &Response, at: i64) {
        let Some(post) = self.world.post(response.post) else { return };
        for action in &response.actions {
            self.act(reader, response.post, (*action, at));
        }
        if response.is_viewed() {
            self.seen_by(reader, response.post, at);
        }
        if response.follows && !self.follows(reader, post.author) {
            self.happens(at + 1, What::Follow(reader, post.author));
        }
    }

    fn seen_by(&mut self, reader: u32, post: u32, at: i64) {
        if let Some(viewed) = self.viewed.get_mut(reader as usize) {
            viewed.insert(post, at);
        }
    }

    fn act(&mut self, user: u32, post: u32, (action, at): (Action, i64)) {
        let (Some(user), Some(post)) = (self.world.person(user), self.world.post(post)) else {
            return;
        };
        self.records.act((user.id, post.id), action, at);
    }

    /// Tells of what happens by itself.
    fn happens(&mut self, at: i64, what: What) {
        match what {
            What::Open(_) => {}
            What::Join(who) => {
                let user = self.world.person(who).map(|person| person.id);
                user.into_iter().for_each(|user| self.records.user(user, at));
            }
            What::Leave(who) => {
                let user = self.world.person(who).map(|person| person.id);
                user.into_iter().for_each(|user| self.records.user_deleted(user, at));
                let world = self.world;
                self.live.retain(|post| world.post(*post).is_some_and(|of| of.author != who));
            }
            What::Publish(number) => {
                let Some(post) = self.world.post(number) else { return };
                let Some(author) = self.world.person(post.author) else { return };
                self.records.post((post.id, author.id), at);
                if post.at >= BEGINS {
                    self.live.insert(number);
                }
            }
            What::Delete(number) => {
                let post = self.world.post(number).map(|post| post.id);
                post.into_iter().for_each(|post| self.records.post_deleted(post, at));
                self.live.remove(&number);
            }
            What::Liked(who, post) => self.act(who, post, (Action::Like, at)),
            What::Follow(who, whom) => self.tie((who, whom), at, true),
            What::Unfollow(who, whom) => self.tie((who, whom), at, false),
            What::Boost(member, post) => {
                for action in [Action::View, Action::Like, Action::Comment, Action::Share] {
                    self.act(member, post, (action, at));
                }
            }
        }
    }

    fn tie(&mut self, (who, whom): (u32, u32), at: i64, follows: bool) {
        let Some(followed) = self.follows.get_mut(who as usize) else { return };
        let changed = if follows { followed.insert(whom) } else { followed.remove(&whom) };
        let (who, whom) = (self.world.person(who), self.world.person(whom));
        if let (true, Some(who), Some(whom)) = (changed, who, whom) {
            self.records.follow((who.id, whom.id), at, follows);
        }
    }

    /// Has everybody who is there look for a feed and find none, so that theirs as of now is published; by when that was.
    pub fn publish_all(&mut self) -> Result<i64> {
        // No line is unsent after a minute, and what trends by it is told two steps on.
        QUIET_MS.into_iter().try_for_each(|span| self.stage.wait(span))?;
        let now = self.stage.now();
        for person in self.world.people.iter().filter(|person| person.is_there(now)) {
            self.records.look(person.id, now, None);
        }
        self.stage.go(now, &mut self.records)?;
        // Who was ranked a moment ago is ranked again after a quarter second.
        self.stage.wait(AGAIN_MS)?;
        Ok(now)
    }

    /// Whether the first follows the second.
    pub fn follows(&self, who: u32, whom: u32) -> bool {
        self.follows.get(who as usize).is_some_and(|followed| followed.contains(&whom))
    }

    /// Whether a reader ever viewed a post.
    pub fn has_viewed(&self, reader: u32, post: u32) -> bool {
        self.viewed.get(reader as usize).is_some_and(|viewed| viewed.contains_key(&post))
    }

    /// What a post is worth to a reader now, whatever they saw.
    pub fn utility(&self, reader: u32, post: u32, at: i64) -> f64 {
        self.world.utility(reader, post, (at, self.has_viewed(reader, post)))
    }

    /// The same, as far as it is to be expected of the author and the age alone.
    pub fn expected(&self, reader: u32, post: u32, at: i64) -> f64 {
        self.world.expected(reader, post, (at, self.has_viewed(reader, post)))
    }

    /// Whether a reader may be shown a post.
    pub fn may_show(&self, reader: u32, (number, post): (u32, &Post), at: i64) -> bool {
        let viewed = self.viewed.get(reader as usize).and_then(|viewed| viewed.get(&number));
        self.live.contains(&number)
            && post.author != reader
            && post.at <= self.stage.now()
            && at - post.at <= AGE_MS_MAX
            && viewed.is_none_or(|seen| at - seen >= SEEN_MS)
    }

    /// All posts that a reader may be shown, oldest first.
    pub fn eligible(&self, reader: u32, at: i64) -> Vec<u32> {
        let live = self.live.iter().filter_map(|number| Some((*number, self.world.post(*number)?)));
        let shown = live.filter(|(number, post)| self.may_show(reader, (*number, post), at));
        shown.map(|(number, _)| number).collect()
    }
}
