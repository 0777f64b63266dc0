//! Files that are damaged, foreign, newer or in use: each is refused with a sentence of its own.

use std::fs;
use std::path::{Path, PathBuf};

use gantry_db::{Db, Error, Table};
use gantry_types::ErrorKind;

const ROWS: Table<String> = Table::new("rows");

struct Scratch {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn scratch() -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.db");
    Scratch { _folder: folder, path }
}

fn fill(path: &Path, rows: usize) {
    let db = Db::open(path).unwrap();
    db.write(|tx| {
        for row in 0..rows {
            ROWS.put(tx, &format!("{row:08}"), &"x".repeat(100))?;
        }
        Ok::<_, Error>(())
    })
    .unwrap();
}

fn sqlite(path: &Path, statements: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

#[test]
fn records_are_there_after_reopening() {
    let file = scratch();
    fill(&file.path, 1000);
    let db = Db::open(&file.path).unwrap();
    assert_eq!(db.read(|tx| ROWS.count(tx)).unwrap(), 1000);
}

#[test]
fn garbage_is_called_damaged_and_named() {
    let file = scratch();
    fs::write(&file.path, "<html>not a database</html>".repeat(300)).unwrap();
    let error = Db::open(&file.path).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains(file.path.to_str().unwrap()), "{error}");
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn damage_in_the_middle_is_found_when_opening() {
    let file = scratch();
    fill(&file.path, 2000);
    let mut bytes = fs::read(&file.path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&file.path, bytes).unwrap();
    let error = Db::open(&file.path).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. } | Error::Unsound { .. }), "{error:?}");
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[test]
fn a_cut_file_is_called_damaged() {
    let file = scratch();
    fill(&file.path, 2000);
    let length = fs::metadata(&file.path).unwrap().len();
    fs::File::options().write(true).open(&file.path).unwrap().set_len(length / 2).unwrap();
    let error = Db::open(&file.path).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[test]
fn an_empty_file_becomes_a_store() {
    let file = scratch();
    fs::write(&file.path, "").unwrap();
    fill(&file.path, 1);
}

#[test]
fn databases_of_others_are_left_alone() {
    let file = scratch();
    sqlite(&file.path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);");
    let error = Db::open(&file.path).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
    sqlite(&file.path, "SELECT x FROM theirs; PRAGMA application_id = 99;");
    let error = Db::open(&file.path).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
}

#[test]
fn a_newer_file_is_refused() {
    let file = scratch();
    fill(&file.path, 1);
    sqlite(&file.path, "PRAGMA user_version = 99;");
    let error = Db::open(&file.path).unwrap_err();
    let expected = format!(
        "metadata file {} has format 99, this Gantry knows up to 1: use a newer Gantry",
        file.path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let file = scratch();
    let first = Db::open(&file.path).unwrap();
    let error = Db::open(&file.path).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    drop(first);
    Db::open(&file.path).unwrap();
}

#[test]
fn a_missing_folder_is_an_error_that_names_the_file() {
    let error = Db::open(Path::new("/nonexistent/meta.db")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/meta.db"), "{error}");
}

#[test]
fn threads_share_one_store() {
    let file = scratch();
    let db = Db::open(&file.path).unwrap();
    let count: Table<u64> = Table::new("count");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    db.write(|tx| {
                        let before = count.get(tx, "n")?.unwrap_or(0);
                        count.put(tx, "n", &(before + 1))
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(db.read(|tx| count.get(tx, "n")).unwrap(), Some(400));
}

#[test]
fn a_checkpoint_empties_the_log() {
    let file = scratch();
    let db = Db::open(&file.path).unwrap();
    db.write(|tx| ROWS.put(tx, "a", &"x".repeat(100_000))).unwrap();
    let log = file.path.with_extension("db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 100_000);
    db.checkpoint().unwrap();
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
}
