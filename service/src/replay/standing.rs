//! Which application is live, and which one is beside it: one value, and what each command makes of it. Pure.
//!
//! Applications have numbers: the first has 0, each that is rebuilt the next one, and none is given twice. The live one publishes
//! and is read; the one beside it only keeps its state, be it that it is rebuilt or that it was live before. Each time
//! another becomes the live one the epoch is raised, so that whatever it publishes is newer than all that was published before.
//!
//! | command | asks for | leaves |
//! | --- | --- | --- |
//! | start | nothing beside; else it goes on with the newer of both | the next number beside |
//! | checked | a rebuilt one beside | what came of it |
//! | switch | a rebuilt one beside that was found equal, or `anyway` | that one live, the former beside; a higher epoch |
//! | back | the former one beside | the former live, the rebuilt one beside; a higher epoch |
//! | abort | a rebuilt one beside | nothing beside, the rebuilt one to be removed |
//! | keep | the former one beside | nothing beside, the former to be removed |
//! | removed | one that was to be removed | nothing of it |

use schemas::application;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The live application.
    pub live: u32,
    /// By which its publications are newer than those of whatever was live before.
    pub epoch: u32,
    /// The one beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// One whose topics are being removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removing: Option<u32>,
    /// The highest number that was given.
    pub last: u32,
}

/// The application beside the live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Its number.
    pub number: u32,
    /// How its feeds compared with those of the live one, if that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// When, ms UTC.
    pub at_ms: i64,
    /// How many readers were looked at.
    pub readers: u32,
    /// How many of their feeds differ.
    pub differ: u32,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Rebuild one beside the live one, or go on with it.
    Start,
    /// The rebuilt one was compared.
    Checked(Checked),
    /// Have the rebuilt one be the live one; `anyway` if it need not have been found equal.
    Switch { anyway: bool },
    /// Have the former one be the live one again.
    Back,
    /// Give the rebuilt one up.
    Abort,
    /// Give the former one up.
    Keep,
    /// This one is removed.
    Removed(u32),
}

/// Whether the one beside is newer than the live one, or older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Nothing,
    Rebuilt(Beside),
    Former(Beside),
}

/// What a worker is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs the application of this number, and publishes, under this epoch, if that is the live one.
    Runs { number: u32, publishes: Option<u32> },
    /// Its application was given up, and nobody took its place.
    Gone,
}

impl Standing {
    fn side(&self) -> Side {
        match self.beside {
            None => Side::Nothing,
            Some(beside) if beside.number > self.live => Side::Rebuilt(beside),
            Some(beside) => Side::Former(beside),
        }
    }

    /// The one that is rebuilt.
    pub fn rebuilt(&self) -> Option<Beside> {
        match self.side() {
            Side::Rebuilt(beside) => Some(beside),
            Side::Nothing | Side::Former(_) => None,
        }
    }

    /// The newer of both, of which a rebuild made the state; none if there is nothing beside.
    pub fn newer(&self) -> Option<u32> {
        self.beside.map(|beside| beside.number.max(self.live))
    }

    /// What a command leaves of it; or why it cannot be done, and what can.
    pub fn after(&self, verb: Verb) -> Result<Self, String> {
        let refused = |words: &str| Err(words.to_owned());
        match (verb, self.side()) {
            (Verb::Removed(number), _) => Ok(Self {
                removing: self.removing.filter(|removing| *removing != number),
                ..self.clone()
            }),
            (Verb::Start, Side::Rebuilt(_) | Side::Former(_)) => Ok(self.clone()),
            (Verb::Start, Side::Nothing) if self.removing.is_some() => refused(
                "the one before is not removed yet: `feedmill replay abort` goes on with that",
            ),
            (Verb::Start, Side::Nothing) => Ok(self.start()),
            (Verb::Checked(checked), Side::Rebuilt(beside)) => {
                let beside = Some(Beside { checked: Some(checked), ..beside });
                Ok(Self { beside, ..self.clone() })
            }
            (Verb::Switch { anyway }, Side::Rebuilt(beside)) => {
                may_switch(beside, anyway)?;
                Ok(self.swapped(beside))
            }
            (Verb::Switch { .. }, Side::Former(_)) => refused("the rebuilt one is live already"),
            (Verb::Back, Side::Former(beside)) => Ok(self.swapped(beside)),
            (Verb::Back, Side::Rebuilt(_)) => refused("the former one is live already"),
            (Verb::Abort, Side::Rebuilt(beside)) | (Verb::Keep, Side::Former(beside)) => {
                Ok(Self { beside: None, removing: Some(beside.number), ..self.clone() })
            }
            (Verb::Abort | Verb::Keep, Side::Nothing) if self.removing.is_some() => {
                Ok(self.clone())
            }
            (Verb::Abort, Side::Former(_)) => refused(
                "the rebuilt one is live: `feedmill replay back` first, or `keep` to stay with it",
            ),
            (Verb::Keep, Side::Rebuilt(_)) => {
                refused("the rebuilt one is not live: `feedmill replay switch` first, or `abort`")
            }
            (
                Verb::Checked(_) | Verb::Switch { .. } | Verb::Back | Verb::Abort | Verb::Keep,
                Side::Nothing,
            )
            | (Verb::Checked(_), Side::Former(_)) => {
                refused("nothing is rebuilt: `feedmill replay start` begins")
            }
        }
    }

