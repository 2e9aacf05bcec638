//! How long it takes to rank a reader with so many candidates, in memory, beside the floor: the same terms computed and
//! sorted, and nothing else.

use std::hint::black_box;
use std::time::{Duration, Instant};

use schemas::{FeedBody, PostId, PostLine, UserId};
use topologies::live::{GoneUsers, Line, PostsByAuthor};
use topologies::ranking::{Inputs, Ranker, ReaderState, Scorer, Weights, World};

use crate::latency::Latencies;
use crate::{Result, Teller};

const AUTHORS: u32 = 50;
const POSTS_PER_AUTHOR: u32 = 20;
const NOW: i64 = 1_800_000_000_000;
/// Posts are so far apart: all of them are within the days that follows are proposed for.
const APART_MS: i64 = 120_000;
const WARM_UP: usize = 200;

/// What to run.
#[derive(Debug)]
pub struct Ranking {
    /// How many rankings are timed.
    pub times: usize,
}

impl Ranking {
    /// Runs it and tells the figures.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let (posts, lines, reader) = world();
        let (gone, weights) = (GoneUsers::default(), Weights::v1());
        let world =
            World { posts: &posts, gone: &gone, words: None, trending: &[], weights: &weights };
        let (mut ranker, mut body) = (Ranker::default(), FeedBody::default());
        let ours = self.time(|| ranker.rank_into(&reader, &world, NOW, &mut body));
        let mut scored = Vec::new();
        let floor = self.time(|| score_and_sort(&lines, &weights, &mut scored));
        let candidates = lines.len();
        teller.tell(&ours.figures("rank", &format!("ours, {candidates}")))?;
        teller.tell(&floor.figures("rank", &format!("floor, {candidates}")))
    }

    fn time(&self, mut what: impl FnMut()) -> Latencies {
        let mut latencies = Latencies::default();
        for time in 0..self.times + WARM_UP {
            let began = Instant::now();
            what();
            let took: Duration = began.elapsed();
            if time >= WARM_UP {
                latencies.push(took);
            }
        }
        latencies
    }
}

/// Authors with posts, who are all followed.
fn world() -> (PostsByAuthor, Vec<Line>, ReaderState) {
    let (mut posts, mut lines) = (PostsByAuthor::default(), Vec::new());
    let mut reader = ReaderState { id: UserId([1; 16]), ..ReaderState::default() };
    for author in 0..AUTHORS {
        let id = UserId(u128::from(author + 1).to_be_bytes());
        reader.follows.push(id);
        for post in 0..POSTS_PER_AUTHOR {
            let number = author * POSTS_PER_AUTHOR + post;
            let known = PostLine {
                author: id,
                created_at_ms: NOW - APART_MS * i64::from(number),
                likes: number % 97,
                comments: number % 13,
                shares: number % 7,
                exposures: 100 + number % 900,
                content_hash: u64::from(number) + 1,
            };
            let post = PostId((u128::from(number) + 1).to_be_bytes());
            posts.put(post, known);
            lines.push(Line { post, known });
        }
    }
    (posts, lines, reader)
}

fn score_and_sort(lines: &[Line], weights: &Weights, scored: &mut Vec<(f64, PostId)>) {
    scored.clear();
    scored.extend(lines.iter().map(|line| {
        let inputs = Inputs {
            created_at_ms: line.known.created_at_ms,
            counts: line.counts(),
            ..Inputs::default()
        };
        let terms = Scorer::new(weights, None, NOW).terms(&inputs);
        (terms.score, line.post)
    }));
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    black_box(scored);
}
