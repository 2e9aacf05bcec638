//! What state on disk promises beyond the contract of every store.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::contract::{changes, checkpoint, columns, open, rows, task};
use super::super::{Checkpoint, Column, Committed, StateChanges, StateReader, Stores};
use super::{RocksStores, move_aside, remove};
use crate::error::{Fault, Result};
use crate::record::TaskId;

const A: Column = Column(0);
const B: Column = Column(1);

fn at(dir: &Path) -> RocksStores {
    RocksStores::new(dir, 8 << 20)
}

/// Where the state of the task lies below `dir`.
fn place(dir: &Path) -> PathBuf {
    dir.join("counts").join("2")
}

/// What a kill would leave now: the files as they are, without what is only in memory.
fn crash_image(of: &TempDir) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    copy_as_killed(&place(of.path()), &place(image.path()));
    image
}

/// Copies a database that is open, as of one moment: table files never change, so if the manifest says the
/// same before and after, and no file went, that moment is any in between.
pub(in crate::store) fn copy_as_killed(from: &Path, to: &Path) {
    let copied = || -> io::Result<bool> {
        let before = manifests(from)?;
        fs::create_dir_all(to)?;
        for file in fs::read_dir(from)? {
            let file = file?;
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
        Ok(manifests(from)? == before)
    };
    while !copied().unwrap_or_default() {
        fs::remove_dir_all(to).unwrap();
    }
}

fn manifests(of: &Path) -> io::Result<BTreeMap<OsString, u64>> {
    let mut sizes = BTreeMap::new();
    for file in fs::read_dir(of)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("MANIFEST") {
            sizes.insert(file.file_name(), file.metadata()?.len());
        }
    }
    Ok(sizes)
}

#[test]
fn what_was_closed_opens_with_its_marks() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&at(dir.path()))?;
    store.apply(&changes(&[(A, "k", Some("1"))]), &checkpoint(5), &Committed::mint())?;
    store.close()?;
    let store = open(&at(dir.path()))?;
    assert_eq!((rows(&*store.reader(), A)?, store.checkpoint()?), ("k=1".into(), checkpoint(5)));
    Ok(())
}

#[test]
fn columns_are_found_by_name_and_a_new_one_is_empty() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&at(dir.path()))?;
    let batch = changes(&[(A, "k", Some("1")), (B, "k", Some("2"))]);
    store.apply(&batch, &checkpoint(5), &Committed::mint())?;
    store.close()?;
    let store = at(dir.path()).open(&task(), &columns(&["new", "b", "a"]))?;
    let reader = store.reader();
    let shown = (rows(&*reader, A)?, rows(&*reader, B)?, rows(&*reader, Column(2))?);
    assert_eq!(shown, (String::new(), "k=2".into(), "k=1".into()));
    assert_eq!(store.checkpoint()?.changelog, None, "what the new one lacks is in the log");
    Ok(())
}

#[test]
fn a_crash_leaves_the_batches_up_to_the_last_flush_with_their_marks() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    let mut store = open(&stores)?;
    let batch = changes(&[(A, "k", Some("1")), (B, "k", Some("1"))]);
    store.apply(&batch, &checkpoint(1), &Committed::mint())?;
    let flush = store.flusher();
    std::thread::spawn(flush).join().unwrap()?;
    store.apply(
        &changes(&[(A, "k", Some("2")), (B, "l", Some("2"))]),
        &checkpoint(2),
        &Committed::mint(),
    )?;
    let image = crash_image(&dir);
    let after = open(&at(image.path()))?;
    let reader = after.reader();
    assert_eq!((rows(&*reader, A)?, rows(&*reader, B)?), ("k=1".into(), "k=1".into()));
    assert_eq!(after.checkpoint()?, checkpoint(1));
    Ok(())
}

/// Enough changes for a file of their own: key `0` many times, `1` put and then removed, a filler.
fn large_restore() -> StateChanges {
    let mut changes = StateChanges::default();
    let filler = vec![b'x'; 1 << 20];
    changes.push(A, b"1", Some(b"gone"));
    for turn in 0..6 {
        changes.push(A, b"0", Some(turn.to_string().as_bytes()));
        changes.push(B, b"filler", Some(&filler));
    }
    changes.push(A, b"1", None);
    changes
}

#[test]
fn a_large_restore_keeps_the_last_change_of_each_key() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    let mut store = open(&stores)?;
    store.restore(
        &changes(&[(A, "0", Some("old")), (A, "1", Some("old")), (A, "2", Some("old"))]),
        &checkpoint(1),
    )?;
    store.restore(&large_restore(), &checkpoint(2))?;
    assert_eq!(
        (rows(&*store.reader(), A)?, store.checkpoint()?),
        ("0=5 2=old".into(), checkpoint(2))
    );
    store.restore(&changes(&[(A, "0", None)]), &checkpoint(3))?;
    store.close()?;
    let store = open(&stores)?;
    assert_eq!((rows(&*store.reader(), A)?, store.checkpoint()?), ("2=old".into(), checkpoint(3)));
    Ok(())
}

