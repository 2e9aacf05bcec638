//! `GET /admin/dead-letters`, `GET /admin/dead-letters/{place}`, `POST /admin/dead-letters/redrive` and `.../drop`: what
//! `feedmill dlq` does, over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::dead_letter::{Letter, Place, Reason};
use schemas::read_time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Admin, object, waiting};
use crate::dead_letters::{Aim, DeadLetters, Filter, Newest, Pace, Plan, Run, told};
use crate::failed::Failed;
use crate::http::parameter::{Described, FLAG, Given, Number, OneOf, Parameter, Text};
use crate::http::routes::Request;
use crate::http::{self, Fault, Refusal, request_id};

/// For so long letters are worked off before it is told how far it is.
const WORKS: Duration = Duration::from_secs(20);
const TIMES_MAX: u8 = 3;

const fn text<T>(expected: &'static str, read: fn(&str) -> Option<T>) -> Text<T> {
    Text { is_required: false, expected, format: None, read }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

static TOPIC: Parameter<Text<String>> = Parameter {
    name: "topic",
    about: "Of records of this topic",
    takes: text("the name of a topic", filled),
};
static NODE: Parameter<Text<String>> = Parameter {
    name: "node",
    about: "Given up by this sub-topology or sink",
    takes: text("the name of a sub-topology or sink", filled),
};
static REASON: Parameter<Text<Reason>> = Parameter {
    name: "reason",
    about: "For this reason",
    takes: text("the name of a reason, such as decode", Reason::named),
};
static ERROR: Parameter<Text<String>> = Parameter {
    name: "error",
    about: "Whose error has this text in it, letter for letter",
    takes: text("a text", filled),
};
static SINCE: Parameter<Text<i64>> = Parameter {
    name: "since",
    about: "Written then or later: ms UTC, or 2026-11-20T23:17:08Z",
    takes: text("a time", read_time),
};
static UNTIL: Parameter<Text<i64>> =
    Parameter { name: "until", about: "Written before then", takes: text("a time", read_time) };
static ALL: Parameter<OneOf<bool>> =
    Parameter { name: "all", about: "Those too that were re-driven or dropped", takes: FLAG };
static LIMIT: Parameter<Number> = Parameter {
    name: "limit",
    about: "So many at most: the newest",
    takes: Number { from: 1, to: 1_000, unless_told: 50 },
};

/// What the list is asked with.
pub static CHOICE: [&dyn Described; 8] =
    [&TOPIC, &NODE, &REASON, &ERROR, &SINCE, &UNTIL, &ALL, &LIMIT];

/// Which letter.
pub static PLACE: Parameter<Text<Place>> = Parameter {
    name: "place",
    about: "Where it lies: 2@17 is offset 17 of partition 2",
    takes: Text {
        is_required: true,
        expected: "a place such as 2@17",
        format: None,
        read: |text| text.parse().ok(),
    },
};

/// The newest letters.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetters)]
pub struct Letters {
    /// How many are meant.
    letters: u64,
    /// The newest of them, the last first: place, at, topic, partition, offset, timestamp, node, reason, error, cut, redriven, done.
    #[schema(value_type = Vec<Object>)]
    newest: Vec<Value>,
}

/// A letter with its key, value and headers: each as text or in base64, and as the JSON that it is.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct WholeLetter {
    /// Where it lies.
    place: String,
    /// Everything else of it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    rest: Value,
}

/// Which letters are to be worked off. Some choice must be made, or `all_letters`.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = DeadLetterWork)]
pub struct Work {
    /// These letters, as 2@17.
    places: Vec<String>,
    topics: Vec<String>,
    nodes: Vec<String>,
    reasons: Vec<String>,
    /// Whose error has this text in it.
    error: Option<String>,
    /// Written then or later, ms UTC.
    since: Option<i64>,
    /// Written before then, ms UTC.
    until: Option<i64>,
    /// Every letter there is.
    all_letters: bool,
    /// Say what would be done, and change nothing.
    dry_run: bool,
    /// How many letters a second; as many as there can be unless told.
    rate: Option<f64>,
    /// Refuse records that were re-driven so often before: 3 unless told. Dropping does not ask.
    times_max: Option<u8>,
}

/// What was done.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLettersWorked)]
pub struct Worked {
    /// Letters that were meant, not done with and not refused.
    planned: u64,
    /// Of them worked off; null of a dry run.
    done: Option<u64>,
    /// How many are left; asked for again they are worked off.
    left: Option<u64>,
    /// How many are refused, by reason.
    #[schema(value_type = Object)]
    refused: Value,
    /// Letters that were named and are not there, or done with.
    #[schema(value_type = Vec<String>)]
    absent: Value,
}

/// Lists letters.
pub async fn list(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    let given = request.given()?;
    let (filter, all, limit) = (chosen(&given), given.get(&ALL), given.get(&LIMIT));
    let newest = waiting(move || {
        let mut newest = Newest::new(limit);
        admin.letters(|letters| {
            letters.each((&filter, all), |letter, done| {
                newest.add(letter, || told::facts(letter, done));
            })
        })?;
        Ok(newest)
    });
    let newest = newest.await?;
    let letters =
        Letters { letters: newest.letters(), newest: newest.of().rev().cloned().collect() };
    Ok(http::json(StatusCode::OK, &letters, request_id()))
}

