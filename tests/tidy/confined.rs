//! What may be said in one place only.

use crate::Finding;
use crate::scan;
use crate::source::Source;

/// `unsafe` lives where librdkafka's C interface is wrapped; the benchmarks speak to it raw.
pub(crate) fn unsafe_code(source: &Source) -> Vec<Finding> {
    let here = ["src/broker/kafka/ffi.rs", "src/broker/kafka/ffi/", "benches/"];
    if here.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    everywhere(source, "unsafe", "`unsafe` belongs into src/broker/kafka/ffi.rs")
}

/// librdkafka is one adapter of the port; nothing else of the library knows that it exists.
pub(crate) fn librdkafka(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("src/") || source.path.starts_with("src/broker/kafka/") {
        return Vec::new();
    }
    let words = ["rdkafka", "rdkafka_sys"];
    words
        .iter()
        .flat_map(|word| everywhere(source, word, "only src/broker/kafka names librdkafka"))
        .collect()
}

/// The proof of a commit is made where the commit is: made elsewhere it proves nothing. Tests of stores apply
/// without a broker.
pub(crate) fn minting(source: &Source) -> Vec<Finding> {
    if source.path.starts_with("src/task/") {
        return Vec::new();
    }
    let production = source.production();
    let minted = production.filter(|(_, line)| line.contains("Committed::mint"));
    minted.map(|(line, _)| Finding::at(line, "only src/task mints `Committed`")).collect()
}

/// A test that sleeps is slow when all is well and wrong when the machine is slow. `poll_until` waits for a fact.
pub(crate) fn sleeping(source: &Source) -> Vec<Finding> {
    if source.path == "tests/src/poll.rs" {
        return Vec::new();
    }
    let is_harness = source.path.starts_with("tests/src/");
    let harness = source.production().filter(|_| is_harness);
    let asleep = harness.chain(source.tests()).filter(|(_, line)| line.contains("sleep("));
    asleep
        .map(|(line, _)| Finding::at(line, "a test does not sleep: poll_until a fact holds"))
        .collect()
}

/// Not `follow`: what comes after something follows it in any library.
const FEED_WORDS: &[&str] = &[
    "feed",
    "feeds",
    "post",
    "posts",
    "follower",
    "followers",
    "followee",
    "like",
    "likes",
    "comment",
    "comments",
    "author",
    "authors",
    "trending",
    "debezium",
    "cdc",
    "feedmill",
];

/// The library knows Kafka's ideas and nothing of feeds: others should want it on its own.
pub(crate) fn feed_words(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    // HTTP's POST is no post.
    let speaks_http = source.path.starts_with("src/query/");
    let is_feeds =
        |word: &String| FEED_WORDS.contains(&word.as_str()) && !(speaks_http && word == "post");
    let named = source.production().flat_map(|(at, line)| {
        let words = scan::identifiers(line).flat_map(scan::words).filter(is_feeds);
        words
            .map(|word| Finding::at(at, format!("`{word}` is a word of the feed")))
            .collect::<Vec<_>>()
    });
    named.collect()
}

fn everywhere(source: &Source, word: &str, ask: &str) -> Vec<Finding> {
    scan::places(&source.code, word)
        .map(|at| Finding::at(scan::line_of(&source.code, at), ask))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asks;

    #[test]
    fn unsafe_code_outside_the_wrapper_is_reported() {
        let text =
            "// unsafe in words is fine\nfn a() { unsafe { b() } }\n#![forbid(unsafe_code)]\n";
        let asked = "2: `unsafe` belongs into src/broker/kafka/ffi.rs";
        assert_eq!(asks(unsafe_code, "src/broker/kafka/producer.rs", text), [asked]);
        assert_eq!(asks(unsafe_code, "src/broker/kafka/ffi.rs", text), [""; 0]);
    }

    #[test]
    fn librdkafka_named_outside_its_adapter_is_reported() {
        let text = "use rdkafka::Offset;\n";
        let asked = "1: only src/broker/kafka names librdkafka";
        assert_eq!(asks(librdkafka, "src/worker/mod.rs", text), [asked]);
        assert_eq!(asks(librdkafka, "src/broker/kafka/consumer.rs", text), [""; 0]);
    }

    #[test]
    fn a_commit_proved_outside_the_task_is_reported() {
        let text = "let proof = Committed::mint();\n";
        assert_eq!(
            asks(minting, "src/store/rocks.rs", text),
            ["1: only src/task mints `Committed`"]
        );
        assert_eq!(asks(minting, "src/task/commit.rs", text), [""; 0]);
    }

    #[test]
    fn a_test_that_sleeps_is_reported() {
        let text =
            "fn a() { thread::sleep(ms); }\n#[cfg(test)]\nmod tests {\n    thread::sleep(ms);\n}\n";
        let asked = "4: a test does not sleep: poll_until a fact holds";
        assert_eq!(asks(sleeping, "src/a.rs", text), [asked]);
        assert_eq!(
            asks(sleeping, "tests/kafka/kill.rs", "tokio::time::sleep(ms).await;\n").len(),
            1
        );
    }

    #[test]
    fn a_word_of_the_feed_in_the_library_is_reported() {
        let text = "// a post, as people say\nstruct PostStore;\n";
        assert_eq!(asks(feed_words, "src/store/a.rs", text), ["2: `post` is a word of the feed"]);
        assert_eq!(asks(feed_words, "topologies/src/a.rs", text), [""; 0]);
    }
}