#[test]
fn a_crash_after_a_large_restore_never_leaves_marks_ahead_of_the_data() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    let mut store = open(&stores)?;
    store.restore(&large_restore(), &checkpoint(2))?;
    let image = crash_image(&dir);
    let after = open(&at(image.path()))?;
    assert_eq!(rows(&*after.reader(), A)?, "0=5");
    assert!([Checkpoint::default(), checkpoint(2)].contains(&after.checkpoint()?));
    Ok(())
}

#[test]
fn a_wiped_task_is_empty_and_leaves_no_files() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    let mut store = open(&stores)?;
    store.apply(&changes(&[(A, "k", Some("1"))]), &checkpoint(5), &Committed::mint())?;
    store.close()?;
    stores.wipe(&task())?;
    stores.wipe(&task())?;
    assert_eq!(fs::read_dir(dir.path().join("counts")).unwrap().count(), 0);
    let store = open(&stores)?;
    assert_eq!(
        (rows(&*store.reader(), A)?, store.checkpoint()?),
        (String::new(), Checkpoint::default())
    );
    Ok(())
}

#[test]
fn damaged_state_is_moved_aside_and_opens_empty() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    let mut store = open(&stores)?;
    store.apply(&changes(&[(A, "k", Some("1"))]), &checkpoint(5), &Committed::mint())?;
    store.close()?;
    let place = dir.path().join("counts");
    fs::write(place.join("2").join("CURRENT"), "nonsense").unwrap();
    let store = open(&stores)?;
    assert_eq!(
        (rows(&*store.reader(), A)?, store.checkpoint()?),
        (String::new(), Checkpoint::default())
    );
    assert!(place.join("2.damaged").is_dir());
    Ok(())
}

type Ruin = fn(&Path) -> io::Result<()>;

/// The ways in which a file of state may be found.
const RUINS: [(&str, Ruin); 5] = [
    ("gone", |file| fs::remove_file(file)),
    ("empty", |file| fs::write(file, "")),
    ("cut", |file| fs::write(file, &fs::read(file)?[..fs::metadata(file)?.len() as usize / 2])),
    ("nonsense", |file| fs::write(file, [0xa5; 500])),
    ("a directory", |file| fs::remove_file(file).and_then(|()| fs::create_dir(file))),
];

#[test]
fn whichever_file_is_gone_empty_cut_nonsense_or_a_directory_state_opens_whole_or_empty()
-> Result<()> {
    let kept = tempfile::tempdir().unwrap();
    let mut store = open(&at(kept.path()))?;
    store.apply(&changes(&[(A, "k", Some("1"))]), &checkpoint(5), &Committed::mint())?;
    store.close()?;
    let kept = place(kept.path());
    let names = fs::read_dir(&kept).unwrap().map(|file| file.unwrap().file_name());
    for name in names.collect::<Vec<_>>() {
        for (how, ruin) in RUINS {
            let what = format!("{} is {how}", name.display());
            let dir = tempfile::tempdir().unwrap();
            let place = place(dir.path());
            copy_as_killed(&kept, &place);
            ruin(&place.join(&name)).unwrap();
            let store = open(&at(dir.path())).unwrap_or_else(|fault| panic!("{what}: {fault}"));
            let found = (rows(&*store.reader(), A)?, store.checkpoint()?);
            let is_whole = found == ("k=1".to_owned(), checkpoint(5));
            let is_empty = found == (String::new(), Checkpoint::default());
            assert!(is_whole || is_empty, "{what}: {found:?}");
            store.close()?;
        }
    }
    Ok(())
}

#[test]
fn state_that_is_a_file_is_set_aside() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    fs::create_dir(dir.path().join("counts")).unwrap();
    for _ in 0..2 {
        fs::write(&place, "a file").unwrap();
        open(&at(dir.path()))?.close()?;
        fs::remove_dir_all(&place).unwrap();
    }
    assert!(place.with_extension("damaged").is_file());
    Ok(())
}

#[test]
fn state_that_cannot_be_opened_and_is_whole_stays_where_it_is() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    let mut store = open(&stores)?;
    store.apply(&changes(&[(A, "k", Some("1"))]), &checkpoint(5), &Committed::mint())?;
    store.close()?;
    let held = stores.open_at(&place(dir.path()), &columns(&["a", "b"])).ok().unwrap();
    assert!(matches!(open(&stores).map(drop), Err(Fault::Retry(_))), "RocksDB's own lock is held");
    drop(held);
    assert_eq!(open(&stores)?.checkpoint()?, checkpoint(5));
    assert!(!dir.path().join("counts").join("2.damaged").exists());
    Ok(())
}

