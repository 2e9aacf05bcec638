//! The console as an operator has it: two workers on real servers, in a real browser, at the width of a desk and at that of a hand.

use millstream::broker::kafka::{Kafka, KafkaSettings};

use crate::browser::Browser;
use crate::poison::produce;
use crate::world::World;
use crate::{POST, READER, write_the_first_rows};

/// The words of the cells of a table's rows.
fn rows(id: &str) -> String {
    format!(
        "[...document.querySelectorAll('#{id} tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    )
}

#[test]
fn an_operator_sees_what_both_workers_do_and_reads_their_state() {
    let (world, browser) = (World::start(), Browser::start());
    write_the_first_rows(&world);
    world.start_worker(1);
    world.feed_when(READER, |feed| feed.has(POST));
    let console = format!("{}/console", world.worker_url(0));
    browser.open(&console);
    browser.wait("the secret is asked for", "document.querySelector('#door')?.hidden === false");
    browser.look("document.querySelector('#secret').value = 'between-ourselves'");
    browser.look("document.querySelector('#door-form button').click()");

    browser.wait("the topology", "document.querySelectorAll('#graph [data-sub]').length > 5");
    browser.wait(
        "rates and lag",
        "document.querySelector('#graph [data-topic=\"by-user\"]').textContent.includes('/s')",
    );
    let instances = format!("new Set({}.map(row => row[0])).size === 2", rows("tasks"));
    browser.wait("both workers run tasks", &instances);
    let active = format!("{}.every(row => row[3] === 'active')", rows("tasks"));
    browser.wait("every task is run by somebody", &active);
    browser.wait(
        "commits are counted",
        "/\\d/.test(document.querySelector('#transactions dd').textContent)",
    );
    browser.wait("Kafka is up", &format!("{}.some(row => row[0] === 'kafka')", rows("health")));

    world.run(&["flags", "set", "page=off", "--why", "to look at it"]);
    browser.wait(
        "a flag that was set",
        &format!("{}.some(row => row[0] === 'page' && row[1] === 'off')", rows("flags")),
    );
    a_dead_letter_is_counted_and_read(&world, &browser);
    a_row_is_found_by_its_key(&browser);
    for size in [(1280, 900), (360, 740)] {
        browser.resize(size);
        browser.wait(
            "nothing is wider than the window",
            "document.documentElement.scrollWidth <= window.innerWidth",
        );
    }
    // A browser tells of every refusal, also of one that was to be expected: of the secret, and of a key that is none.
    let mut complaints = browser.complaints(&world.worker_url(0));
    complaints
        .retain(|of| !["of 401", "of 400", "of 404"].iter().any(|status| of.contains(status)));
    assert_eq!(complaints, [""; 0]);
}

fn a_dead_letter_is_counted_and_read(world: &World, browser: &Browser) {
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    produce(&kafka, "events", &[b"no event"]);
    browser.wait(
        "a letter is counted",
        &format!("{}.some(row => row[0] === 'events' && row[2] === 'decode')", rows("letters")),
    );
    browser.look("document.querySelector('#letters-read').click()");
    browser.wait("it can be read", &format!("/^\\d+@\\d+$/.test({}[0][0])", rows("letters")));
}

fn a_row_is_found_by_its_key(browser: &Browser) {
    let set = format!(
        "document.querySelector('#store').value = 'follow-rows'; document.querySelector('#key').value = '{READER}'"
    );
    browser.look(&set);
    browser.look("document.querySelector('#find').click()");
    let found = format!("{}.some(row => row[0].startsWith('{READER}'))", rows("rows"));
    browser.wait("the follow of the reader", &found);
}
