//! Whether those who are suggested to readers are worth following.
//!
//! An author is worth to a reader what a new post of theirs is on average: quality(skill) (1 - (1 - taste) (1 - closeness)). A
//! suggestion is a hit if it is among the twenty worthiest of all authors whom the reader does not follow; the rate is over
//! the first five. Whoever does not write is no hit, and chance draws from everybody whom the reader does not follow.

use millstream::Result;
use serde::Serialize;

use crate::life::{Life, Look};
use crate::tally::Mean;
use crate::world::people::{Author, Person};

/// So many suggestions are shown.
const SHOWN: usize = 5;
/// So many authors are worth suggesting.
const WORTHY: usize = 20;

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Suggested {
    hits: Mean,
    chance: Mean,
}

/// The figures of one world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SuggestedFigures {
    /// Hits among those suggested.
    pub hit_rate: Option<f64>,
    /// What chance would have.
    pub by_chance: Option<f64>,
}

impl Suggested {
    /// Asks for suggestions for whoever looks.
    pub fn look(&mut self, life: &Life<'_>, look: &Look) -> Result<()> {
        let Some(person) = life.world.person(look.reader) else { return Ok(()) };
        let (mut worth, mut others) = (Vec::new(), 0);
        for (number, other) in (0_u32..).zip(&life.world.people) {
            let is_open = number != look.reader && !life.follows(look.reader, number);
            if is_open && other.is_there(look.at) {
                others += 1;
                let Some(author) = other.author.as_ref() else { continue };
                let honest = f64::from(u8::from(other.ring.is_none()));
                worth.push((honest * worthiness((number, author), person), number));
            }
        }
        worth.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let worthy = worth.iter().take(WORTHY);
        let worthy: Vec<u32> = worthy.map(|(_, number)| *number).collect();
        if worthy.is_empty() {
            return Ok(());
        }
        for user in life.stage.suggestions(person.id, look.at)?.iter().take(SHOWN) {
            let number = life.world.person_number(user);
            let is_hit = number.is_some_and(|number| worthy.contains(&number));
            self.hits.add(f64::from(u8::from(is_hit)));
            self.chance.add(worthy.len() as f64 / f64::from(others));
        }
        Ok(())
    }

    /// What came of it.
    pub fn figures(&self) -> SuggestedFigures {
        SuggestedFigures { hit_rate: self.hits.value(), by_chance: self.chance.value() }
    }
}

fn worthiness((number, author): (u32, &Author), reader: &Person) -> f64 {
    let quality = 1.0 / (1.0 + libm::exp(-author.skill));
    quality * (1.0 - (1.0 - reader.taste_for(author)) * (1.0 - reader.closeness(number)))
}