/// Closes a store of a thousand rows and flips a byte amid the rows of its largest file.
fn damaged_amid_its_rows(dir: &Path) -> Result<()> {
    let mut store = open(&at(dir))?;
    let mut batch = StateChanges::default();
    for row in 0..1_000_u16 {
        batch.push(A, &row.to_be_bytes(), Some(&[b'x'; 100]));
    }
    store.apply(&batch, &checkpoint(5), &Committed::mint())?;
    store.close()?;
    let files = fs::read_dir(place(dir)).unwrap().map(|file| file.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|name| name == "sst"));
    let largest = tables.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[1_000] ^= 0xff;
    fs::write(&largest, bytes).unwrap();
    Ok(())
}

/// Damage is met by `read`, and the next opening is empty.
fn heals_what_is_met_by(read: impl Fn(&dyn StateReader) -> Result<()>) -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    damaged_amid_its_rows(dir.path())?;
    let stores = at(dir.path());
    let store = open(&stores)?;
    assert!(!store.is_damaged(), "nobody has read it yet");
    assert_eq!(store.checkpoint()?, checkpoint(5));
    assert!(matches!(read(&*store.reader()), Err(Fault::Retry(_))));
    assert!(store.is_damaged());
    drop(store.close());
    let store = open(&stores)?;
    let left = (rows(&*store.reader(), A)?, store.checkpoint()?);
    assert_eq!(left, (String::new(), Checkpoint::default()));
    assert!(!store.is_damaged());
    assert!(dir.path().join("counts").join("2.damaged").is_dir());
    Ok(())
}

#[test]
fn a_disk_that_damages_state_again_and_again_is_left_alone() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    for _ in 0..2 {
        open(&stores)?.close()?;
        fs::write(place(dir.path()).join("CURRENT"), "nonsense").unwrap();
        open(&stores)?.close()?;
    }
    fs::write(place(dir.path()).join("CURRENT"), "nonsense").unwrap();
    let words = "state was damaged three times within an hour: look at the disk";
    assert_eq!(open(&stores).map(drop), Err(Fault::Fatal(words.into())));
    Ok(())
}

#[test]
fn damage_that_a_lookup_meets_is_told_and_the_next_opening_is_empty() -> Result<()> {
    heals_what_is_met_by(|reader| {
        let mut keys = (0..1_000_u16).map(u16::to_be_bytes);
        keys.try_for_each(|key| reader.fetch(A, &key, &mut Vec::new()).map(drop))
    })
}

#[test]
fn damage_that_a_scan_meets_is_told_and_the_next_opening_is_empty() -> Result<()> {
    heals_what_is_met_by(|reader| rows(reader, A).map(drop))
}

#[test]
fn a_directory_that_another_holds_is_refused() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let held = open(&at(dir.path()))?;
    assert!(matches!(open(&at(dir.path())).map(drop), Err(Fault::Retry(_))));
    held.close()
}

#[test]
fn names_that_are_not_plain_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut task = task();
    for name in ["../elsewhere", "", ".hidden", "a/b"] {
        task.sub_topology = name.into();
        let refused = at(dir.path()).open(&task, &columns(&["a"])).map(drop);
        let why = format!("{name:?} cannot name a state directory");
        assert_eq!(refused, Err(Fault::Fatal(why)));
    }
    let refused = at(dir.path()).open(&super::super::contract::task(), &columns(&["default"]));
    assert_eq!(refused.map(drop), Err(Fault::Fatal("no store can be called \"default\"".into())));
}

#[test]
fn many_tasks_that_write_little_take_little_of_what_write_buffers_may() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = RocksStores::new(dir.path(), 64 << 20);
    let mut opened = Vec::new();
    for partition in 0..40 {
        let task = TaskId { partition, ..task() };
        let mut store = stores.open(&task, &columns(&["a", "b"]))?;
        let mut batch = StateChanges::default();
        for row in 0..64_u8 {
            batch.push(A, &[row; 16], Some(&[row; 64]));
            batch.push(B, &[row; 16], Some(&[row; 64]));
        }
        store.apply(&batch, &checkpoint(5), &Committed::mint())?;
        opened.push(store);
    }
    let used = stores.memory().into_iter().find(|part| part.part == "write_buffers");
    let bytes = used.and_then(|part| part.bytes);
    assert!(bytes.is_some_and(|bytes| bytes < 8 << 20), "{bytes:?}");
    Ok(())
}

