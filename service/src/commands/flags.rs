//! Flags, asked for by operators: listed, set, and who changed them.

use std::env;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;

use millstream::Exit;
use millstream::broker::Broker;
use schemas::iso_time;

use super::json::pretty;
use crate::cli::{Flags, SetFlags as Asked};
use crate::failed::Failed;
use crate::flags::{Change, Flag, Flagging, Outcome, SetFlags, Setting, Wanted, told};

/// Does what was asked for; answers what is to be printed.
pub fn run(broker: &dyn Broker, app: &str, asked: &Flags) -> Result<String, Failed> {
    let flags = Flagging { broker, app };
    match asked {
        Flags::List { json: false } => Ok(table(&flags.set()?)),
        Flags::List { json: true } => pretty(&told::Flags::from(&flags.set()?)),
        Flags::Set(asked) => set(flags, asked),
        Flags::History { limit, json } => {
            let changes = flags.changes()?;
            let older = changes.len().saturating_sub(*limit as usize);
            let newest = changes.into_iter().skip(older);
            match json {
                true => pretty(&newest.map(told::Told::from).collect::<Vec<_>>()),
                false => Ok(newest.map(|change| line(&change)).collect()),
            }
        }
    }
}

fn set(flags: Flagging<'_>, asked: &Asked) -> Result<String, Failed> {
    let who = asked.who.clone().unwrap_or_else(somebody);
    let wanted = Wanted { flags: asked.flags.clone(), who, why: asked.why.clone(), seen: None };
    match flags.put(&wanted)? {
        Outcome::Changed(changes, _) if changes.is_empty() => {
            Ok("nothing was changed: it is so already\n".to_owned())
        }
        Outcome::Changed(changes, _) => Ok(changes.iter().map(line).collect()),
        Outcome::Outdated(_) => {
            Err(Failed(Exit::Mismatch, "somebody else changed flags meanwhile".to_owned()))
        }
    }
}

/// The user of this machine.
fn somebody() -> String {
    let name = ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok());
    let host = env::var("HOSTNAME").ok();
    let host = host.or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    let host = host.map(|host| format!("@{}", host.trim())).unwrap_or_default();
    // Of a container or a job nobody may have set them: there is a number at least.
    let number = || std::fs::metadata("/proc/self").ok().map(|of| format!("uid {}", of.uid()));
    format!("{}{host}", name.or_else(number).unwrap_or_else(|| "somebody".to_owned()))
}

fn table(set: &SetFlags) -> String {
    let mut out = String::new();
    for flag in Flag::ALL {
        let _ = write!(out, "{:<16} {:<5}", flag.name(), set.value(flag).to_string());
        let _ = match set.setting(flag) {
            None => writeln!(out, " never set"),
            Some(Setting { version, at_ms, who, why, .. }) => {
                writeln!(out, " version {version}, {} by {who}: {why}", iso_time(*at_ms))
            }
        };
    }
    out
}

fn line(change: &Change) -> String {
    let Change { flag, from, to: Setting { value, version, at_ms, who, why } } = change;
    format!("version {version}, {} by {who}: {flag} {from} -> {value}: {why}\n", iso_time(*at_ms))
}
