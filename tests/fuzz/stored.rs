//! Keys as people write them, and rows of stores, made of bytes that nobody meant.

use std::fmt::Debug;

use bolero::check;
use millstream::Position;
use schemas::{CommentId, EventId, LikeId, PostId, TrendingKey, UserId, Wire};

use crate::engagement::interactions::Interactions;
use crate::engagement::post::Post;
use crate::ingest::interaction_row::InteractionRow;
use crate::ingest::row::RowVersion;
use crate::layout::{Key, Pair};
use crate::ranking::{Policy, Shown};
use crate::reader::ReaderStatus;
use crate::reader::days::Days;
use crate::reader::hidden::Hidden;
use crate::reader::silence::Silence;
use crate::state::{Count, Time};
use crate::suggestions::person::Person;
use crate::trending::hot::Hot;

/// Text and bytes of a key say the same, and every beginning of the text is one of the bytes.
fn look_at_key<K: Key + Debug + PartialEq>(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        let _ = K::prefix(text);
        if let Ok(key) = text.parse::<K>() {
            assert_eq!(K::decode(&key.to_bytes()), Ok(key), "{text:?}");
        }
    }
    let Ok(key) = K::decode(input) else { return };
    assert_eq!(key.to_bytes(), input);
    let text = key.to_string();
    assert!(text.parse::<K>().is_ok_and(|again| again == key), "{text}");
    for end in 0..=text.len() {
        let prefix = K::prefix(&text[..end]);
        assert!(prefix.is_none_or(|prefix| input.starts_with(&prefix)), "{}", &text[..end]);
    }
}

#[test]
fn a_key_of_a_store_reads_as_it_is_written() {
    check!(name = "keys").with_iterations(0).for_each(|input: &[u8]| {
        look_at_key::<UserId>(input);
        look_at_key::<CommentId>(input);
        look_at_key::<LikeId>(input);
        look_at_key::<Pair<UserId, PostId>>(input);
        look_at_key::<Pair<PostId, EventId>>(input);
        look_at_key::<TrendingKey>(input);
        let position = str::from_utf8(input).ok().and_then(|text| text.parse::<Position>().ok());
        if let Some(position) = position {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    });
}

/// What decodes is read back from its own bytes, and takes no more memory than those explain. Rows may lack what a later version
/// has added, or have it empty: so there are two forms of one row.
fn look_at_row<T: Wire + Debug>(bytes: &[u8]) {
    if let Ok(row) = T::decode(bytes) {
        let own = row.to_bytes();
        let again = T::decode(&own).map(|row| row.to_bytes());
        assert_eq!(again.as_ref(), Ok(&own), "{row:?}");
        assert!(own.len() <= bytes.len(), "{row:?}");
        assert!(row.heap_bytes() <= 64 * bytes.len(), "{row:?}");
    }
}

#[test]
fn a_row_of_a_store_is_read_back_from_its_own_bytes() {
    const ROWS: [fn(&[u8]); 14] = [
        look_at_row::<Time>,
        look_at_row::<Count>,
        look_at_row::<RowVersion>,
        look_at_row::<InteractionRow>,
        look_at_row::<Interactions>,
        look_at_row::<Post>,
        look_at_row::<Hot>,
        look_at_row::<Days>,
        look_at_row::<Silence>,
        look_at_row::<Hidden>,
        look_at_row::<Shown>,
        look_at_row::<Person>,
        look_at_row::<ReaderStatus>,
        look_at_row::<Policy>,
    ];
    check!(name = "rows").with_iterations(0).for_each(|input: &[u8]| {
        if let [kind, bytes @ ..] = input {
            ROWS[usize::from(*kind) % ROWS.len()](bytes);
        }
    });
}
