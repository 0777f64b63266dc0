//! rpm's database, as `SQLite` writes it: rows that go over many pages, tables of many pages, and a log that was not written back.

use std::cell::Cell;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use gantry_inventory::{Ecosystem, take};
use rusqlite::Connection;

use crate::databases::{of, write};
use crate::mischief::bytes_read;

const PLACE: &str = "usr/lib/sysimage/rpm/rpmdb.sqlite";

/// A header as it lies in the database, with so many bytes of something else behind it.
fn header(name: &str, version: &str, more: usize) -> Vec<u8> {
    let padding = "x".repeat(more) + "\0";
    let texts = [(1000, name), (1001, version), (1002, "1.fc41"), (1022, "x86_64"), (1014, "MIT")];
    let texts = texts.map(|(tag, text)| (tag, format!("{text}\0")));
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in
        texts.iter().map(|(tag, text)| (*tag, text.as_str())).chain([(1027, padding.as_str())])
    {
        for number in [tag, 6, u32::try_from(data.len()).unwrap(), 1] {
            index.extend_from_slice(&number.to_be_bytes());
        }
        data.extend_from_slice(text.as_bytes());
    }
    let counts = [index.len() / 16, data.len()].map(|count| u32::try_from(count).unwrap());
    [counts[0].to_be_bytes().to_vec(), counts[1].to_be_bytes().to_vec(), index, data].concat()
}

/// As rpm makes it.
fn database(root: &Path, page_bytes: u32, mode: &str) -> Connection {
    write(root, "etc/os-release", "ID=fedora\nVERSION_ID=41\n");
    write(root, PLACE, "");
    let database = Connection::open(root.join(PLACE)).unwrap();
    database.pragma_update(None, "page_size", page_bytes).unwrap();
    database.pragma_update(None, "journal_mode", mode).unwrap();
    let tables = "CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);\
         CREATE TABLE IF NOT EXISTS 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)";
    database.execute_batch(tables).unwrap();
    database
}

fn add(database: &Connection, header: &[u8]) {
    database.execute("INSERT INTO Packages (blob) VALUES (?1)", [header]).unwrap();
}

#[test]
fn packages_are_listed_whatever_their_size_and_that_of_pages() {
    for page_bytes in [512, 4096, 65_536] {
        let root = tempfile::tempdir().unwrap();
        let database = database(root.path(), page_bytes, "delete");
        for number in 0..300 {
            // From a fraction of a page to several hundred of them.
            add(&database, &header(&format!("p{number:03}"), "2:1.0", number * number));
        }
        drop(database);
        let inventory = of(root.path());
        let names: Vec<&str> = inventory.packages.iter().map(|one| one.name.as_str()).collect();
        let wanted: Vec<String> = (0..300).map(|number| format!("p{number:03}")).collect();
        assert_eq!(names, wanted, "{page_bytes}");
        let one = inventory.packages.first().unwrap();
        assert_eq!((one.ecosystem, one.license.as_str()), (Ecosystem::Rpm, "MIT"));
        assert_eq!(
            one.url(inventory.distribution.as_ref()),
            "pkg:rpm/fedora/p000@1.0-1.fc41?arch=x86_64&epoch=2&distro=fedora-41"
        );
    }
}

#[test]
fn what_is_in_the_log_counts_when_it_was_committed() {
    let root = tempfile::tempdir().unwrap();
    let mut database = database(root.path(), 4096, "wal");
    database.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    add(&database, &header("one", "1", 9000));
    add(&database, &header("two", "1", 10));
    let open = database.transaction().unwrap();
    add(&open, &header("never", "1", 10));
    // While nobody has written the log back.
    let copy = tempfile::tempdir().unwrap();
    for name in ["", "-wal"] {
        let bytes = fs::read(root.path().join(format!("{PLACE}{name}"))).unwrap();
        assert!(name.is_empty() || bytes.len() > 10_000, "the log has it all");
        write(copy.path(), &format!("{PLACE}{name}"), bytes);
    }
    let names: Vec<String> = of(copy.path()).packages.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn damaged_databases_end_the_reading_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let database = database(root.path(), 512, "delete");
    for number in 0..60 {
        add(&database, &header(&format!("p{number}"), "1", 300));
    }
    drop(database);
    let whole = fs::read(root.path().join(PLACE)).unwrap();
    for length in (0..whole.len()).step_by(97) {
        write(root.path(), PLACE, &whole[..length]);
        assert!(of(root.path()).packages.len() <= 60, "{length}");
    }
    // Pointers that lead anywhere, also in circles.
    for at in (0..whole.len()).step_by(31) {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            write(root.path(), PLACE, &damaged);
            of(root.path());
        }
    }
}

#[test]
fn rows_that_lie_in_one_another_are_not_read_again_and_again() {
    const PAGE: usize = 4096;
    let root = tempfile::tempdir().unwrap();
    let database = database(root.path(), 4096, "delete");
    add(&database, &header("large", "1", 1 << 20));
    for number in 0..12 {
        add(&database, &header(&format!("p{number}"), "1", 0));
    }
    let sql = "SELECT rootpage FROM sqlite_master WHERE name = 'Packages'";
    let page: u32 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(database);
    assert_eq!(of(root.path()).packages.len(), 13);
    let mut bytes = fs::read(root.path().join(PLACE)).unwrap();
    let leaf = &mut bytes[(page as usize - 1) * PAGE..][..PAGE];
    assert_eq!((leaf[0], leaf[4]), (13, 13), "a leaf with all of them");
    // All cells are the first one, whose row is nearly the whole file.
    for index in 1..13 {
        leaf.copy_within(8..10, 8 + 2 * index);
    }
    write(root.path(), PLACE, &bytes);
    let before = bytes_read();
    assert_eq!(of(root.path()).packages.len(), 1);
    let read = bytes_read() - before;
    assert!(read < 2 * bytes.len() as u64, "{read}");
}

#[test]
fn it_is_asked_whether_all_tables_are_wanted() {
    let root = tempfile::tempdir().unwrap();
    let database = database(root.path(), 512, "delete");
    for number in 0..50 {
        database.execute_batch(&format!("CREATE TABLE t{number} (x)")).unwrap();
    }
    drop(database);
    let asked = Cell::new(0);
    let wanted = || {
        asked.set(asked.get() + 1);
        Ok(())
    };
    take(fs::File::open(root.path()).unwrap().as_fd(), &wanted).unwrap();
    assert!(asked.get() > 50, "{}", asked.get());
}
