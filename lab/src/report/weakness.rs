//! What `v1` does badly, in sentences made of the measured figures: none is said that the figures do not say.

use super::{Report, Row};
use crate::contender::BEST;
use crate::metric::Metric;

/// A weakness, as a short name and a sentence.
pub type Weakness = (&'static str, String);

impl Report {
    /// What holds of `v1` in these worlds.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let all = [
            self.spam(),
            self.without_spam(),
            self.term("engagement", "v1 - engagement"),
            self.term("affinity", "v1 - affinity"),
            self.term("freshness", "v1 - freshness"),
            self.chronological(),
            self.repeats(),
            self.new_authors(),
            self.cold_readers(),
            self.reach(),
            self.trending_spam(),
        ];
        all.into_iter().flatten().collect()
    }

    fn v1(&self, metric: Metric) -> Option<f64> {
        mean(self.row("v1")?, metric)
    }

    fn spam(&self) -> Option<Weakness> {
        let spam = self.v1(Metric::Spam)?;
        let closed = self.closed.iter().find(|row| row.name == "v1");
        let closed = closed.and_then(|row| mean(row, Metric::Spam))?;
        (spam > 0.02).then(|| {
            let words = format!(
                "A few accounts that like each other's posts take {:.0} % of the places in top tens while their posts have been seen by few, \
                 and {:.0} % where readers see the feed and pass the posts over: likes on a handful of exposures are a rate above 1, \
                 which no honest post reaches.",
                spam * 100.0,
                closed * 100.0
            );
            ("Rings of spammers win", words)
        })
    }

    fn without_spam(&self) -> Option<Weakness> {
        let clean = self.without_rings.iter().find(|row| row.name == "v1").and_then(Row::ndcg)?;
        let ceiling = self.without_rings.iter().find(|row| row.name == "authors known")?.ndcg()?;
        (clean.mean < 0.9 * ceiling.mean).then(|| {
            let words = format!(
                "Without any spam its NDCG@10 is {:.3}. Who knew every author's topics and skill, and nothing of the post, would have {:.3}.",
                clean.mean, ceiling.mean
            );
            ("Much is left on the table", words)
        })
    }

    fn term(&self, term: &str, without: &str) -> Option<Weakness> {
        let find = |rows: &[Row], name: &str| {
            rows.iter().find(|row| row.name == name).and_then(Row::ndcg).map(|of| of.mean)
        };
        let (open, open_without) = (find(&self.open, "v1")?, find(&self.open, without)?);
        let (clean, clean_without) =
            (find(&self.without_rings, "v1")?, find(&self.without_rings, without)?);
        (open_without > open).then(|| {
            let words = format!(
                "With a weight of 0 for {term} NDCG@10 is {open_without:.3} in place of {open:.3}; in worlds without spam {clean_without:.3} in place of {clean:.3}."
            );
            ("A term that hurts", words)
        })
    }

    fn chronological(&self) -> Option<Weakness> {
        let (v1, newest) = (self.row("v1")?.ndcg()?, self.row("chronological")?.ndcg()?);
        let closed = |name| self.closed.iter().find(|row| row.name == name).and_then(Row::ndcg);
        let (v1_closed, newest_closed) = (closed("v1")?, closed("chronological")?);
        (newest.mean > v1.mean || newest_closed.mean > v1_closed.mean).then(|| {
            let words = format!(
                "The followees' posts by time alone have an NDCG@10 of {:.3} against {:.3}, and in the closed loop of {:.3} against {:.3}.",
                newest.mean, v1.mean, newest_closed.mean, v1_closed.mean
            );
            ("By time alone is better", words)
        })
    }

    fn repeats(&self) -> Option<Weakness> {
        let closed = self.closed.iter().find(|row| row.name == "v1")?;
        let repeats = mean(closed, Metric::Repeats)?;
        (repeats > 0.02).then(|| {
            let words = format!(
                "In the closed loop {:.1} % of the places in top tens are a post that the reader has viewed before: a day later it \
                 returns, and its author has not lost by it.",
                repeats * 100.0
            );
            ("What was seen comes back", words)
        })
    }

    fn new_authors(&self) -> Option<Weakness> {
        let closed = self.closed.iter().find(|row| row.name == "v1")?;
        let places = mean(closed, Metric::ColdAuthor)?;
        (places < 0.5).then(|| {
            let words = format!(
                "In the closed loop authors who join late have {:.0} % of the places that their posts have in the ideal: nobody follows them yet, \
                 and no source proposes who is neither followed nor liked nor trending.",
                places * 100.0
            );
            ("New authors are not found", words)
        })
    }

    fn cold_readers(&self) -> Option<Weakness> {
        let (cold, best) =
            (self.v1(Metric::ColdReader)?, mean(self.row(BEST)?, Metric::ColdReader)?);
        (cold < best).then(|| {
            let words = format!(
                "Who has just joined gets an NDCG@10 of {cold:.3}; the best arm gives them {best:.3}. They follow nobody, and what trends is all they have."
            );
            ("New readers see what trends, whatever it is", words)
        })
    }

    fn reach(&self) -> Option<Weakness> {
        let (v1, oracle) =
            (self.v1(Metric::Freshness)?, mean(self.row("oracle")?, Metric::Freshness)?);
        let gini = (self.v1(Metric::Gini)?, mean(self.row("oracle")?, Metric::Gini)?);
        (gini.0 > gini.1 + 0.02).then(|| {
            let words = format!(
                "Places are shared among authors with a Gini of {:.2}; the best feeds would have {:.2}. The median age in a top ten is {v1:.1} h, there {oracle:.1} h.",
                gini.0, gini.1
            );
            ("Places gather on fewer authors", words)
        })
    }

    fn trending_spam(&self) -> Option<Weakness> {
        let (_, by_interactions) = self.trends.first()?;
        let (_, by_people) = self.trends.get(1)?;
        let (spam, people) = (by_interactions.spam?.mean, by_people.spam?.mean);
        let alarms = by_interactions.false_alarms?.mean;
        (spam > 0.02).then(|| {
            let words = format!(
                "{:.1} % of the first ten places of what trends are spam, and {:.1} % are false alarms of any kind; counted by people \
                 (trending.score = \"people\") {:.1} % are spam.",
                spam * 100.0,
                alarms * 100.0,
                people * 100.0
            );
            ("What trends can be bought", words)
        })
    }
}

fn mean(row: &Row, metric: Metric) -> Option<f64> {
    row.figure(metric).map(|of| of.mean)
}
