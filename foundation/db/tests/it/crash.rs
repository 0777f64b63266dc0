//! Sudden death: a child that writes is killed at arbitrary moments. Whatever it had reported as
//! committed must be there, and no transaction may be there in part.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use gantry_db::{Db, Error, Table};

const ROWS: Table<String> = Table::new("rows");
const ROUNDS: u64 = 15;
const ROWS_PER_COMMIT: u64 = 5;

/// In the child only: the file to write into.
const FILE_VARIABLE: &str = "GANTRY_DB_CRASH_FILE";

#[test]
fn committed_records_survive_sigkill_and_none_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.db");
    let mut committed = None;
    for round in 0..ROUNDS {
        committed = kill_a_writer(&path, round * 17 + 1).or(committed);
        let db = Db::open(&path).unwrap();
        check(&db, committed);
    }
    assert!(committed.is_some_and(|last| last > ROUNDS), "the children committed: {committed:?}");
}

/// Starts a writer, kills it after it has reported `reports` commits, and returns the last one it
/// reported.
fn kill_a_writer(path: &Path, reports: u64) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_writes", "--nocapture"])
        .env(FILE_VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut numbers = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
    let mut last = None;
    for _ in 0..reports {
        last = numbers.next().or(last);
    }
    child.kill().unwrap();
    // What it wrote into the pipe before it died counts too.
    let last = numbers.last().or(last);
    child.wait().unwrap();
    last
}

fn check(db: &Db, committed: Option<u64>) {
    let rows = db.read(|tx| ROWS.list(tx)).unwrap();
    let commits = rows.len() as u64 / ROWS_PER_COMMIT;
    assert_eq!(rows.len() as u64 % ROWS_PER_COMMIT, 0, "a commit is whole or not there");
    assert!(committed.is_none_or(|last| last < commits), "{committed:?} of {commits} is there");
    for (position, (key, value)) in rows.iter().enumerate() {
        let number = position as u64 / ROWS_PER_COMMIT;
        assert_eq!(key, &format!("{number:08}/{}", position as u64 % ROWS_PER_COMMIT));
        assert_eq!(value, &content(number));
    }
}

fn content(number: u64) -> String {
    // Long enough for overflow pages.
    format!("{number};").repeat(1 + usize::try_from(number % 7).unwrap() * 300)
}

/// Not a test by itself: what the child runs. Without the variable it has nothing to do.
#[test]
fn child_that_writes() {
    let Some(path) = std::env::var_os(FILE_VARIABLE) else { return };
    let db = Db::open(Path::new(&path)).unwrap();
    let mut number = db.read(|tx| ROWS.count(tx)).unwrap() / ROWS_PER_COMMIT;
    loop {
        db.write(|tx| {
            for row in 0..ROWS_PER_COMMIT {
                ROWS.put(tx, &format!("{number:08}/{row}"), &content(number))?;
            }
            Ok::<_, Error>(())
        })
        .unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "\ncommitted {number}").unwrap();
        out.flush().unwrap();
        number += 1;
    }
}
