//! Sub-topology people: who follows whom from the other side, and how everybody is seen, for suggestions alone.
//!
//! It may be left out; nothing else reads it. What it keeps of a follow is one key, whoever is followed by how many.

use millstream::{Builder, Context, Processor, Rec, Result, Store, Unit};
use schemas::{Delta, ToPerson, UserId};

use super::Between;
use crate::layout::{FIRST_ID, KeySerde, Pair, RowSerde};
use crate::suggestions::person::Person;

/// The stores of people.
#[derive(Clone, Copy)]
pub struct PeopleStores {
    /// How they are seen, and how many follow them.
    pub people: Store<UserId, Person>,
    /// That the first is followed by the second.
    pub followers: Store<Pair<UserId, UserId>, ()>,
}

/// Reads `by-person`.
pub(super) fn attach(builder: &Builder, between: &Between) -> PeopleStores {
    let stores = PeopleStores {
        people: builder.placed(builder.store("people", KeySerde, RowSerde), FIRST_ID),
        followers: builder.placed(builder.store("followers", KeySerde, Unit), FIRST_ID),
    };
    let uses = [stores.people.into(), stores.followers.into()];
    builder.from(&between.people).process("people-kept", &uses, move || People { stores });
    stores
}

struct People {
    stores: PeopleStores,
}

impl Processor for People {
    type KeyIn = UserId;
    type ValueIn = ToPerson;
    type KeyOut = ();
    type ValueOut = ();

    fn process(
        &mut self,
        record: Rec<'_, UserId, ToPerson>,
        cx: &mut Context<'_, (), ()>,
    ) -> Result<()> {
        let people = cx.store(self.stores.people)?;
        let mut person = people.get(record.key)?.cloned().unwrap_or_default();
        match record.value {
            ToPerson::Follower { delta, .. } => person.followers += delta.value(),
            ToPerson::Row { mark, live, profile } => person.change(*mark, *live, profile.as_ref()),
        }
        people.put(record.key, person)?;
        let ToPerson::Follower { follower, delta } = record.value else { return Ok(()) };
        // Records of one row come in order, and the pair is its key.
        let (followers, pair) = (cx.store(self.stores.followers)?, Pair(*record.key, *follower));
        match delta {
            Delta::Plus => followers.put(&pair, ()),
            Delta::Minus => followers.delete(&pair),
        }
    }
}
