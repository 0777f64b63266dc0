//! A full disk: a small tmpfs, mounted in a mount namespace that dies with the child.

use std::path::Path;
use std::process::Command;

use gantry_db::{Db, Error, Table};
use gantry_types::ErrorKind;

const ROWS: Table<String> = Table::new("rows");

/// In the child only: the folder where the small tmpfs is mounted.
const FOLDER_VARIABLE: &str = "GANTRY_DB_FULL_FOLDER";

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=2m tmpfs \"$GANTRY_DB_FULL_FOLDER\" && exec \"$0\" \"$@\"";
    let child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::child_on_a_small_disk", "--nocapture"])
        .env(FOLDER_VARIABLE, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
    assert!(text.contains("the disk was full"), "the child ran: {text}");
}

/// Not a test by itself: what the child runs. Without the variable it has nothing to do.
#[test]
fn child_on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return };
    let path = Path::new(&folder).join("meta.db");
    let db = Db::open(&path).unwrap();
    let value = "x".repeat(50_000);
    let mut written = 0;
    let error: Error = loop {
        match db.write(|tx| ROWS.put(tx, &format!("{written:04}"), &value)) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "2 MiB hold no 50 MB");
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(db.read(|tx| ROWS.count(tx)).unwrap(), written, "what was committed is there");
    drop(db);
    let db = Db::open(&path).unwrap();
    assert_eq!(db.read(|tx| ROWS.count(tx)).unwrap(), written);
    println!("the disk was full after {written}");
}