fn tables(of: &TempDir) -> usize {
    let files = fs::read_dir(place(of.path())).unwrap();
    let names = files.map(|file| file.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|name| name == "sst")).count()
}

#[test]
fn a_megabyte_waits_in_write_buffers_for_the_next_flush() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&RocksStores::new(dir.path(), 64 << 20))?;
    for row in 0..16_u8 {
        let mut batch = StateChanges::default();
        batch.push(A, &[row], Some(&vec![row; 64 << 10]));
        store.apply(&batch, &checkpoint(row.into()), &Committed::mint())?;
    }
    assert_eq!(tables(&dir), 0);
    store.flusher()()?;
    assert!(tables(&dir) > 0);
    Ok(())
}

#[test]
fn a_small_restore_waits_for_the_next_flush() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&at(dir.path()))?;
    store.restore(&changes(&[(A, "k", Some("1"))]), &checkpoint(1))?;
    assert_eq!((rows(&*store.reader(), A)?, tables(&dir)), ("k=1".into(), 0));
    Ok(())
}

#[test]
fn a_flush_whose_files_are_gone_is_told_and_is_damage() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let stores = at(dir.path());
    let mut store = open(&stores)?;
    store.apply(&changes(&[(A, "k", Some("1"))]), &checkpoint(1), &Committed::mint())?;
    fs::remove_dir_all(place(dir.path())).unwrap();
    assert!(matches!(store.flusher()(), Err(Fault::Retry(_))));
    assert!(store.is_damaged());
    drop(store.close());
    assert_eq!(open(&stores)?.checkpoint()?, Checkpoint::default());
    Ok(())
}

#[test]
fn a_store_that_closes_and_cannot_flush_says_so() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&at(dir.path()))?;
    store.apply(&changes(&[(A, "k", Some("1"))]), &checkpoint(1), &Committed::mint())?;
    fs::remove_dir_all(place(dir.path())).unwrap();
    assert!(matches!(store.close(), Err(Fault::Retry(_))));
    Ok(())
}

#[test]
fn write_buffers_may_take_a_quarter_and_blocks_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let memory = RocksStores::new(dir.path(), 64 << 20).memory();
    let bounds: Vec<_> = memory.into_iter().map(|part| (part.part, part.bytes_max)).collect();
    let expected = [("write_buffers", Some(16 << 20)), ("block_cache", Some(48 << 20))];
    assert_eq!(bounds, expected);
}

#[test]
fn what_cannot_be_moved_or_removed_is_told_and_what_is_not_there_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (file, gone) = (dir.path().join("file"), dir.path().join("gone"));
    fs::write(&file, "no directory").unwrap();
    let beneath = remove(&file.join("beneath"));
    assert_eq!(beneath.map_err(|e| e.kind()), Err(io::ErrorKind::NotADirectory));
    assert_eq!(remove(&gone).map_err(|e| e.kind()), Ok(()));
    let into_itself = move_aside(dir.path(), &dir.path().join("aside"));
    assert_eq!(into_itself.map_err(|e| e.kind()), Err(io::ErrorKind::InvalidInput));
    assert_eq!(move_aside(&gone, &dir.path().join("aside")).map_err(|e| e.kind()), Ok(()));
}

/// Where the child of the next test finds its state.
const FEW_FILES: &str = "MILLSTREAM_TEST_FEW_FILES";

#[test]
fn state_that_finds_too_many_files_open_is_kept_and_tried_again() -> Result<()> {
    let task = |partition| TaskId { sub_topology: "counts".into(), partition };
    if let Some(dir) = std::env::var_os(FEW_FILES) {
        let stores = RocksStores::new(dir, 8 << 20);
        let mut held = Vec::new();
        let refused = (0..12).find_map(|partition| {
            let opened = stores.open(&task(partition), &columns(&["a", "b"]));
            opened.map(|store| held.push(store)).err()
        });
        assert!(matches!(refused, Some(Fault::Retry(_))), "{refused:?} after {}", held.len());
        return Ok(());
    }
    let dir = tempfile::tempdir().unwrap();
    for partition in 0..12 {
        at(dir.path()).open(&task(partition), &columns(&["a", "b"]))?.close()?;
    }
    let name = "store::rocks::tests::state_that_finds_too_many_files_open_is_kept_and_tried_again";
    // One after the other, each of the files that an opening needs is the one too many.
    for limit in 40..64 {
        let child = std::process::Command::new("sh")
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" --exact \"$1\"")])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(FEW_FILES, dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "of {limit} files: {said}");
    }
    let aside = fs::read_dir(dir.path().join("counts")).unwrap().map(|file| file.unwrap().path());
    assert_eq!(aside.filter(|path| path.extension().is_some()).count(), 0, "nothing was set aside");
    Ok(())
}
