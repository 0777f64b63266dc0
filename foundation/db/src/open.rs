//! Opening the file: pragmas, the check that it is ours and sound, and its layout.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{Error, Result};

/// The layout of the file, in `PRAGMA user_version`.
const FORMAT: u32 = 1;

/// "Gtry", in `PRAGMA application_id`.
const APPLICATION_ID: u32 = 0x4774_7279;

/// How long to wait for another process to let go of the file: a daemon that is just stopping.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Pages (of 4 KiB) in the write-ahead log after which a commit also checkpoints.
const AUTOCHECKPOINT_PAGES: u32 = 2_000;

/// What the write-ahead log is cut back to after a checkpoint, in bytes.
const LOG_LIMIT_BYTES: u32 = 8 << 20;

/// Statements that stay prepared.
const STATEMENT_CACHE: usize = 32;

/// All records of all tables. One physical table keeps the number of prepared statements small,
/// and a new logical table costs nothing.
const LAYOUT: &str = "
    CREATE TABLE record (
        tbl   TEXT NOT NULL,
        key   TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (tbl, key)
    ) WITHOUT ROWID;
    CREATE TABLE schema_version (
        owner   TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL
    ) WITHOUT ROWID;
";

pub(crate) fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        // Our own mutex serializes; SQLite's would be taken in vain.
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fail = |source| Error::from_sqlite("open", path, source);
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    configure(&connection).map_err(fail)?;
    let format: u32 = pragma(&connection, "user_version").map_err(fail)?;
    let application: u32 = pragma(&connection, "application_id").map_err(fail)?;
    match (application, format) {
        (0, 0) => create(&connection, path)?,
        (APPLICATION_ID, FORMAT) => check(&connection, path)?,
        (APPLICATION_ID, found) if found > FORMAT => {
            return Err(Error::NewerFile { path: path.to_owned(), found, known: FORMAT });
        }
        _ => return Err(Error::Foreign { path: path.to_owned() }),
    }
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before the log is first touched: with the exclusive mode its index lives in our memory, not
    // in a shared mapping, no lock is taken for each transaction, and a second daemon is refused.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT_BYTES)?;
    // A plan must not hang on the values of a statement, or the statement is prepared anew for each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // What a damaged file claims about itself must not become our memory fault.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}

fn create(connection: &Connection, path: &Path) -> Result<()> {
    let fail = |source| Error::from_sqlite("create the tables", path, source);
    let tables: u32 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fail)?;
    if tables > 0 {
        return Err(Error::Foreign { path: path.to_owned() });
    }
    let tx = connection.unchecked_transaction().map_err(fail)?;
    tx.execute_batch(LAYOUT).map_err(fail)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    tx.pragma_update(None, "user_version", FORMAT).map_err(fail)?;
    tx.commit().map_err(fail)
}

/// The records are small, a check of all pages takes milliseconds, and damage found now is better
/// than damage found in the middle of a container's life.
fn check(connection: &Connection, path: &Path) -> Result<()> {
    let finding: String = pragma(connection, "quick_check(1)")
        .map_err(|source| Error::from_sqlite("check", path, source))?;
    if finding == "ok" {
        Ok(())
    } else {
        Err(Error::Unsound { path: path.to_owned(), finding: finding.replace('\n', " ") })
    }
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}
