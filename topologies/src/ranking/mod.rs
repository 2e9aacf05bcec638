//! Ranking: a pure function of a reader's committed state, the live posts and a time.
//!
//! In this order, one file each: [`candidates`] gathers what the sources propose, with [`removal`] first;
//! [`score`] gives each its terms; [`order`] puts the best first; [`dedupe`] leaves one of equal content;
//! [`spacing`] keeps authors apart; [`validity`] says until when the result holds. [`weights`] has every
//! number, [`weights_file`] reads those of others, and [`policy`] says who is ranked by which. [`rerank`] repeats the last steps on a kept body as of a later time; [`why`] tells what became of
//! one post, and [`still_shown`] what is left of some.

pub mod candidates;
pub mod dedupe;
pub mod order;
pub mod policy;
pub mod reader;
pub mod removal;
pub mod rerank;
pub mod score;
pub mod spacing;
pub mod still_shown;
pub mod validity;
pub mod weights;
pub mod weights_file;
pub mod why;

pub use policy::{Policies, Policy, place};
pub use reader::{AffinityDay, ReaderState, SHOWN_MS, Shown};
pub use score::{Inputs, Scorer, Terms};
pub use weights::Weights;

use millstream::store::View;
use schemas::{Facts, FeedBody, FeedItem, PostId, Rule, Sources, UNSCALED, Words};

use crate::live::{GoneUsers, Line, PostsByAuthor};
use candidates::{Author, Candidates, Window};
use dedupe::Contents;
use order::{Candidate, Ordered};
use spacing::{Rules, Spacer};

/// The words of posts by the post.
pub type WordsOfPosts = View<PostId, Words>;

/// What a ranking sees beside its reader.
#[derive(Clone, Copy)]
pub struct World<'w> {
    /// The live posts.
    pub posts: &'w PostsByAuthor,
    /// The users who are gone.
    pub gone: &'w GoneUsers,
    /// The words of posts; none where nobody can mute any.
    pub words: Option<&'w WordsOfPosts>,
    /// The list of what trends as of the ranking, the best first.
    pub trending: &'w [PostId],
    /// The weight set.
    pub weights: &'w Weights,
}

/// Ranks readers, one after the other, in the same buffers.
#[derive(Debug, Default)]
pub struct Ranker {
    candidates: Candidates,
    ordered: Ordered,
    contents: Contents,
    spacer: Spacer<Candidate, u32>,
    looked_at: Vec<PostId>,
}

impl Ranker {
    /// The feed of `reader` as of `as_of`. A reader who is gone has an empty one.
    pub fn rank(&mut self, reader: &ReaderState, world: &World<'_>, as_of: i64) -> FeedBody {
        let mut body = FeedBody::default();
        self.rank_into(reader, world, as_of, &mut body);
        body
    }

    /// The same, into a body whose memory is kept.
    pub fn rank_into(
        &mut self,
        reader: &ReaderState,
        world: &World<'_>,
        as_of: i64,
        body: &mut FeedBody,
    ) {
        body.as_of_ms = as_of;
        body.weight_set = world.weights.id;
        body.items.clear();
        self.candidates.gather(reader, world, as_of);
        body.cold_start = self.candidates.known_authors == 0;
        body.facts = self.facts(reader, world);
        if !world.gone.contains(&reader.id) {
            self.score((reader, world), &Scorer::new(world.weights, body.facts, as_of));
            self.place((reader, world), body);
        }
        let window = Window::at(as_of, world.weights);
        body.valid_until_ms = validity::of(body, &self.candidates, (reader, window, world.weights));
    }

    /// What the last ranking removed, with the reason; a post that two sources had comes twice.
    pub fn removed(&self) -> &[(PostId, removal::Removed)] {
        &self.candidates.removed
    }

    /// Whether a source of the last ranking had more than it takes, or as much.
    pub fn caps_bind(&self) -> bool {
        self.candidates.caps_bind
    }

    /// The posts that spacing looked at for the last ranking, those with a place and those that were passed over: all others
    /// are worse than each of these, or say what one of these says.
    pub fn looked_at(&self) -> &[PostId] {
        &self.looked_at
    }

    /// What the weight set asks for beside the posts, and the reader.
    fn facts(&self, reader: &ReaderState, world: &World<'_>) -> Option<Facts> {
        let asks = world.weights.arms.asks_for_facts() || reader.scales != UNSCALED;
        asks.then(|| Facts {
            rate_mean_ppm: world.posts.rate_mean_ppm(world.weights.points),
            affinity_max: self.candidates.affinity_max(),
            scales: reader.scales,
        })
    }

    fn score(&mut self, (reader, world): (&ReaderState, &World<'_>), scorer: &Scorer<'_>) {
        self.candidates.weigh(scorer);
        let (candidates, ordered) = (&self.candidates, self.ordered.refill());
        ordered.extend(candidates.picks.iter().filter_map(|pick| {
            let line = candidates.line(pick.author, pick.line, world)?;
            let author = candidates.authors.get(pick.author as usize)?;
            let inputs = inputs((reader, world, scorer.at()), (line, author), pick.sources);
            Some(Candidate {
                score: scorer.terms(&inputs).score,
                created_at: line.known.created_at_ms,
                post: line.post,
                author: pick.author,
                line: pick.line,
                sources: pick.sources,
            })
        }));
    }

    fn place(&mut self, (reader, world): (&ReaderState, &World<'_>), body: &mut FeedBody) {
        let Self { candidates, ordered, contents, spacer, looked_at } = self;
        contents.clear();
        looked_at.clear();
        let (mut rank, as_of) = (0, body.as_of_ms);
        let next = || loop {
            let candidate = ordered.at(rank)?;
            rank += 1;
            let line = candidates.line(candidate.author, candidate.line, world)?;
            if contents.is_new(line.known.content_hash) {
                looked_at.push(candidate.post);
                return Some((candidate, candidate.author, candidate.sources));
            }
        };
        let rules = Rules::of(world.weights);
        spacer.space((rules, world.weights.limits.kept_max), next, |candidate, rule| {
            body.items.extend(item(candidates, (reader, world, as_of), &candidate, rule));
        });
    }
}

/// What the score of a candidate is made of.
fn inputs(
    (reader, world, as_of): (&ReaderState, &World<'_>, i64),
    (line, author): (&Line, &Author),
    sources: Sources,
) -> Inputs {
    Inputs {
        created_at_ms: line.known.created_at_ms,
        counts: line.counts(),
        affinity: author.affinity,
        sources,
        ignored: author.ignored,
        unseen: unseen((reader, world, as_of), &line.post),
    }
}

/// How often a post was served and not seen, if the weight set asks.
fn unseen((reader, world, as_of): (&ReaderState, &World<'_>, i64), post: &PostId) -> u8 {
    world.weights.arms.unseen.map_or(0, |_| reader.served_unseen(post, as_of))
}

fn item(
    candidates: &Candidates,
    of: (&ReaderState, &World<'_>, i64),
    candidate: &Candidate,
    rule: Rule,
) -> Option<FeedItem> {
    let (_, world, _) = of;
    let line = candidates.line(candidate.author, candidate.line, world)?;
    let author = candidates.authors.get(candidate.author as usize)?;
    let [likes, comments, shares, exposures] = line.counts();
    Some(FeedItem {
        post: line.post,
        author: line.known.author,
        created_at_ms: line.known.created_at_ms,
        likes,
        comments,
        shares,
        exposures,
        affinity: author.interactions,
        sources: candidate.sources,
        rule,
        ignored: author.ignored,
        unseen: unseen(of, &line.post),
    })
}

#[cfg(test)]
mod tests;
