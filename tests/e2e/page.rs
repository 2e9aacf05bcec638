//! The feed page as a person has it: the demonstration, in a real browser, at the width of a desk and at that of a hand.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tests::{Process, poll_until};

use crate::browser::Browser;
use crate::world::LONG;

/// A demonstration.
struct Demo {
    process: Process,
    _dir: TempDir,
}

impl Demo {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
        // It is killed at the end: what it would have removed goes with the directory.
        command.arg("demo").current_dir(dir.path()).env("TMPDIR", dir.path());
        for listener in ["LISTEN", "INTERNAL_LISTEN"] {
            command.env(format!("FEEDMILL_HTTP__{listener}"), "127.0.0.1:0");
        }
        let process = Process::spawn(&mut command, dir.path().join("log")).unwrap();
        Self { process, _dir: dir }
    }

    /// Where it says that it can be watched.
    fn url(&self) -> String {
        let url = || {
            let said = self.process.output().unwrap();
            let line = said.lines().find_map(|line| line.trim().strip_prefix("==>"))?;
            Some(line.strip_suffix("<==")?.trim().to_owned())
        };
        poll_until(LONG, url).unwrap_or_else(|_| panic!("{}", self.process.output().unwrap()))
    }
}

/// The posts of the feed, in their order.
const POSTS: &str = "[...document.querySelectorAll('.item:not(.gone)')].map(of => of.dataset.key)";

#[test]
fn a_person_watches_the_feed_in_a_browser_and_what_they_like_moves_it() {
    let (demo, browser) = (Demo::start(), Browser::start());
    let url = demo.url();
    for size in [(1280, 800), (360, 740)] {
        browser.resize(size);
        browser.open(&url);
        browser.wait("it is followed", "document.querySelector('[data-is=live]') !== null");
        browser.wait("a feed", &format!("{POSTS}.length > 5"));
        browser
            .wait("names", "document.querySelector('.item .author')?.textContent.startsWith('@')");
        it_fits(&browser);
        it_is_what_the_api_answers(&browser);
        a_like_moves_it(&browser);
        a_key_asks_why(&browser);
        a_key_hides_and_another_takes_it_back(&browser);
        all_beside_can_be_reached(&browser);
    }
    another_reader_has_another_feed(&browser);
    let origin = url.strip_suffix("page").unwrap();
    assert_eq!(browser.complaints(origin), [""; 0]);
}

/// Nothing is cut off at the side, and each score is the sum of three parts that have bars.
fn it_fits(browser: &Browser) {
    let beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.look(beyond), 0);
    let parts = "[...document.querySelectorAll('.item:first-child .part')].map(of => Number(of.textContent))";
    let bars = "[...document.querySelectorAll('.item:first-child .bar > span')].map(of => parseFloat(of.style.width))";
    let sum = "Number(document.querySelector('.item:first-child .sum').textContent)";
    let [parts, bars] = [parts, bars].map(|of| {
        let found: Vec<f64> = serde_json::from_value(browser.look(of)).unwrap();
        found
    });
    assert_eq!((parts.len(), bars.len()), (3, 3));
    let sum = browser.wait("a score", sum).as_f64().unwrap();
    assert!((parts.iter().sum::<f64>() - sum).abs() < 0.01, "{parts:?} {sum}");
    assert!(bars.iter().any(|bar| *bar > 0.0), "{bars:?}");
}

/// Patch after patch, the page has the order that a read gives; looked at in one breath.
fn it_is_what_the_api_answers(browser: &Browser) {
    let read = "fetch('api/v1/feed?limit=30', {headers: {authorization: 'Bearer ' + sessionStorage['feedmill.token']}})";
    let posts = "items.map(of => of.post_id).join()";
    let same =
        format!("{read}.then(of => of.json()).then(({{items}}) => {posts} === {POSTS}.join())");
    browser.wait("both are the same", &same);
}

fn a_like_moves_it(browser: &Browser) {
    // The feed moves by itself: it may be another post that is first by then.
    let liked = poll_until(LONG, || {
        browser.click(".item:not([data-said]) .like");
        let liked = browser.look("document.querySelector('[data-said=like]')?.dataset.key");
        liked.as_str().map(str::to_owned)
    });
    let liked = liked.unwrap();
    browser.wait("it is gone", &format!("!{POSTS}.includes('{liked}')"));
    browser.wait("others are there", &format!("{POSTS}.length > 5"));
}

fn a_key_asks_why(browser: &Browser) {
    browser.press("j");
    browser.press("w");
    let told = "document.querySelector('#why[open] .verdict')?.textContent";
    let told = browser.wait("a reason", told);
    assert!(told.as_str().unwrap().contains("of the feed"), "{told}");
    assert_eq!(browser.look("document.querySelectorAll('#why tbody tr').length"), 4);
    browser.look("document.querySelector('#why').close()");
}

/// Whoever goes by keys keeps their place all the while.
fn a_key_hides_and_another_takes_it_back(browser: &Browser) {
    browser.press("j");
    let post = browser.look("document.activeElement.closest('.item').dataset.key");
    let post = post.as_str().unwrap();
    browser.press("h");
    browser.wait("it is hidden", &format!("!{POSTS}.includes('{post}')"));
    assert_eq!(browser.look("document.activeElement.closest('.item') !== null"), json!(true));
    browser.press("u");
    browser.wait("it is back", &format!("{POSTS}.includes('{post}')"));
    assert_eq!(browser.look("document.activeElement.closest('.item') !== null"), json!(true));
}

/// What stands beside the feed can be brought into sight from wherever the feed is.
fn all_beside_can_be_reached(browser: &Browser) {
    browser.look("scrollTo(0, 3000)");
    let seen = "(() => {
        const tab = document.querySelector('#tab-24h');
        if (!tab.checkVisibility()) return true;
        document.querySelectorAll('.more').forEach(of => of.checkVisibility() && of.click());
        return [tab, document.querySelector('#post')].every(of => {
            of.focus();
            const {top, bottom} = of.getBoundingClientRect();
            return top >= 50 && bottom <= innerHeight && scrollY > 1000;
        });
    })()";
    browser.wait("they are in sight", seen);
    browser.look("scrollTo(0, 0)");
}

fn another_reader_has_another_feed(browser: &Browser) {
    let before = browser.look("document.querySelector('#feed-title').textContent");
    browser.look(
        "(() => { const of = document.querySelector('#reader'); of.selectedIndex = 2; of.dispatchEvent(new Event('change')); })()",
    );
    browser.wait("another feed", &format!("{POSTS}.length > 5"));
    let after = browser.look("document.querySelector('#feed-title').textContent");
    assert!(before != after && after != json!(null), "{before} {after}");
}
