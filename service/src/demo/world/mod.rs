//! A living world: people who follow by taste, write by the hour, look, like, comment, share, change their
//! minds; now and then a post catches fire.
//!
//! A pure state machine. Plans wait in the order of their times; taking one makes acts and further plans, so
//! that a view comes after its post and a like after its view. Past and present run the same way: three days
//! of past at the pace of life, then the present, faster ([`PACE`]), so that somebody who watches sees it move.
//! The same seed, size and times give the same acts.

mod dice;
mod person;
mod plan;
mod reactions;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Action, LikeId, PostId, UserId};

use crate::pour::{Act, Deed, Row};

use dice::Dice;
use person::Person;
use plan::{Plan, Plans};

/// How much faster than life the present runs.
pub const PACE: f64 = 60.0;
/// How long the past is.
const PAST_MS: i64 = 3 * 86_400_000;
const HOUR_MS: f64 = 3_600_000.0;
/// How often a person of average habits posts.
const POST_EVERY_MS: f64 = 14.0 * HOUR_MS;
/// How long after a post the average person sees it.
const REACH_MS: f64 = 3.0 * HOUR_MS;
/// What the reader whose feed is shown has not looked at yet when the present begins.
const UNSEEN_MS: i64 = 12 * 3_600_000;
const FOLLOWS_MIN: usize = 5;
const FOLLOWS_MORE: usize = 14;

/// A post, as far as the world goes on with it.
#[derive(Clone, Debug)]
struct Story {
    id: PostId,
    author: usize,
    topic: usize,
    /// How good it is, 0 to 1.
    charm: f64,
    content: String,
    created_at: i64,
    live: bool,
    likes: u32,
    burning: bool,
}

/// A world.
pub struct World {
    dice: Dice,
    size: usize,
    now: i64,
    /// Posts from here on are not the reader's to see: whoever watches is the reader.
    ours_from: i64,
    pace: f64,
    people: Vec<Person>,
    followers: Vec<BTreeSet<usize>>,
    stories: Vec<Story>,
    shown: BTreeSet<(usize, usize)>,
    likes: BTreeMap<(usize, usize), (LikeId, i64)>,
    plans: Plans,
    acts: Vec<Act>,
}

impl World {
    /// A world of `size` people, at least two, before anything has happened.
    pub fn new(seed: u64, size: usize) -> Self {
        Self {
            dice: Dice::new(seed),
            size: size.max(2),
            now: 0,
            ours_from: 0,
            pace: 1.0,
            people: Vec::new(),
            followers: Vec::new(),
            stories: Vec::new(),
            shown: BTreeSet::new(),
            likes: BTreeMap::new(),
            plans: Plans::default(),
            acts: Vec::new(),
        }
    }

    /// The people, their ties, and three days of life up to `now`, in the order of time.
    pub fn first(&mut self, now: i64) -> Vec<Act> {
        self.now = now - PAST_MS;
        self.ours_from = now - UNSEEN_MS;
        self.people = (0..self.size).map(|n| Person::new(n, self.now, &mut self.dice)).collect();
        self.followers = vec![BTreeSet::new(); self.size];
        for n in 0..self.size {
            let Some(person) = self.people.get(n) else { continue };
            self.acts.push(Act { at: person.created_at, deed: Deed::Insert(person.row()) });
        }
        for n in 0..self.size {
            let more = if n == 0 { FOLLOWS_MORE } else { self.dice.below(FOLLOWS_MORE) };
            let wanted = FOLLOWS_MIN + more;
            (0..wanted).for_each(|_| self.follow(n, self.now));
        }
        // In the past ties are as old as their younger end, which may be any day: one order by time.
        self.acts.sort_by_key(|act| act.at);
        self.plans.add(self.now, Plan::Write);
        self.plans.add(self.now, Plan::Meet);
        let mut acts = self.live(now);
        self.pace = PACE;
        self.plans.hurry(now, PACE);
        acts.shrink_to_fit();
        acts
    }

    /// What happens until `now`, in the order of time.
    pub fn next(&mut self, now: i64) -> Vec<Act> {
        self.live(now)
    }

    /// The person whose feed is shown: one who follows, is followed, and likes things.
    pub fn reader(&self) -> Option<UserId> {
        self.people.first().map(|person| person.id)
    }

    /// The first `count` people: the one whose feed is shown, and others.
    pub fn people(&self, count: usize) -> impl Iterator<Item = UserId> {
        self.people.iter().take(count).map(|person| person.id)
    }

    /// What `user` is called.
    pub fn username(&self, user: UserId) -> Option<&str> {
        let person = self.people.iter().find(|person| person.id == user);
        person.map(|person| person.username.as_str())
    }