fn chosen(given: &Given<'_>) -> Filter {
    Filter {
        places: Vec::new(),
        topics: given.told(&TOPIC).into_iter().collect(),
        nodes: given.told(&NODE).into_iter().collect(),
        reasons: given.told(&REASON).into_iter().collect(),
        error: given.told(&ERROR),
        since: given.told(&SINCE),
        until: given.told(&UNTIL),
    }
}

/// Shows a letter.
pub async fn show(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    request.given()?;
    let place: Place = request.segment.parse().map_err(|_| Refusal::not_found())?;
    let found = waiting(move || {
        admin.letters(|letters| {
            let done = letters.done()?;
            let whole = |letter: Letter<'_>| told::whole(&letter, done.of(&letter));
            letters.find(place, |letter| letter.map(whole))
        })
    });
    match found.await? {
        Err(_) => Err(Refusal::not_found()),
        Ok(Err(unreadable)) => Err(Refusal::failed(unreadable.to_string())),
        Ok(Ok(letter)) => Ok(http::json(StatusCode::OK, &letter, request_id())),
    }
}

/// Appends records again.
pub async fn redrive(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    work(admin, request, |asked| Aim::Redrive {
        times_max: usize::from(asked.times_max.unwrap_or(TIMES_MAX)),
    })
    .await
}

/// Gives letters up.
pub async fn discard(admin: Arc<Admin>, request: Request<Admin>) -> Result<Response, Refusal> {
    work(admin, request, |_| Aim::Drop).await
}

async fn work(
    admin: Arc<Admin>,
    request: Request<Admin>,
    aim: fn(&Work) -> Aim,
) -> Result<Response, Refusal> {
    request.given()?;
    let who = request.caller.to_string();
    let body = object(&admin, request).await?;
    let wrong = |e: serde_json::Error| Refusal::invalid(vec![Fault::of("body", e.to_string())]);
    let asked: Work = serde_json::from_value(body.into()).map_err(wrong)?;
    let (filter, pace) = asked.read().map_err(Refusal::invalid)?;
    let aim = aim(&asked);
    let worked = waiting(move || match asked.dry_run {
        true => {
            admin.letters(|letters| letters.plan(&filter, aim).map(|plan| told::plan(&plan, None)))
        }
        false => {
            let (plan, done) =
                admin.letters(|letters| worked_off(letters, &filter, (aim, pace)))?;
            tracing::warn!(who, ?aim, ?filter, done, "dead letters were worked off");
            Ok(told::plan(&plan, Some(done)))
        }
    });
    let mut worked = worked.await?;
    let left = worked["planned"].as_u64().zip(worked["done"].as_u64());
    worked["left"] = json!(left.map(|(planned, done)| planned.saturating_sub(done)));
    Ok(http::json(StatusCode::OK, &worked, request_id()))
}

/// Works letters off for as long as there is time.
fn worked_off(
    letters: DeadLetters<'_>,
    filter: &Filter,
    (aim, pace): (Aim, Pace),
) -> Result<(Plan, u64), Failed> {
    let began = Instant::now();
    let mut run = Run::open(letters, filter, aim, pace)?;
    while began.elapsed() < WORKS && run.step()?.is_some() {}
    Ok((run.plan().clone(), run.progress().done))
}

impl Work {
    /// Which letters, and how fast; or what is wrong.
    fn read(&self) -> Result<(Filter, Pace), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut wrong = |field: String, words: &str| faults.push(Fault::of(field, words));
        let (mut places, mut reasons) = (Vec::new(), Vec::new());
        for (index, text) in self.places.iter().enumerate() {
            match text.parse() {
                Ok(place) => places.push(place),
                Err(_) => wrong(format!("places[{index}]"), "expected a place such as 2@17"),
            }
        }
        for (index, text) in self.reasons.iter().enumerate() {
            match Reason::named(text) {
                Some(reason) => reasons.push(reason),
                None => {
                    let names = Reason::ALL.map(Reason::name).join(", ");
                    wrong(format!("reasons[{index}]"), &format!("expected one of {names}"));
                }
            }
        }
        let pace = match self.rate {
            None => Pace::Unlimited,
            Some(rate) if rate.is_finite() && rate > 0.0 => Pace::PerSecond(rate),
            Some(_) => {
                wrong("rate".to_owned(), "expected a number of letters a second");
                Pace::Unlimited
            }
        };
        if self.times_max == Some(0) {
            wrong("times_max".to_owned(), "expected a number from 1 to 255");
        }
        let Self { topics, nodes, error, since, until, .. } = self.clone();
        let filter = Filter { places, topics, nodes, reasons, error, since, until };
        if faults.is_empty() && filter.is_empty() && !self.all_letters {
            let words = "which letters? Choose some, or say true for all of them";
            faults.push(Fault::of("all_letters", words));
        }
        if faults.is_empty() { Ok((filter, pace)) } else { Err(faults) }
    }
}

impl Admin {
    /// What is asked of the letters of the live application.
    fn letters<T>(&self, ask: impl FnOnce(DeadLetters<'_>) -> T) -> T {
        ask(DeadLetters { broker: &*self.broker, app: &self.live.app() })
    }
}
