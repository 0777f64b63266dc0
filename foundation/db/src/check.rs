//! Asking `SQLite` whether the file is whole.

use crate::{Db, Result};

/// Faults that are told at most.
const MOST: u32 = 20;

impl Db {
    /// Reads the whole file and says, in `SQLite`'s words, what is wrong with it: nothing for a sound one.
    ///
    /// Nobody else reads or writes meanwhile; a file of a few megabytes takes milliseconds.
    pub fn check(&self) -> Result<Vec<String>> {
        self.read(|tx| {
            tx.run("check the integrity of", |connection| {
                let mut statement =
                    connection.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
                let told = statement.query_map([], |row| row.get::<_, String>(0))?;
                told.filter(|line| !matches!(line, Ok(line) if line == "ok")).collect()
            })
        })
    }
}