    fn start(&self) -> Self {
        let number = self.last + 1;
        let beside = Some(Beside { number, checked: None });
        Self { beside, last: number, ..self.clone() }
    }

    /// The one beside is live, and the live one beside it.
    fn swapped(&self, beside: Beside) -> Self {
        Self {
            live: beside.number,
            epoch: self.epoch + 1,
            beside: Some(Beside { number: self.live, checked: beside.checked }),
            ..self.clone()
        }
    }

    /// What a worker is there for that is configured with the application of this number. Workers of those that gave way stay with
    /// the older of both until that is given up too: so there is a way back, however often it was rebuilt before.
    pub fn role(&self, configured: u32) -> Role {
        let beside = self.beside.map_or(self.live, |beside| beside.number);
        let (older, newer) = (beside.min(self.live), beside.max(self.live));
        let number = match configured {
            _ if configured <= older => older,
            _ if configured == newer => newer,
            _ => return Role::Gone,
        };
        Role::Runs { number, publishes: (number == self.live).then_some(self.epoch) }
    }

    /// The live application of those that are called after `first`.
    pub fn live_app(&self, first: &str) -> String {
        application::numbered(first, self.live)
    }

    /// Both that are there, the live one first.
    pub fn apps(&self, first: &str) -> Vec<String> {
        let numbers = [Some(self.live), self.beside.map(|beside| beside.number)];
        numbers.into_iter().flatten().map(|of| application::numbered(first, of)).collect()
    }
}

