//! What readers do with a post that they are shown: look, like, comment, share, and take a like back.

use schemas::{Action, CommentId, Event, EventId, LikeId};

use super::plan::Plan;
use super::{Deed, HOUR_MS, Row, World};

/// So many likes, and a post that has it in it catches fire.
const FIRE_LIKES: u32 = 9;
const FIRE_CHARM: f64 = 0.7;

impl World {
    pub(super) fn show(&mut self, who: usize, story: usize) {
        let Some(of) = self.stories.get(story).filter(|of| of.live && of.author != who) else {
            return;
        };
        let Some(person) = self.people.get(who) else { return };
        let rests = who == 0 && of.created_at >= self.ours_from;
        let appeal = 0.1 + 0.6 * person.cares(of.topic) * (0.4 + of.charm);
        if rests || !self.shown.insert((who, story)) {
            return;
        }
        self.event(who, story, Action::Impression, None);
        if self.dice.happens(appeal) {
            let at = self.wait(4_000.0 * self.pace);
            self.plans.add(at, Plan::View(who, story));
        }
    }

    pub(super) fn view(&mut self, who: usize, story: usize) {
        let (Some(person), Some(of)) = (self.people.get(who), self.stories.get(story)) else {
            return;
        };
        let warmth = person.cares(of.topic) * of.charm * person.generous;
        self.event(who, story, Action::View, None);
        let dwell = self.dice.wait_ms(9_000.0).clamp(300, 600_000);
        self.event(who, story, Action::Dwell, u32::try_from(dwell).ok());
        let chances = [
            (0.75 * warmth, Plan::Like(who, story)),
            (0.18 * warmth, Plan::Comment(who, story)),
            (0.08 * warmth, Plan::Share(who, story)),
        ];
        for (chance, plan) in chances {
            if self.dice.happens(chance) {
                let at = self.wait(6_000.0 * self.pace);
                self.plans.add(at, plan);
            }
        }
    }

    pub(super) fn like(&mut self, who: usize, story: usize) {
        let id = LikeId(self.dice.id());
        let (Some(person), Some(of)) = (self.people.get(who), self.stories.get_mut(story)) else {
            return;
        };
        if !of.live || self.likes.contains_key(&(who, story)) {
            return;
        }
        of.likes += 1;
        let catches = of.likes >= FIRE_LIKES && of.charm > FIRE_CHARM && !of.burning;
        of.burning |= catches;
        let row = Row::Like { id, post: of.id, user: person.id, created_at: self.now };
        self.likes.insert((who, story), (id, self.now));
        self.act(Deed::Insert(row));
        if catches {
            self.spread(story, self.size / 3, HOUR_MS / 2.0);
        }
        if self.dice.happens(0.03) {
            let at = self.wait(HOUR_MS);
            self.plans.add(at, Plan::Unlike(who, story));
        }
    }

    pub(super) fn unlike(&mut self, who: usize, story: usize) {
        let Some((id, created_at)) = self.likes.remove(&(who, story)) else { return };
        let (Some(person), Some(of)) = (self.people.get(who), self.stories.get_mut(story)) else {
            return;
        };
        of.likes = of.likes.saturating_sub(1);
        let row = Row::Like { id, post: of.id, user: person.id, created_at };
        self.act(Deed::Delete(row));
    }

    pub(super) fn comment(&mut self, who: usize, story: usize) {
        let id = CommentId(self.dice.id());
        let (Some(person), Some(of)) = (self.people.get(who), self.stories.get(story)) else {
            return;
        };
        if of.live {
            let row = Row::Comment { id, post: of.id, user: person.id, created_at: self.now };
            self.act(Deed::Insert(row));
        }
    }

    pub(super) fn event(
        &mut self,
        who: usize,
        story: usize,
        action: Action,
        dwell_ms: Option<u32>,
    ) {
        let id = EventId(self.dice.id());
        let (Some(person), Some(of)) = (self.people.get(who), self.stories.get(story)) else {
            return;
        };
        if of.live {
            let (user, post, at_ms) = (person.id, of.id, self.now);
            let event = Event { id, user, post, action, at_ms, dwell_ms, author: None };
            self.act(Deed::Event(event));
        }
    }
}