    /// What `user` cares for most.
    pub fn favourite(&self, user: UserId) -> Option<&'static str> {
        let person = self.people.iter().find(|person| person.id == user);
        person.map(|person| words::topic_name(person.favourite()))
    }

    /// What `post` says.
    pub fn content(&self, post: PostId) -> Option<&str> {
        let story = self.stories.iter().rev().find(|story| story.id == post);
        story.map(|story| story.content.as_str())
    }

    fn live(&mut self, now: i64) -> Vec<Act> {
        while let Some((at, plan)) = self.plans.due(now) {
            self.now = at;
            self.take(plan);
        }
        self.now = now;
        std::mem::take(&mut self.acts)
    }

    fn take(&mut self, plan: Plan) {
        match plan {
            Plan::Write => self.write(),
            Plan::Meet => self.meet(),
            Plan::Show(who, story) => self.show(who, story),
            Plan::View(who, story) => self.view(who, story),
            Plan::Like(who, story) => self.like(who, story),
            Plan::Comment(who, story) => self.comment(who, story),
            Plan::Share(who, story) => self.event(who, story, Action::Share, None),
            Plan::Unlike(who, story) => self.unlike(who, story),
            Plan::Edit(story) => self.edit(story),
            Plan::Delete(story) => self.delete(story),
        }
    }

    /// A waiting time of `mean_ms` at the pace of life.
    fn wait(&mut self, mean_ms: f64) -> i64 {
        self.now + self.dice.wait_ms(mean_ms / self.pace)
    }

    fn act(&mut self, deed: Deed) {
        self.acts.push(Act { at: self.now, deed });
    }

    /// Somebody writes; and the next one will, sooner by day than by night.
    fn write(&mut self) {
        let author = self.dice.weighted(self.people.iter().map(|person| person.writes));
        let Some(person) = self.people.get(author) else { return };
        let topic = self.dice.weighted(person.taste.iter().map(|care| care * care));
        let content = words::text(topic, person.style, &mut self.dice);
        let (id, index) = (PostId(self.dice.id()), self.stories.len());
        let charm = 0.15 + 0.85 * self.dice.unit().powi(2);
        let row =
            Row::Post { id, author: person.id, content: content.clone(), created_at: self.now };
        let (created_at, live) = (self.now, true);
        self.stories.push(Story {
            id,
            author,
            topic,
            charm,
            content,
            created_at,
            live,
            likes: 0,
            burning: false,
        });
        self.act(Deed::Insert(row));
        self.reach(author, index);
        if self.dice.happens(0.02) {
            let at = self.wait(HOUR_MS);
            self.plans.add(at, Plan::Delete(index));
        } else if self.dice.happens(0.04) {
            let at = self.wait(HOUR_MS / 4.0);
            self.plans.add(at, Plan::Edit(index));
        }
        let mean = POST_EVERY_MS / self.size as f64 / plan::rhythm(self.now, self.pace);
        let at = self.wait(mean);
        self.plans.add(at, Plan::Write);
    }

    /// Plans who will be shown a new post: most followers, and some of those who care for its topic.
    fn reach(&mut self, author: usize, story: usize) {
        let followers: Vec<_> = self.followers.get(author).into_iter().flatten().copied().collect();
        for who in followers {
            if self.dice.happens(0.5) {
                let at = self.wait(REACH_MS);
                self.plans.add(at, Plan::Show(who, story));
            }
        }
        self.spread(story, 4, REACH_MS);
    }

    /// Plans to show a post to `count` people drawn by their taste.
    fn spread(&mut self, story: usize, count: usize, mean_ms: f64) {
        let Some(topic) = self.stories.get(story).map(|story| story.topic) else { return };
        for _ in 0..count {
            let who = self.dice.weighted(self.people.iter().map(|person| person.cares(topic)));
            let at = self.wait(mean_ms);
            self.plans.add(at, Plan::Show(who, story));
        }
    }

    fn edit(&mut self, story: usize) {
        let Some(old) = self.story_row(story) else { return };
        if let Some(of) = self.stories.get_mut(story) {
            of.content.push_str(" (Edit: typo.)");
        }
        if let Some(new) = self.story_row(story) {
            self.act(Deed::Update(old, new));
        }
    }

    fn delete(&mut self, story: usize) {
        let Some(row) = self.story_row(story) else { return };
        if let Some(of) = self.stories.get_mut(story) {
            of.live = false;
        }
        self.act(Deed::Delete(row));
    }

    /// The row of a live post.
    fn story_row(&self, story: usize) -> Option<Row> {
        let of = self.stories.get(story).filter(|of| of.live)?;
        let author = self.people.get(of.author)?.id;
        Some(Row::Post {
            id: of.id,
            author,
            content: of.content.clone(),
            created_at: of.created_at,
        })
    }

    /// Two people find each other; and so will the next two.
    fn meet(&mut self) {
        let who = self.dice.below(self.size);
        self.follow(who, self.now);
        let at = self.wait(40.0 * HOUR_MS / self.size as f64);
        self.plans.add(at, Plan::Meet);
    }

    /// `who` follows somebody, drawn by taste and fame; before the past begins, at any day of both.
    fn follow(&mut self, who: usize, at: i64) {
        let Some(person) = self.people.get(who) else { return };
        let drawn = self.people.iter().map(|other| person.drawn_to(other));
        let whom = self.dice.weighted(drawn);
        let Some(other) = self.people.get(whom).filter(|_| whom != who) else { return };
        let Some(followers) = self.followers.get_mut(whom) else { return };
        if !followers.insert(who) {
            return;
        }
        let since = person.created_at.max(other.created_at);
        let created_at = match self.stories.is_empty() {
            true => since + ((at - since) as f64 * self.dice.unit()) as i64,
            false => at,
        };
        let row = Row::Follow { follower: person.id, followee: other.id, created_at };
        self.acts.push(Act { at: created_at, deed: Deed::Insert(row) });
    }
}

#[cfg(test)]
mod tests;
