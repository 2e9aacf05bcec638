//! What people in the world are called and what they write.
//!
//! A text is an opening in its author's manner, a thing of its topic, and an ending; two posts may come out
//! alike, as they do in life.

use super::dice::Dice;

/// How many topics there are.
pub const TOPICS: usize = 8;

const FIRST: [&str; 40] = [
    "mira", "jonas", "aiko", "tomas", "leila", "oskar", "priya", "henrik", "zoe", "mateo", "ines",
    "kofi", "yara", "anton", "noor", "sven", "lucia", "emeka", "freya", "dario", "hana", "pavel",
    "amara", "felix", "sofia", "idris", "marta", "liam", "rosa", "ravi", "elena", "bruno", "nadia",
    "tuomas", "clara", "hugo", "selma", "arjun", "petra", "milo",
];
const LAST: [&str; 25] = [
    "frost",
    "rivers",
    "okafor",
    "lindqvist",
    "moreau",
    "tanaka",
    "bell",
    "santos",
    "kaya",
    "novak",
    "hale",
    "ferrari",
    "mbeki",
    "wren",
    "castell",
    "iyer",
    "stone",
    "dahl",
    "quint",
    "vega",
    "marsh",
    "adler",
    "rowe",
    "sato",
    "blum",
];

/// A topic: its name, what a bio says of it, and its things.
struct Topic {
    name: &'static str,
    bio: &'static str,
    things: [&'static str; 8],
}

const TOPIC: [Topic; TOPICS] = [
    Topic {
        name: "running",
        bio: "Runs before breakfast.",
        things: [
            "ten slow kilometres along the canal",
            "hill repeats in the rain",
            "a half marathon without looking at the watch",
            "the first frost on the river path",
            "new shoes and the same old knee",
            "sunrise laps with the club",
            "a trail that was marked on no map",
            "the last two kilometres of a very long run",
        ],
    },
    Topic {
        name: "bread",
        bio: "Keeps a sourdough named Gunther.",
        things: [
            "a rye loaf that finally has ears",
            "cardamom buns for the whole street",
            "a starter that rose over the jar at night",
            "focaccia with the last tomatoes",
            "a crust you can hear across the kitchen",
            "overnight dough in a cold flat",
            "flatbread on the balcony grill",
            "my grandmother's poppy-seed roll",
        ],
    },
    Topic {
        name: "code",
        bio: "Deletes more lines than they write.",
        things: [
            "a race that shows up once in nine million runs",
            "four hundred lines replaced by one sort",
            "a test that was green for the wrong reason",
            "the borrow checker being right, again",
            "a cache that was slower than what it cached",
            "a bug report with a perfect reproduction",
            "the changelog nobody reads but me",
            "an index that turned minutes into milliseconds",
        ],
    },
    Topic {
        name: "birds",
        bio: "Looks up a lot.",
        things: [
            "a kingfisher under the railway bridge",
            "two hundred cranes heading south",
            "an owl that watched us pack the tent",
            "swifts, back on the very same day as last year",
            "a wren louder than the whole orchestra of traffic",
            "the heron that fishes behind the supermarket",
            "a goldfinch on the office window sill",
            "starlings drawing on the evening sky",
        ],
    },
    Topic {
        name: "music",
        bio: "Second violin, first row in the bar.",
        things: [
            "a cello suite played in a stairwell",
            "the bass line I could not get out of my head",
            "a choir rehearsal that ended in laughter",
            "vinyl from a box marked one coin each",
            "the bridge of that song, on repeat",
            "an encore longer than the concert",
            "a piano left out on the square",
            "four chords and a borrowed drum kit",
        ],
    },
    Topic {
        name: "gardens",
        bio: "Grows tomatoes and patience.",
        things: [
            "the first peas of the year",
            "a compost heap that steams in the cold",
            "tulips planted where nobody expects them",
            "a pumpkin the size of the dog",
            "basil that survived my holiday",
            "an apple tree grafted with three sorts",
            "the neighbours' bees in our lavender",
            "seed packets sorted by hope",
        ],
    },
    Topic {
        name: "books",
        bio: "Reads on trains, misses stops.",
        things: [
            "a novel I closed and opened again at page one",
            "the library's last copy, with tea stains",
            "a footnote better than the chapter",
            "six hundred pages and one sentence to keep",
            "poems short enough for a red light",
            "a detective who never leaves her kitchen",
            "a translation that sings",
            "the book everyone lent to everyone",
        ],
    },
    Topic {
        name: "bicycles",
        bio: "Two wheels, one gear.",
        things: [
            "a headwind in both directions",
            "the pass, before the cars were up",
            "a chain cleaned so well it whispers",
            "my daughter's first ride without hands on the saddle",
            "a puncture exactly in front of the bakery",
            "forty kilometres of empty gravel",
            "a steel frame older than me",
            "the new lane all along the harbour",
        ],
    },
];

const OPENINGS: [[&str; 4]; 5] = [
    ["Today:", "This morning:", "Small report:", "Noted:"],
    [
        "Nobody told me about",
        "I was not prepared for",
        "How did I live without",
        "Still thinking of",
    ],
    ["Happy about", "In love with", "Grateful for", "Proud of"],
    ["If you need me:", "Current mood:", "What keeps me going:", "Reason to get up:"],
    ["Let us talk about", "A word on", "In praise of", "Three cheers for"],
];
const ENDINGS: [&str; 10] = [
    ".",
    ".",
    ".",
    "!",
    ". More tomorrow.",
    ". Who else?",
    ". No regrets.",
    ". Pictures follow.",
    ". Best part of the week.",
    ". Ask me anything.",
];

/// The name of the `n`th person; no two are the same.
pub fn username(n: usize) -> String {
    let first = FIRST.get(n % FIRST.len()).copied().unwrap_or_default();
    // Coprime strides walk through all pairs before one comes back.
    let pair = n / FIRST.len() + n * 7;
    let last = LAST.get(pair % LAST.len()).copied().unwrap_or_default();
    match n / (FIRST.len() * LAST.len()) {
        0 => format!("{first}.{last}"),
        again => format!("{first}.{last}{}", again + 1),
    }
}

/// A line about somebody who cares most for `topic`.
pub fn bio(topic: usize) -> String {
    TOPIC.get(topic).map(|topic| topic.bio.to_owned()).unwrap_or_default()
}

/// The name of `topic`.
pub fn topic_name(topic: usize) -> &'static str {
    TOPIC.get(topic).map_or("life", |topic| topic.name)
}

/// A post on `topic` by somebody of manner `style`.
pub fn text(topic: usize, style: usize, dice: &mut Dice) -> String {
    let openings = OPENINGS.get(style % OPENINGS.len()).map_or(&[][..], |of| &of[..]);
    let things = TOPIC.get(topic).map_or(&[][..], |of| &of.things[..]);
    let opening = dice.pick(openings).copied().unwrap_or_default();
    let thing = dice.pick(things).copied().unwrap_or_default();
    let ending = dice.pick(&ENDINGS).copied().unwrap_or(".");
    format!("{opening} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ten_thousand_people_have_ten_thousand_names() {
        assert_eq!((0..10_000).map(username).collect::<BTreeSet<_>>().len(), 10_000);
    }

    #[test]
    fn a_text_reads_like_one() {
        assert_eq!(
            text(1, 2, &mut Dice::new(7)),
            "In love with a rye loaf that finally has ears. Ask me anything."
        );
    }
}
