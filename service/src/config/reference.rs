//! The page of all settings: what was read, beside the words for it.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::effect::Effect;
use super::values::{Known, KnownSettings, variable};
use super::words::{SETTINGS, TABLES};

const HEAD: &str = "# Configuration

Made of the code by `feedmill generate configuration`; a test compares them.

A setting is in the file that `--config` (or `FEEDMILL_CONFIG`) names, in TOML, or in the environment, which wins: both names stand
below. A list is `[\"a\", \"b\"]` in the file, or `a,b` in either. Times end in `_ms`. What is faulty is told all at once, with exit code 2,
and nothing starts. A process reads its file again when it changes, or on SIGHUP: what is said to change at once does so, the rest is told of and waits for
a restart, and a faulty file changes nothing. `feedmill --print-config` shows what holds, and where each value came from.
";

/// The page, as Markdown; else which settings have no words, and which words are of no setting.
pub fn page(known: &KnownSettings) -> Result<String, String> {
    let (told, read): (BTreeSet<_>, BTreeSet<_>) = (
        SETTINGS.iter().map(|(name, _)| *name).collect(),
        known.keys().map(String::as_str).collect(),
    );
    let tables: BTreeSet<_> = TABLES.iter().map(|(table, _)| *table).collect();
    let wordless = read.difference(&told).map(|name| format!("{name}: has no words"));
    let unread = told.difference(&read).map(|name| format!("{name}: is no setting"));
    let astray = told.iter().filter(|name| !tables.contains(table_of(name)));
    let astray = astray.map(|name| format!("{name}: its table has no words"));
    let faults: Vec<_> = wordless.chain(unread).chain(astray).collect();
    if !faults.is_empty() {
        return Err(format!("service/src/config/words.rs:\n{}\n", faults.join("\n")));
    }
    let mut page = HEAD.to_owned();
    for (table, about) in TABLES {
        let _ = write!(page, "\n## {table}\n\n{about}\n\n{COLUMNS}");
        for (name, words) in SETTINGS.iter().filter(|(name, _)| table_of(name) == *table) {
            if let Some(known) = known.get(*name) {
                page.push_str(&line(name, known, words));
            }
        }
    }
    Ok(page)
}

const COLUMNS: &str = "| setting, variable | takes | unless told | a change | what |\n| --- | --- | --- | --- | --- |\n";

fn table_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(table, _)| table)
}

fn line(name: &str, Known { takes, default }: &Known, words: &str) -> String {
    let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
    let words = words.replace('|', "\\|");
    let effect = match Effect::of(name) {
        Effect::AtOnce => "at once",
        Effect::Restart => "restart",
    };
    format!("| `{name}`<br>`{}` | {takes} | {default} | {effect} | {words} |\n", variable(name))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_setting_without_words_and_words_without_a_setting_are_told() {
        let known = Known { takes: "a text".to_owned(), default: String::new() };
        let faults = page(&KnownSettings::from([("http.colour".to_owned(), known)])).unwrap_err();
        assert!(faults.contains("\nhttp.colour: has no words\n"), "{faults}");
        assert!(faults.contains("\nhttp.listen: is no setting\n"), "{faults}");
    }

    #[test]
    fn what_a_setting_takes_is_told_as_its_faults_tell_it() {
        let page = Config::reference().unwrap();
        for line in [
            "| `redis.wait_ms`<br>`FEEDMILL_REDIS__WAIT_MS` | a number from 1 to 86400000 | `50` | restart | ",
            "| `worker.memory`<br>`FEEDMILL_WORKER__MEMORY` | a size from 64.0 MiB to 1.0 TiB, such as 512MiB | `1.0 GiB` | restart | ",
            "| `worker.threads`<br>`FEEDMILL_WORKER__THREADS` | a number from 1 to 256 | `the machine's cores` | restart | ",
            "| `redis.url`<br>`FEEDMILL_REDIS__URL` | a secret text |  | restart | ",
            "| `http.forwarded`<br>`FEEDMILL_HTTP__FORWARDED` | none, forwarded or x-forwarded-for | `none` | at once | ",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }

    #[test]
    #[cfg(feature = "kafka")]
    fn the_page_in_docs_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let page = Config::reference().unwrap();
        let is_equal = std::fs::read_to_string(path).is_ok_and(|text| text == page);
        assert!(is_equal, "feedmill generate configuration > docs/configuration.md");
    }
}
