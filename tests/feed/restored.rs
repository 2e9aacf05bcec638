//! A database that was restored from a backup: its log begins again at lower positions, and state may be made of all of it.

use millstream::Result;
use topologies::feed::FeedSettings;
use topologies::ingest::epochs::CdcEpochs;
use worlds::history::{FollowRow, Image, Payload, RowChange};

use crate::stage::{AUTHOR, HOUR, NOON, READER, Stage};

/// What the reader is shown once the restored database has deleted a follow that was of a high position before. The epoch was raised
/// then; `restored_at` are the times that are told of it.
fn shown_after_it(restored_at: &[i64]) -> Result<Vec<u8>> {
    let cdc_epochs = CdcEpochs { epoch: 1, restored_at_ms: restored_at.into() };
    let mut stage = Stage::of(&FeedSettings { cdc_epochs, ..FeedSettings::default() })?;
    stage.post(4, AUTHOR, stage.now() - HOUR)?;
    let (key, created_at) = (vec![READER, AUTHOR], stage.now());
    let row = FollowRow { follower: READER, followee: AUTHOR, created_at };
    let change = RowChange { lsn: 1 << 40, key: key.clone(), image: Image::Live(row) };
    stage.log(Payload::Follow(change))?;
    stage.read(READER)?;
    stage.advance_to(NOON + 2 * HOUR)?;
    assert_eq!(stage.last()?.posts, [4]);
    let deleted = RowChange { lsn: 9, key, image: Image::DeletedByKey };
    stage.log(Payload::Follow(deleted))?;
    stage.read(READER)?;
    stage.advance_ms(HOUR)?;
    Ok(stage.last()?.posts)
}

#[test]
fn rows_of_after_a_restoration_win_over_those_of_before_where_its_time_is_told() -> Result<()> {
    assert_eq!(shown_after_it(&[NOON + HOUR])?, [0; 0]);
    assert_eq!(shown_after_it(&[])?, [4], "all of it is taken for one log");
    Ok(())
}
