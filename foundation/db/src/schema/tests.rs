//! Migrations: in order, once, all or nothing, and never backwards.

use super::*;
use crate::{Db, Table};

const ROWS: Table<serde_json::Value> = Table::new("rows");

fn add_field(tx: &WriteTx<'_>) -> Result<()> {
    for (key, mut row) in ROWS.list(tx)? {
        row["age"] = 0.into();
        ROWS.put(tx, &key, &row)?;
    }
    Ok(())
}

fn double(tx: &WriteTx<'_>) -> Result<()> {
    for (key, mut row) in ROWS.list(tx)? {
        row["age"] = (row["age"].as_u64().unwrap_or(100) * 2 + 1).into();
        ROWS.put(tx, &key, &row)?;
    }
    Ok(())
}

fn fail(tx: &WriteTx<'_>) -> Result<()> {
    ROWS.remove(tx, "cat")?;
    Err(Error::InUse { path: tx.path().to_owned() })
}

const V0: Schema = Schema { owner: "rows", migrations: &[] };
const V2: Schema = Schema { owner: "rows", migrations: &[add_field, double] };
const V3_BROKEN: Schema = Schema { owner: "rows", migrations: &[add_field, double, fail] };

fn age(db: &Db) -> Option<serde_json::Value> {
    db.read(|tx| ROWS.get(tx, "cat")).unwrap().map(|row| row["age"].clone())
}

#[test]
fn migrations_run_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.db");
    let db = Db::open(&path).unwrap();
    db.migrate(&V0).unwrap();
    db.write(|tx| ROWS.put(tx, "cat", &serde_json::json!({ "name": "Mimi" }))).unwrap();
    db.migrate(&V2).unwrap();
    assert_eq!(age(&db), Some(1.into()), "0, then 0 * 2 + 1");
    db.migrate(&V2).unwrap();
    assert_eq!(age(&db), Some(1.into()));
    drop(db);
    let db = Db::open(&path).unwrap();
    db.migrate(&V2).unwrap();
    assert_eq!(age(&db), Some(1.into()));
}

#[test]
fn a_failed_migration_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("meta.db")).unwrap();
    db.migrate(&V0).unwrap();
    db.write(|tx| ROWS.put(tx, "cat", &serde_json::json!({}))).unwrap();
    db.migrate(&V3_BROKEN).unwrap_err();
    assert_eq!(age(&db), Some(serde_json::Value::Null), "not even the first two steps");
    db.migrate(&V2).unwrap();
    assert_eq!(age(&db), Some(1.into()));
}

#[test]
fn records_of_a_newer_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.db");
    let db = Db::open(&path).unwrap();
    db.migrate(&V2).unwrap();
    let error = db.migrate(&V0).unwrap_err();
    let expected = format!(
        "rows records in {} have version 2, this Gantry knows up to 0: use a newer Gantry",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}
