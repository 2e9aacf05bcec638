//! Which application is live, and how far the one beside it is.

use std::fmt::Write;
use std::thread;

use millstream::broker::Broker;
use schemas::{application, iso_time};
use serde::Serialize;

use super::rebuilt;
use crate::commands::json::pretty;
use crate::config::Config;
use crate::failed::Failed;
use crate::replay::inputs::Cut;
use crate::replay::look::{self, BETWEEN_LOOKS, Look};
use crate::replay::progress::Progress;
use crate::replay::{Checked, Register};

#[derive(Serialize)]
struct Status {
    live: String,
    epoch: u32,
    beside: Option<Beside>,
    removing: Option<String>,
    cut: Vec<Cut>,
}

#[derive(Serialize)]
struct Beside {
    application: String,
    /// Whether it is rebuilt, and was not live before.
    is_rebuilt: bool,
    members: usize,
    progress: Progress,
    left_s: Option<f64>,
    checked: Option<Checked>,
}

/// Tells it, in words or as JSON.
pub fn status(broker: &dyn Broker, config: &Config, is_json: bool) -> Result<String, Failed> {
    let standing = Register::of(broker, &config.app).read()?;
    let named = |number| application::numbered(application::first(&config.app), number);
    let beside = standing.beside.map(|of| -> Result<_, Failed> {
        let (members, progress) = seen(broker, &rebuilt(config, of.number))?;
        Ok(Beside {
            application: named(of.number),
            is_rebuilt: standing.rebuilt().is_some(),
            members,
            left_s: progress.left_s(),
            progress,
            checked: of.checked,
        })
    });
    let status = Status {
        live: named(standing.live),
        epoch: standing.epoch,
        beside: beside.transpose()?,
        removing: standing.removing.map(named),
        cut: look::cut(broker, config)?,
    };
    if is_json {
        return pretty(&status);
    }
    Ok(status.words())
}

fn seen(broker: &dyn Broker, config: &Config) -> Result<(usize, Progress), Failed> {
    let members = broker.admin().and_then(|mut admin| admin.members(&config.app));
    let members = members?;
    let mut look = Look::open(broker, config)?;
    look.again()?;
    thread::sleep(BETWEEN_LOOKS);
    Ok((members, look.again()?))
}

impl Status {
    fn words(&self) -> String {
        let Self { live, epoch, beside, removing, cut } = self;
        let mut out = format!("{live} is live, under epoch {epoch}\n");
        if let Some(Beside { application, is_rebuilt, members, progress, checked, .. }) = beside {
            let what = if *is_rebuilt { "is rebuilt beside it" } else { "was live before" };
            let _ = writeln!(out, "{application} {what}, instances: {members}; {progress}");
            let _ = match checked {
                None => writeln!(out, "  it was not compared yet"),
                Some(Checked { at_ms, readers, differ }) => {
                    let next = match *is_rebuilt && *readers > 0 && *differ == 0 {
                        true => ": `feedmill replay switch` makes it the live one",
                        false => "",
                    };
                    let at = iso_time(*at_ms);
                    writeln!(
                        out,
                        "  {differ} of {readers} feeds that were chosen at random differed at {at}{next}"
                    )
                }
            };
        }
        if let Some(removing) = removing {
            let _ = writeln!(out, "{removing} is to be removed: `feedmill replay abort` goes on");
        }
        cut.iter().for_each(|cut| {
            let _ = writeln!(out, "{cut}");
        });
        out
    }
}
