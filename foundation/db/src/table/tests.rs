//! Tables: what is put is found, in order, and only in its own table.

use serde::{Deserialize, Serialize};

use super::*;
use crate::Db;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pet {
    name: String,
    age: u32,
}

const PETS: Table<Pet> = Table::new("pets");
const TOYS: Table<String> = Table::new("toys");

fn pet(name: &str, age: u32) -> Pet {
    Pet { name: name.to_owned(), age }
}

fn open() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("meta.db")).unwrap();
    (folder, db)
}

#[test]
fn what_is_put_is_found_until_removed() {
    let (_folder, db) = open();
    db.write(|tx| PETS.put(tx, "cat", &pet("Mimi", 3))).unwrap();
    db.write(|tx| PETS.put(tx, "cat", &pet("Mimi", 4))).unwrap();
    assert_eq!(db.read(|tx| PETS.get(tx, "cat")).unwrap(), Some(pet("Mimi", 4)));
    assert!(db.read(|tx| PETS.contains(tx, "cat")).unwrap());
    assert_eq!(db.read(|tx| PETS.count(tx)).unwrap(), 1);
    assert!(db.write(|tx| PETS.remove(tx, "cat")).unwrap());
    assert!(!db.write(|tx| PETS.remove(tx, "cat")).unwrap());
    assert_eq!(db.read(|tx| PETS.get(tx, "cat")).unwrap(), None);
}

#[test]
fn tables_do_not_see_each_other() {
    let (_folder, db) = open();
    db.write(|tx| {
        PETS.put(tx, "a", &pet("Rex", 1))?;
        TOYS.put(tx, "a", &"ball".to_owned())
    })
    .unwrap();
    assert_eq!(db.read(|tx| TOYS.list(tx)).unwrap(), [("a".to_owned(), "ball".to_owned())]);
    db.write(|tx| TOYS.remove(tx, "a")).unwrap();
    assert_eq!(db.read(|tx| PETS.count(tx)).unwrap(), 1);
}

#[test]
fn prefixes_are_taken_literally() {
    let (_folder, db) = open();
    let keys = ["a", "a%b", "ab", "aba", "abé", "ac", "a_b", "日本", "日本語", "b"];
    db.write(|tx| {
        for key in keys {
            TOYS.put(tx, key, &key.to_uppercase())?;
        }
        Ok::<_, Error>(())
    })
    .unwrap();
    let check = |prefix: &str, expected: &[&str]| {
        let found = db.read(|tx| TOYS.keys_with_prefix(tx, prefix, 100)).unwrap();
        assert_eq!(found, expected, "prefix {prefix:?}");
        let rows = db.read(|tx| TOYS.list_prefix(tx, prefix)).unwrap();
        assert!(rows.iter().map(|(key, _)| key).eq(&found), "rows of prefix {prefix:?}");
    };
    check("ab", &["ab", "aba", "abé"]);
    check("a%", &["a%b"]);
    check("a_", &["a_b"]);
    check("日", &["日本", "日本語"]);
    check("x", &[]);
    let limited = db.read(|tx| TOYS.keys_with_prefix(tx, "a", 2)).unwrap();
    assert_eq!(limited, ["a", "a%b"]);
    assert_eq!(db.read(|tx| TOYS.list(tx)).unwrap().len(), keys.len());
}

#[test]
fn a_failed_transaction_leaves_nothing() {
    let (_folder, db) = open();
    db.write(|tx| TOYS.put(tx, "ball", &"red".to_owned())).unwrap();
    let failed: Result<()> = db.write(|tx| {
        TOYS.put(tx, "ball", &"blue".to_owned())?;
        TOYS.put(tx, "rope", &"long".to_owned())?;
        Err(Error::InUse { path: "somewhere".into() })
    });
    failed.unwrap_err();
    assert_eq!(
        db.read(|tx| TOYS.list(tx)).unwrap(),
        [("ball".to_owned(), "red".to_owned())],
        "the old value is back"
    );
}

#[test]
fn a_panic_in_a_transaction_rolls_back_and_the_store_goes_on() {
    let (_folder, db) = open();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.write(|tx| -> Result<()> {
            TOYS.put(tx, "ball", &"red".to_owned())?;
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(db.read(|tx| TOYS.count(tx)).unwrap(), 0);
    db.write(|tx| TOYS.put(tx, "rope", &"long".to_owned())).unwrap();
}

#[test]
fn a_record_of_another_shape_is_named() {
    let (_folder, db) = open();
    let wrong: Table<u32> = Table::new("pets");
    db.write(|tx| wrong.put(tx, "cat", &7)).unwrap();
    let error = db.read(|tx| PETS.get(tx, "cat")).unwrap_err();
    assert_eq!(error.to_string(), "record \"cat\" of table pets has an unknown shape");
}
