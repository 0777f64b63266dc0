//! Versions of records: each owner of tables numbers its own migrations.

use rusqlite::OptionalExtension;

use crate::{Error, Result, WriteTx};

/// One step from a version to the next. It works on [`crate::Table`]s, typically of
/// `serde_json::Value`.
pub type Migration = fn(&WriteTx<'_>) -> Result<()>;

/// The records of one owner. Its version is the number of its migrations: version 0 is what the
/// owner's first release wrote.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Whose records: the name of a service.
    pub owner: &'static str,
    /// All migrations that there ever were, oldest first.
    pub migrations: &'static [Migration],
}

impl Schema {
    /// The version that records have after all migrations.
    pub fn version(&self) -> u32 {
        u32::try_from(self.migrations.len()).unwrap_or(u32::MAX)
    }
}

pub(crate) fn apply(tx: &WriteTx<'_>, schema: &Schema) -> Result<()> {
    let known = schema.version();
    let found = version(tx, schema.owner)?;
    // An owner without a version has no records yet: nothing to migrate.
    let Some(found) = found else { return set_version(tx, schema.owner, known) };
    if found > known {
        return Err(Error::NewerSchema {
            path: tx.path().to_owned(),
            owner: schema.owner.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    for migration in &schema.migrations[found as usize..] {
        migration(tx)?;
    }
    set_version(tx, schema.owner, known)
}

fn version(tx: &WriteTx<'_>, owner: &str) -> Result<Option<u32>> {
    tx.run("read the version of records", |connection| {
        connection
            .prepare_cached("SELECT version FROM schema_version WHERE owner = ?1")?
            .query_row([owner], |row| row.get(0))
            .optional()
    })
}

fn set_version(tx: &WriteTx<'_>, owner: &str, version: u32) -> Result<()> {
    tx.run("set the version of records", |connection| {
        connection
            .prepare_cached("REPLACE INTO schema_version (owner, version) VALUES (?1, ?2)")?
            .execute((owner, version))
            .map(drop)
    })
}

#[cfg(test)]
mod tests;