fn may_switch(beside: Beside, anyway: bool) -> Result<(), String> {
    let words = match beside.checked {
        _ if anyway => return Ok(()),
        Some(Checked { differ: 0, readers: 1.., .. }) => return Ok(()),
        None => "it was not compared yet; `feedmill replay status` says how far it is".to_owned(),
        Some(Checked { readers: 0, .. }) => "there was no reader to compare".to_owned(),
        Some(Checked { differ, readers, .. }) => format!("{differ} of {readers} feeds differ"),
    };
    Err(format!("{words}; --anyway switches all the same"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(readers: u32, differ: u32) -> Checked {
        Checked { at_ms: 7, readers, differ }
    }

    /// What the commands lead to, one after the other, from nothing; the words of the one that is refused.
    fn after(verbs: &[Verb]) -> Result<Standing, String> {
        verbs.iter().try_fold(Standing::default(), |standing, verb| standing.after(*verb))
    }

    fn short(standing: &Standing) -> String {
        let Standing { live, epoch, beside, removing, last } = standing;
        let beside = beside.map(|beside| beside.number);
        format!("live {live}@{epoch}, beside {beside:?}, removing {removing:?}, last {last}")
    }

    const EQUAL: Verb = Verb::Checked(Checked { at_ms: 7, readers: 9, differ: 0 });
    const SWITCH: Verb = Verb::Switch { anyway: false };

    #[test]
    fn each_command_leaves_what_the_table_says() {
        use Verb::{Abort, Back, Keep, Removed, Start};
        let rows: [(&[Verb], &str); 8] = [
            (&[], "live 0@0, beside None, removing None, last 0"),
            (&[Start, Start], "live 0@0, beside Some(1), removing None, last 1"),
            (&[Start, EQUAL, SWITCH, Start], "live 1@1, beside Some(0), removing None, last 1"),
            (&[Start, EQUAL, SWITCH, Back], "live 0@2, beside Some(1), removing None, last 1"),
            (&[Start, EQUAL, SWITCH, Keep], "live 1@1, beside None, removing Some(0), last 1"),
            (&[Start, Abort, Abort], "live 0@0, beside None, removing Some(1), last 1"),
            (&[Start, Abort, Removed(1), Start], "live 0@0, beside Some(2), removing None, last 2"),
            (
                &[Start, EQUAL, SWITCH, Keep, Removed(0), Start, EQUAL, SWITCH],
                "live 2@2, beside Some(1), removing None, last 2",
            ),
        ];
        for (verbs, expected) in rows {
            assert_eq!(short(&after(verbs).unwrap()), expected, "{verbs:?}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_what_can() {
        use Verb::{Abort, Back, Keep, Start};
        let rows: [(&[Verb], &str); 9] = [
            (&[SWITCH], "`feedmill replay start` begins"),
            (&[Back], "`feedmill replay start` begins"),
            (&[Start, SWITCH], "not compared yet"),
            (&[Start, Verb::Checked(checked(9, 2)), SWITCH], "2 of 9 feeds differ"),
            (&[Start, Verb::Checked(checked(0, 0)), SWITCH], "no reader to compare"),
            (&[Start, Keep], "`feedmill replay switch` first"),
            (&[Start, Back], "the former one is live already"),
            (&[Start, EQUAL, SWITCH, Abort], "`feedmill replay back` first"),
            (&[Start, Abort, Start], "goes on with that"),
        ];
        for (verbs, expected) in rows {
            let words = after(verbs).unwrap_err();
            assert!(words.contains(expected), "{verbs:?}: {words}");
        }
        assert!(after(&[Start, Verb::Switch { anyway: true }]).is_ok());
    }

    #[test]
    fn one_application_publishes_and_the_workers_of_one_that_gave_way_run_the_next() {
        use Verb::{Abort, Back, Keep, Start};
        let runs = |number, publishes| Role::Runs { number, publishes };
        let rows: [(&[Verb], [Role; 2]); 6] = [
            (&[], [runs(0, Some(0)), Role::Gone]),
            (&[Start], [runs(0, Some(0)), runs(1, None)]),
            (&[Start, EQUAL, SWITCH], [runs(0, None), runs(1, Some(1))]),
            (&[Start, EQUAL, SWITCH, Back], [runs(0, Some(2)), runs(1, None)]),
            (&[Start, EQUAL, SWITCH, Keep], [runs(1, Some(1)), runs(1, Some(1))]),
            (&[Start, Abort], [runs(0, Some(0)), Role::Gone]),
        ];
        for (verbs, roles) in rows {
            let standing = after(verbs).unwrap();
            assert_eq!([standing.role(0), standing.role(1)], roles, "{verbs:?}");
        }
    }

    #[test]
    fn workers_stay_with_the_older_of_both_in_every_rebuild_and_so_there_is_a_way_back() {
        use Verb::{Abort, Back, Keep, Removed, Start};
        let first = [Start, EQUAL, SWITCH, Keep, Removed(0), Start];
        let runs = |number, publishes| Role::Runs { number, publishes };
        let rows: [(&[Verb], [Role; 3]); 4] = [
            (&[EQUAL, SWITCH], [runs(1, None), runs(1, None), runs(2, Some(2))]),
            (&[EQUAL, SWITCH, Back], [runs(1, Some(3)), runs(1, Some(3)), runs(2, None)]),
            (&[EQUAL, SWITCH, Keep], [runs(2, Some(2)); 3]),
            (&[Abort, Removed(2), Start], [runs(1, Some(1)), runs(1, Some(1)), Role::Gone]),
        ];
        for (verbs, roles) in rows {
            let standing = after(&[&first, verbs].concat()).unwrap();
            assert_eq!([0, 1, 2].map(|number| standing.role(number)), roles, "{verbs:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_a_field_of_a_later_version_is_left_out() {
        let standing = after(&[Verb::Start, EQUAL, SWITCH]).unwrap();
        let text = serde_json::to_string(&standing).unwrap();
        assert_eq!(serde_json::from_str::<Standing>(&text).unwrap(), standing);
        let later = r#"{"live":3,"epoch":4,"last":5,"colour":"blue"}"#;
        let read: Standing = serde_json::from_str(later).unwrap();
        assert_eq!((read.live, read.epoch, read.beside, read.last), (3, 4, None, 5));
    }
}
