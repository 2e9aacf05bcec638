//! A TRUNCATE in the database: the dead letter names the command that repairs what it leaves here.

use millstream::broker::kafka::{Kafka, KafkaSettings};

use crate::poison::dead_letters;
use crate::world::World;
use crate::{AUTHOR, LIKER, POST, READER, write_the_first_rows};

#[test]
fn the_command_that_the_dead_letter_of_a_truncate_names_deletes_the_rows_of_before_and_no_other() {
    let world = World::start();
    write_the_first_rows(&world);
    like(&world, LIKER);
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.likes(POST) == 1);

    world.sql("TRUNCATE likes");
    like(&world, AUTHOR);
    // Nothing tells which rows went: both likes count.
    world.feed_when(READER, |feed| feed.likes(POST) == 2);
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let letters = dead_letters(&kafka, "feedmill-dead-letters", 1);
    let letter = &letters[0];
    assert_eq!((letter.topic.as_str(), letters.len()), ("cdc.likes", 1));
    let (told, command) = letter.error.split_once("; its rows are deleted by: feedmill ").unwrap();
    assert!(told.ends_with("the table was truncated, state is unchanged"), "{told}");

    let words: Vec<_> = command.split(' ').collect();
    let wrong = ["cdc", "truncate", "likes", "--lsn", "999999999999"];
    let (code, _, words_of_it) = world.ended(&wrong);
    assert_eq!(code, Some(5), "{words_of_it}");
    assert!(words_of_it.contains("tells of no TRUNCATE at 999999999999"), "{words_of_it}");
    let dry = [&words[..], &["--dry-run"]].concat();
    let counted = |words: &[&str]| world.run(words);
    assert_eq!(counted(&dry), (true, "cdc.likes: 3 records, 1 rows would be deleted\n".into()));
    assert_eq!(counted(&words), (true, "cdc.likes: 3 records, 1 rows deleted\n".into()));
    world.feed_when(READER, |feed| feed.source() == "redis" && feed.likes(POST) == 1);
    // Repeated it finds nothing to delete.
    assert_eq!(counted(&words), (true, "cdc.likes: 4 records, 0 rows deleted\n".into()));
}

fn like(world: &World, who: &str) {
    world.sql(&format!(
        "INSERT INTO likes (id, post_id, user_id) VALUES (gen_random_uuid(), '{POST}', '{who}')"
    ));
}
