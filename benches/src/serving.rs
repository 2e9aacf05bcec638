//! How many cached feeds an API process serves a second, what one takes of its CPU, and how long one takes.
//!
//! First every connection asks again as soon as it is answered: what the process can do. Then at half that
//! rate, each request at its time, and what it took counts from there.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::company::{Company, Feed, Readers};
use crate::latency::{Latencies, Spread};
use crate::usage::cpu_seconds_of;
use crate::{Broken, Result, Teller};

const CONNECTIONS: usize = 16;
/// What a client asks for that says nothing of it: the default page.
const PAGE: &str = "/api/v1/feed";

/// What to run.
#[derive(Debug)]
pub struct Serving {
    /// The product's binary.
    pub feedmill: PathBuf,
    /// How long each part takes.
    pub span: Duration,
}

impl Serving {
    /// Runs it and tells the figures.
    pub fn run(&self, teller: Teller) -> Result<()> {
        let company = Company::start(&self.feedmill, Readers::calling(CONNECTIONS))?;
        self.load(&company, None)?;
        let most = self.load(&company, None)?;
        teller.tell(&Spread { entrant: "closed loop".into(), ..most.clone() })?;
        let rate = most.per_second.unwrap_or(0.0) / 2.0;
        let every = Duration::from_secs_f64(CONNECTIONS as f64 / rate.max(1.0));
        let half = self.load(&company, Some(every))?;
        teller.tell(&Spread { entrant: "half of that".into(), ..half })
    }

    fn load(&self, company: &Company, every: Option<Duration>) -> Result<Spread> {
        let api = company.api().to_string();
        let (began, cpu) = (Instant::now(), cpu_seconds_of(&api)?);
        let answered: Vec<Result<Latencies>> = thread::scope(|scope| {
            let asked = (0..CONNECTIONS).map(|number| {
                let phase = every.unwrap_or_default() * (number as u32) / (CONNECTIONS as u32);
                scope.spawn(move || self.ask(company, number, (began + phase, every)))
            });
            let asked: Vec<_> = asked.collect();
            let stopped = || Err(Broken("a connection panicked".into()));
            asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| stopped())).collect()
        });
        let (cpu, wall) = (cpu_seconds_of(&api)? - cpu, began.elapsed().as_secs_f64());
        let mut all = Latencies::default();
        for latencies in answered {
            all.extend(latencies?);
        }
        let count = all.len() as f64;
        let mut figures = all.figures("cached-feed", "");
        figures.per_second = Some(count / wall);
        figures.server_cpu_micros = Some(cpu * 1e6 / count.max(1.0));
        Ok(figures)
    }

    fn ask(
        &self,
        company: &Company,
        reader: usize,
        (first, every): (Instant, Option<Duration>),
    ) -> Result<Latencies> {
        let mut caller = company.caller(reader)?;
        Feed::cached(&mut caller, 1)?;
        let mut latencies = Latencies::default();
        let mut next = first;
        while first.elapsed() < self.span {
            match every {
                Some(every) => {
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                    next += every;
                }
                None => next = Instant::now(),
            }
            let due = every.map_or(next, |every| next - every);
            let (status, _) = caller.get(PAGE)?;
            if status != 200 {
                return Err(Broken(format!("a feed was answered with {status}")));
            }
            latencies.push(due.elapsed());
        }
        Ok(latencies)
    }
}
