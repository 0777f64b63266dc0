//! Transactions: the proof, passed to a table's functions, that reading or writing is allowed now.

use std::ops::Deref;
use std::path::Path;

use rusqlite::Connection;

use crate::{Error, Result};

/// Allows reading, see [`crate::Db::read`].
#[derive(Debug)]
pub struct ReadTx<'a> {
    connection: &'a Connection,
    path: &'a Path,
}

impl<'a> ReadTx<'a> {
    pub(crate) fn new(connection: &'a Connection, path: &'a Path) -> Self {
        Self { connection, path }
    }

    pub(crate) fn path(&self) -> &Path {
        self.path
    }

    pub(crate) fn run<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        work(self.connection).map_err(|source| Error::from_sqlite(action, self.path, source))
    }
}

/// Allows reading and writing, see [`crate::Db::write`]. Dropped without a commit, it rolls back.
#[derive(Debug)]
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    committed: bool,
}

impl<'a> WriteTx<'a> {
    pub(crate) fn begin(connection: &'a Connection, path: &'a Path) -> Result<Self> {
        let read = ReadTx::new(connection, path);
        read.run("begin a transaction", |connection| {
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])
        })?;
        Ok(Self { read, committed: false })
    }

    pub(crate) fn commit(mut self) -> Result<()> {
        self.read.run("commit a transaction", |connection| {
            connection.prepare_cached("COMMIT")?.execute([])
        })?;
        self.committed = true;
        Ok(())
    }
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;

    fn deref(&self) -> &Self::Target {
        &self.read
    }
}

impl Drop for WriteTx<'_> {
    fn drop(&mut self) {
        // After a full disk SQLite may have rolled back by itself.
        if !self.committed && !self.read.connection.is_autocommit() {
            // Nobody is left to tell; if it fails, the next BEGIN fails and says so.
            drop(self.read.connection.execute_batch("ROLLBACK"));
        }
    }
}
