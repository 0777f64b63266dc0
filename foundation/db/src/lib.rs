//! The metadata store: typed key-value tables in one `SQLite` file.
//!
//! This crate knows files, transactions, crash safety and migrations. It does not know what the
//! records mean: every service keeps its own tables and its own [`Schema`].
//!
//! ```
//! use gantry_db::{Db, Error, Table};
//!
//! const PETS: Table<Vec<String>> = Table::new("pets");
//! # let folder = std::env::temp_dir().join(format!("gantry-db-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let db = Db::open(&folder.join("meta.db"))?;
//! db.write(|tx| PETS.put(tx, "cat", &vec!["Mimi".to_owned()]))?;
//! let found = db.read(|tx| PETS.get(tx, "cat"))?;
//! assert_eq!(found, Some(vec!["Mimi".to_owned()]));
//! # drop(db);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod error;
mod open;
mod schema;
mod table;
mod transaction;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use error::Error;
pub use schema::{Migration, Schema};
pub use table::Table;
pub use transaction::{ReadTx, WriteTx};

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One open metadata file. `Send + Sync`; share it by `Arc`.
///
/// One connection serves readers and writers, one at a time: all transactions here take
/// microseconds. A commit is one write into the write-ahead log without a flush: it survives the
/// death of the process, and the file stays consistent over a power cut (which may take the last
/// commits away).
#[derive(Debug)]
pub struct Db {
    path: PathBuf,
    connection: Mutex<rusqlite::Connection>,
}

impl Db {
    /// Opens the file, or creates it (its folder must be there).
    ///
    /// # Errors
    /// Another process has it open ([`Error::InUse`]), it is damaged ([`Error::Corrupt`]), it is no
    /// file of ours ([`Error::Foreign`]), or a newer Gantry wrote it ([`Error::NewerFile`]).
    pub fn open(path: &Path) -> Result<Self> {
        let connection = open::open(path)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// Brings the records of one owner up to date: runs those migrations of `schema` that the file
    /// has not seen yet, in order, in one transaction.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] when a newer Gantry has already migrated further.
    pub fn migrate(&self, schema: &Schema) -> Result<()> {
        self.write(|tx| schema::apply(tx, schema))
    }

    /// Runs `work` with a consistent view of all tables.
    ///
    /// Don't call [`Db::read`] or [`Db::write`] inside: there is one connection.
    pub fn read<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // Nobody else can write while we hold the connection: no BEGIN is needed.
        let connection = self.lock();
        work(&ReadTx::new(&connection, &self.path))
    }

    /// Runs `work` and commits what it wrote; when it fails or panics, nothing was written.
    ///
    /// Don't call [`Db::read`] or [`Db::write`] inside: there is one connection.
    pub fn write<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&WriteTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.lock();
        let tx = WriteTx::begin(&connection, &self.path)?;
        let value = work(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    /// Moves the write-ahead log into the main file and flushes both to the disk.
    ///
    /// It also happens by itself when the log has grown large; called in idle moments, it keeps
    /// that work off the hot path.
    pub fn checkpoint(&self) -> Result<()> {
        let connection = self.lock();
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|source| Error::from_sqlite("checkpoint", &self.path, source))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, rusqlite::Connection> {
        // A panic inside a transaction has rolled it back while unwinding: the connection is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
